package x11

import (
	"context"
	"fmt"

	"github.com/jezek/xgb/randr"

	"github.com/vmette/vmette-mcp/desktop"
)

// Resize gives the screen another size, through RANDR. It returns when the
// screen has it: the next [Display.Capture] is whole, and input goes up to the
// new edges. Only servers whose screen is memory, such as Xvnc, take any size; an
// Xvfb takes none that is larger than it was started with.
func (d *Display) Resize(ctx context.Context, a desktop.ResizeScreen) error {
	if s := a.Size; s.Width*s.Height > maxPixels {
		return desktop.Errorf(desktop.CodeInvalid, "a screen of %v is too large to be looked at: send a size of at most %d pixels in all", s, maxPixels)
	}
	return d.act(ctx, true, func() error {
		if d.Size() == a.Size {
			return nil
		}
		if _, err := d.extension("RANDR"); err != nil {
			return desktop.Errorf(desktop.CodeUnavailable, "the size of the screen cannot be changed: %v", err)
		}
		if err := d.setSize(a.Size); err != nil {
			return err
		}
		// The news of it has been sent before the answer to this.
		if err := d.barrier(ctx); err != nil {
			return err
		}
		if s := d.Size(); s != a.Size {
			return desktop.Errorf(desktop.CodeNotDelivered, "the X server made the screen %v instead of %v", s, a.Size)
		}
		return nil
	})
}

// setSize makes the one output of the screen show a mode of this size, and the
// screen as large as that.
func (d *Display) setSize(size desktop.Size) error {
	if _, err := await(d, randr.QueryVersion(d.conn, 1, 3)); err != nil {
		return fmt.Errorf("ask for RANDR: %w", err)
	}
	limits, err := await(d, randr.GetScreenSizeRange(d.conn, d.root))
	if err != nil {
		return fmt.Errorf("ask for the sizes of the screen: %w", err)
	}
	if size.Width < int(limits.MinWidth) || size.Width > int(limits.MaxWidth) || size.Height < int(limits.MinHeight) || size.Height > int(limits.MaxHeight) {
		return desktop.Errorf(desktop.CodeInvalid, "this X server cannot make its screen %v: it takes %dx%d to %dx%d", size, limits.MinWidth, limits.MinHeight, limits.MaxWidth, limits.MaxHeight)
	}
	r, err := await(d, randr.GetScreenResourcesCurrent(d.conn, d.root))
	if err != nil {
		return fmt.Errorf("ask for the outputs of the screen: %w", err)
	}
	output, crtc, err := d.onlyOutput(r)
	if err != nil {
		return err
	}
	mode, err := d.modeOf(size, r, output)
	if err != nil {
		return err
	}
	old := d.Size()
	// The screen must hold the mode at every moment.
	if err := d.screenSize(desktop.Size{Width: max(size.Width, old.Width), Height: max(size.Height, old.Height)}); err != nil {
		return err
	}
	set, err := await(d, randr.SetCrtcConfig(d.conn, crtc, 0, r.ConfigTimestamp, 0, 0, mode, randr.RotationRotate0, []randr.Output{output}))
	if err == nil && set.Status != randr.SetConfigSuccess {
		err = fmt.Errorf("status %d", set.Status)
	}
	if err != nil {
		_ = d.screenSize(old) // what went wrong is told already
		return fmt.Errorf("set the mode %v: %w", size, err)
	}
	if err := d.screenSize(size); err != nil {
		return err
	}
	d.forgetModes(r, output, mode)
	return nil
}

// onlyOutput returns the output that is connected, and what drives it.
func (d *Display) onlyOutput(r *randr.GetScreenResourcesCurrentReply) (randr.Output, randr.Crtc, error) {
	var found randr.Output
	var crtc randr.Crtc
	for _, o := range r.Outputs {
		info, err := await(d, randr.GetOutputInfo(d.conn, o, r.ConfigTimestamp))
		if err != nil {
			return 0, 0, fmt.Errorf("ask for an output of the screen: %w", err)
		}
		if info.Connection == randr.ConnectionDisconnected {
			continue
		}
		if found != 0 {
			return 0, 0, desktop.Errorf(desktop.CodeUnavailable, "the screen has several outputs, whose sizes are not changed: use xrandr by exec")
		}
		found, crtc = o, info.Crtc
		if crtc == 0 && len(info.Crtcs) > 0 {
			crtc = info.Crtcs[0]
		}
	}
	if found == 0 || crtc == 0 {
		return 0, 0, desktop.Errorf(desktop.CodeUnavailable, "the screen has no output whose size could be changed: start the X server with RANDR, as Xvnc does")
	}
	return found, crtc, nil
}

// modePrefix begins the names of the modes that this driver makes.
const modePrefix = "vmette-"

// modeOf returns a mode of a size, which it makes if the output has none.
func (d *Display) modeOf(size desktop.Size, r *randr.GetScreenResourcesCurrentReply, output randr.Output) (randr.Mode, error) {
	info, err := await(d, randr.GetOutputInfo(d.conn, output, r.ConfigTimestamp))
	if err != nil {
		return 0, fmt.Errorf("ask for the modes of the screen: %w", err)
	}
	sized := make(map[randr.Mode]bool)
	for _, m := range r.Modes {
		sized[randr.Mode(m.Id)] = int(m.Width) == size.Width && int(m.Height) == size.Height
	}
	for _, m := range info.Modes {
		if sized[m] {
			return m, nil
		}
	}
	name := modePrefix + size.String()
	mode := randr.ModeInfo{Width: uint16(size.Width), Height: uint16(size.Height), NameLen: uint16(len(name))}
	made, err := await(d, randr.CreateMode(d.conn, d.root, mode, name))
	if err != nil {
		return 0, fmt.Errorf("make the mode %v: %w", size, err)
	}
	if err := randr.AddOutputModeChecked(d.conn, output, made.Mode).Check(); err != nil {
		return 0, fmt.Errorf("add the mode %v: %w", size, err)
	}
	return made.Mode, nil
}

// forgetModes removes the modes that earlier changes have made.
func (d *Display) forgetModes(r *randr.GetScreenResourcesCurrentReply, output randr.Output, current randr.Mode) {
	names := r.Names
	for _, m := range r.Modes {
		if int(m.NameLen) > len(names) {
			return
		}
		name := string(names[:m.NameLen])
		names = names[m.NameLen:]
		if mode := randr.Mode(m.Id); len(name) > len(modePrefix) && name[:len(modePrefix)] == modePrefix && mode != current {
			randr.DeleteOutputMode(d.conn, output, mode)
			randr.DestroyMode(d.conn, mode)
		}
	}
}

// screenSize sets the size of the screen, with 96 dots an inch, as X servers
// whose screen is memory have it.
func (d *Display) screenSize(s desktop.Size) error {
	millimetres := func(pixels int) uint32 { return uint32(pixels * 254 / 960) }
	err := randr.SetScreenSizeChecked(d.conn, d.root, uint16(s.Width), uint16(s.Height), millimetres(s.Width), millimetres(s.Height)).Check()
	if err != nil {
		return fmt.Errorf("set the size of the screen to %v: %w", s, err)
	}
	return nil
}

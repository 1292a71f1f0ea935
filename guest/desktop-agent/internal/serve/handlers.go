package serve

import (
	"context"
	"errors"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// outcome is what an action answers beside the picture.
type outcome struct {
	desktop.Response
	payload []byte // stdout and stderr of a command
	look    bool   // the answer is a picture, whether or not one was asked for
}

// handler performs one kind of action. Its errors are *desktop.Error, or else
// they are the agent's own failure.
type handler func(ctx context.Context, s *Server, a desktop.Action) (outcome, error)

// handlers has one entry for each row of desktop.Actions.
var handlers = map[string]handler{
	"screenshot":      screenshot,
	"cursor_position": cursorPosition,
	"move":            pointing(Display.Move),
	"click":           pointing(Display.Click),
	"button_down":     pointing(Display.ButtonDown),
	"button_up":       pointing(Display.ButtonUp),
	"drag":            pointing(Display.Drag),
	"scroll":          pointing(Display.Scroll),
	"type":            typing(Display.Type),
	"key":             typing(Display.Key),
	"key_down":        typing(Display.KeyDown),
	"key_up":          typing(Display.KeyUp),
	"hold_key":        typing(Display.HoldKey),
	"release":         typing(func(d Display, ctx context.Context, _ desktop.Release) error { return d.ReleaseAll(ctx) }),
	"wait":            wait,
	"exec":            execute,
	"exec_output":     execOutput,
	"exec_stop":       execStop,
	"read_file":       readFile,
	"write_file":      writeFile,
	"list_files":      listFiles,
	"get_clipboard":   getClipboard,
	"set_clipboard":   setClipboard,
	"paste":           paste,
	"list_windows":    listWindows,
	"change_window":   changeWindow,
	"launch":          launchApplication,
	"resize_screen":   typing(Display.Resize),
	"open_url":        openURL,
	"rest_browser":    restBrowser,
}

// A batch looks its actions up in the table itself.
func init() { handlers["batch"] = batch }

// typing is a handler of an action that is done when the display has done it.
func typing[A desktop.Action](do func(Display, context.Context, A) error) handler {
	return func(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
		d, err := s.Desk.use(ctx)
		if err != nil {
			return outcome{}, err
		}
		if err := do(d, ctx, a.(A)); err != nil {
			return outcome{}, err
		}
		var o outcome
		o.Notices = d.Notices()
		return o, nil
	}
}

// pointing is like typing for an action after which the host is told where the
// pointer is.
func pointing[A desktop.Action](do func(Display, context.Context, A) error) handler {
	return func(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
		d, err := s.Desk.use(ctx)
		if err != nil {
			return outcome{}, err
		}
		if err := do(d, ctx, a.(A)); err != nil {
			return outcome{}, err
		}
		notices := d.Notices()
		o, err := pointer(ctx, d)
		if err != nil {
			return outcome{}, afterwards(err)
		}
		o.Notices = notices
		return o, nil
	}
}

// pointer is an outcome that tells where the pointer is.
func pointer(ctx context.Context, d Display) (outcome, error) {
	p, err := d.Pointer(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	o.X, o.Y = &p.X, &p.Y
	return o, nil
}

func cursorPosition(ctx context.Context, s *Server, _ desktop.Action) (outcome, error) {
	d, err := s.Desk.use(ctx)
	if err != nil {
		return outcome{}, err
	}
	return pointer(ctx, d)
}

// afterwards is the error of an action that was done, but of which nobody
// could tell where it had led.
func afterwards(err error) error {
	return desktop.Errorf(desktop.CodeUnknown, "it was sent to the screen, but then the pointer could not be found: %v; take a screenshot before going on", err)
}

func screenshot(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	d, err := s.Desk.use(ctx)
	if err != nil {
		return outcome{}, err
	}
	if r := a.(desktop.Screenshot).Region; r != nil && !r.In(d.Size()) {
		return outcome{}, desktop.Errorf(desktop.CodeInvalid, "region %v is not on the screen, which is %v: send [x0, y0, x1, y1] with x1 <= %d and y1 <= %d",
			*r, d.Size(), d.Size().Width, d.Size().Height)
	}
	return outcome{look: true}, nil
}

func wait(ctx context.Context, _ *Server, a desktop.Action) (outcome, error) {
	timer := time.NewTimer(time.Duration(a.(desktop.Wait).DurationMS) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return outcome{}, nil
	case <-ctx.Done():
		return outcome{}, desktop.Errorf(desktop.CodeCancelled, "the wait was cut short")
	}
}

func openURL(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	notice, err := s.Browser.Open(ctx, a.(desktop.OpenURL).URL)
	return showing(nil, notice, err)
}

func restBrowser(ctx context.Context, s *Server, _ desktop.Action) (outcome, error) {
	return outcome{}, s.Browser.Rest(ctx)
}

// failure is err as the host is told of it.
func failure(ctx context.Context, err error) *desktop.Error {
	var e *desktop.Error
	switch {
	case errors.As(err, &e):
		return e
	case ctx.Err() != nil:
		return desktop.Errorf(desktop.CodeCancelled, "stopped on request: part of it may have been done")
	}
	return desktop.Errorf(desktop.CodeInternal, "the guest agent failed: %v", err)
}

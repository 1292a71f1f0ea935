package x11

import (
	"context"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// paceStep is after how many characters a program is asked how far it is.
	paceStep = 2048
	// paceAhead is how many characters it may be behind.
	paceAhead = 4096
	// hungTime is how long a program may take to get on. One that an emulated
	// processor runs may be far behind without hanging.
	hungTime = 30 * time.Second
)

// pace follows the program that a text is typed into. It notices when another one
// gets the keys, and keeps the text from running far ahead.
//
// Programs answer pings in turn with the keys that they are sent. They are asked
// before the text, so that one that hangs is found out, and now and then on the
// way; an answer is waited for only at the end, and when the text is far ahead.
// A program that answers none is not waited for.
type pace struct {
	d      *Display
	window xproto.Window // has the focus
	pings  xproto.Window // answers pings; 0 when no window of it does
	asked  []askedAt     // and not known to have been answered, oldest first
}

// askedAt is a ping that was sent after so many characters.
type askedAt struct {
	at       int
	answered <-chan struct{}
	forget   func()
}

var errBehind = desktop.Errorf(desktop.CodeNotDelivered, "the application does not get on with the text")

// newPace follows who has the focus now. The caller must call stop.
func (d *Display) newPace() (*pace, error) {
	window, err := d.focusedWindow()
	if err != nil {
		return nil, err
	}
	p := &pace{d: d}
	p.follow(window, 0)
	return p, nil
}

// follow follows another window from a character on.
func (p *pace) follow(window xproto.Window, at int) {
	p.stop()
	p.window = window
	p.pings, _ = p.d.pinged(window)
	p.ask(at)
}

func (p *pace) stop() {
	for _, q := range p.asked {
		q.forget()
	}
	p.asked = nil
}

// ask asks how far the program is.
func (p *pace) ask(at int) {
	if p.pings == 0 {
		return
	}
	answered, forget := p.d.sendPing(p.pings)
	p.asked = append(p.asked, askedAt{at, answered, forget})
}

// typed is told how many characters have been typed of a text that goes on. It
// reports that another program gets the keys by now, and waits for one that is far
// behind.
func (p *pace) typed(ctx context.Context, before, done int) error {
	moved, err := p.moved(done)
	if err != nil {
		return err
	}
	if moved {
		return desktop.Errorf(desktop.CodeNotDelivered, "the keyboard focus moved to another program or to none, so typing was stopped: the first %d characters reached the window, those up to %d may have gone elsewhere, and the rest was not typed; click into the window that is meant, and look what it holds before going on", before, done)
	}
	if len(p.asked) == 0 || done-p.asked[len(p.asked)-1].at >= paceStep {
		p.ask(done)
	}
	return p.read(ctx, done-paceAhead)
}

// ended is told that all of the text has been typed.
func (p *pace) ended(ctx context.Context, all int) error {
	if err := p.read(ctx, 0); err != nil {
		return err
	}
	moved, err := p.moved(all)
	if moved {
		p.d.notice("the keyboard focus is not where the text began any more: unless that is what it was to do, its end may have gone elsewhere, so look before going on")
	}
	return err
}

// moved reports whether another program has the focus, or none. That a program
// gives it from one of its windows to another is its own business.
func (p *pace) moved(at int) (bool, error) {
	window, err := p.d.focusedWindow()
	if err != nil || window == p.window {
		return false, err
	}
	if !p.d.sameProgram(window, p.window) {
		return true, nil
	}
	p.follow(window, at)
	return false, nil
}

// read returns when the program has read the first characters, as far as it was
// asked about them.
func (p *pace) read(ctx context.Context, characters int) error {
	limit, cancel := context.WithTimeoutCause(ctx, p.d.input.hungTime, errNoAnswer)
	defer cancel()
	for len(p.asked) > 0 && p.asked[0].at <= characters {
		select {
		case <-p.asked[0].answered:
			p.asked = p.asked[1:]
		case <-p.d.done:
			return p.d.wire.reason()
		case <-limit.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errBehind
		}
	}
	return nil
}

// sameProgram reports whether two windows belong to one program, which may have
// several connections.
func (d *Display) sameProgram(a, b xproto.Window) bool {
	if a <= xproto.InputFocusPointerRoot || b <= xproto.InputFocusPointerRoot {
		return false
	}
	mask := xproto.Window(xproto.Setup(d.conn).ResourceIdMask)
	if a&^mask == b&^mask {
		return true
	}
	pid := d.pidOf(a)
	return pid != 0 && pid == d.pidOf(b)
}

package desktop

import (
	"errors"
	"fmt"
	"time"
)

// MaxWindows is how many windows one answer holds.
const MaxWindows = 256

// ListWindows answers the windows that applications have open as Windows, from
// the lowest to the topmost.
type ListWindows struct{}

// ChangeWindow asks the window manager to do something with the window ID, and
// answers as Windows what it then is, or nothing when it is gone.
type ChangeWindow struct {
	ID     uint32     `json:"id" doc:"Of the window, as list_windows tells it."`
	Do     WindowVerb `json:"do" doc:"What to do with it."`
	To     *Point     `json:"to,omitempty" doc:"With move: where its top left corner shall be, frame included."`
	Region *Rect      `json:"region,omitempty" doc:"With resize: where it shall be, frame included."`
}

// WindowVerb is what a [ChangeWindow] does.
type WindowVerb string

// The verbs.
const (
	WindowFocus    WindowVerb = "focus" // raise it and give it the keyboard; a minimized one is restored
	WindowMove     WindowVerb = "move"
	WindowResize   WindowVerb = "resize"
	WindowMaximize WindowVerb = "maximize"
	WindowMinimize WindowVerb = "minimize"
	WindowRestore  WindowVerb = "restore" // undo maximize, minimize and full screen
	WindowClose    WindowVerb = "close"   // ask its application to close it, as the button in its frame does
)

// Words returns the verbs.
func (WindowVerb) Words() []string {
	return []string{
		string(WindowFocus), string(WindowMove), string(WindowResize), string(WindowMaximize), string(WindowMinimize),
		string(WindowRestore), string(WindowClose),
	}
}

// Launch starts a program with the desktop user's shell and waits until it shows
// a window, which it answers as Windows. It goes on as a job: see [Exec].
type Launch struct {
	Command   string `json:"command" doc:"The command line, for the desktop user's shell."`
	TimeoutMS int    `json:"timeout_ms,omitempty" arg:",positive" doc:"How long to wait for its window, at most 3600 s. Without it: 40 s."` // zero means [DefaultLaunchTimeout]
}

// DefaultLaunchTimeout is how long a [Launch] waits for a window that names no
// time. Large programs need half a minute on an emulated processor, and some clients
// give up a call after a minute, in which the screen is to settle as well.
const DefaultLaunchTimeout = 40 * time.Second

// ResizeScreen gives the screen another size. Windows stay where they are as far
// as the window manager lets them.
type ResizeScreen struct {
	Size Size `json:"size" doc:"Width and height in pixels of the screen itself, each 200 to 8192."`
}

// MinScreen is the smallest width and height of a [ResizeScreen].
const MinScreen = 200

// Window is one window of an application, of the kind a person would count.
type Window struct {
	ID        uint32 `json:"id"` // X11's
	Title     string `json:"title"`
	Class     string `json:"class"`         // of the application: WM_CLASS
	PID       int    `json:"pid,omitempty"` // of the process that opened it, when it says so
	Region    Rect   `json:"region"`        // frame included; may reach beyond the screen
	Focused   bool   `json:"focused,omitempty"`
	Maximized bool   `json:"maximized,omitempty"`
	Minimized bool   `json:"minimized,omitempty"`
	Full      bool   `json:"full_screen,omitempty"`
}

// Name returns "list_windows".
func (ListWindows) Name() string { return "list_windows" }

// Name returns "change_window".
func (ChangeWindow) Name() string { return "change_window" }

// Name returns "launch".
func (Launch) Name() string { return "launch" }

// Name returns "resize_screen".
func (ResizeScreen) Name() string { return "resize_screen" }

// Validate always succeeds.
func (ListWindows) Validate() error { return nil }

// Validate reports an unknown verb, or a place that it lacks or does not take.
func (a ChangeWindow) Validate() error {
	if a.ID == 0 {
		return errors.New("id is 0: send the id of a window, which list_windows tells")
	}
	switch a.Do {
	case WindowFocus, WindowMaximize, WindowMinimize, WindowRestore, WindowClose:
	case WindowMove:
		if a.To == nil {
			return errors.New("move lacks to: send where the top left corner of the window shall be")
		}
	case WindowResize:
		if a.Region == nil {
			return errors.New("resize lacks region: send [x0, y0, x1, y1] for the window")
		}
	default:
		return fmt.Errorf("do %q is not focus, move, resize, maximize, minimize, restore or close", a.Do)
	}
	if a.To != nil && a.Do != WindowMove {
		return fmt.Errorf("%s takes no to", a.Do)
	}
	if a.Region != nil {
		if a.Do != WindowResize {
			return fmt.Errorf("%s takes no region", a.Do)
		}
		if r := *a.Region; r.X0 < 0 || r.Y0 < 0 || r.X0 >= r.X1 || r.Y0 >= r.Y1 {
			return fmt.Errorf("region %v is empty or negative: send [x0, y0, x1, y1] with x0 < x1 and y0 < y1", r)
		}
	}
	return validateAt(a.To)
}

// Validate reports what Exec's does.
func (a Launch) Validate() error { return Exec{Command: a.Command, TimeoutMS: a.TimeoutMS}.Validate() }

// Validate reports a size that no screen has.
func (a ResizeScreen) Validate() error {
	if s := a.Size; s.Width < MinScreen || s.Height < MinScreen || !s.Valid() {
		return fmt.Errorf("size %v is not possible: send width and height from %d to %d, at most %d pixels in all", a.Size, MinScreen, MaxScreen, MaxPixels)
	}
	return nil
}

func (w *Window) validate() error {
	const far = 1 << 16
	r := w.Region
	switch {
	case w.ID == 0:
		return errors.New("window has the id 0")
	case r.X0 > r.X1 || r.Y0 > r.Y1 || min(r.X0, r.Y0) < -far || max(r.X1, r.Y1) > far:
		return fmt.Errorf("window lies at %v", r)
	case w.PID < 0:
		return fmt.Errorf("window of process %d", w.PID)
	}
	return nil
}

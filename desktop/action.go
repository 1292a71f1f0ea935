package desktop

import (
	"errors"
	"fmt"
	"net/url"
	"time"
	"unicode/utf8"
)

// Limits that [Action.Validate] enforces on both sides. Nothing is clamped: a
// value beyond its limit is an error that names the limit.
const (
	MaxText      = 400_000            // bytes of UTF-8 in one Type
	MaxRepeat    = 100                // repetitions of one Key
	MaxDuration  = 300 * time.Second  // of a Wait or a HoldKey
	MaxTimeout   = 3600 * time.Second // of an Exec
	MaxCommand   = 128<<10 - 1        // bytes of one Exec command: Linux's MAX_ARG_STRLEN less the final NUL
	MaxURL       = 32 << 10           // bytes of an OpenURL address
	MaxPath      = 4096               // points of one Drag
	MaxNotches   = 1000               // of one Scroll, in each direction
	NotchPixels  = 120                // that a Scroll in pixels takes for a notch: what Chromium scrolls for one
	MaxModifiers = 8                  // of one Click, Drag or Scroll
	MaxChord     = 256                // bytes of a key chord
)

// Action is one computer-use verb, sent from the host to the guest agent. The
// concrete types of this package are the whole vocabulary; [Actions] lists
// them.
type Action interface {
	// Name returns the wire tag, such as "click".
	Name() string
	// Validate reports what is wrong with the action by itself, without
	// knowledge of the screen or the keymap. Its error says what to send
	// instead.
	Validate() error
}

// Button is a pointer button by its X11 number. The wheel (4 to 7) is not a
// button here: see [Scroll].
type Button int

// The buttons a pointer has.
const (
	Left    Button = 1
	Middle  Button = 2
	Right   Button = 3
	Back    Button = 8
	Forward Button = 9
)

func (b Button) validate() error {
	switch b {
	case Left, Middle, Right, Back, Forward:
		return nil
	}
	return fmt.Errorf("button %d does not exist: use 1 (left), 2 (middle), 3 (right), 8 (back) or 9 (forward)", int(b))
}

// Screenshot observes the screen and does nothing to it. Region, when present,
// is the part that the caller wants to look at, at native resolution; the
// agent checks that it lies on the screen.
type Screenshot struct {
	Region *Rect `json:"region,omitempty" doc:"The part to look at. Without it: the whole screen."`
}

// CursorPosition answers where the pointer is.
type CursorPosition struct{}

// Move puts the pointer on To.
type Move struct {
	To Point `json:"to" arg:"coordinate" doc:"Where to."`
}

// Click presses and releases Button, Count times in a row, at At (where the
// pointer is when nil), with Modifiers held around it.
type Click struct {
	Button    Button   `json:"button" doc:"Which button."`
	Count     int      `json:"count" doc:"How often: 1 to 3."`
	At        *Point   `json:"at,omitempty" arg:"coordinate" doc:"Where. Without it: where the pointer is."`
	Modifiers []string `json:"modifiers,omitempty" doc:"Keys to hold meanwhile, such as [\"ctrl\"]."`
}

// ButtonDown presses Button and leaves it pressed until [ButtonUp], an error,
// or the end of the connection.
type ButtonDown struct {
	Button Button `json:"button" doc:"Which button."`
}

// ButtonUp releases Button.
type ButtonUp struct {
	Button Button `json:"button" doc:"Which button."`
}

// Drag presses Button on the first point of Path, moves through the others and
// releases it on the last one. A Path of one point starts where the pointer is.
type Drag struct {
	Button    Button   `json:"button" doc:"Which button."`
	Path      []Point  `json:"path" doc:"The way, at most 4096 points. One point alone is where to drag to from where the pointer is."`
	Modifiers []string `json:"modifiers,omitempty" doc:"Keys to hold meanwhile, such as [\"ctrl\"]."`
}

// Scroll turns the wheel at At (where the pointer is when nil). DX is in
// notches to the right, DY in notches down; negative values go left and up.
//
// With Pixels they are in pixels. A wheel knows notches alone, and each application
// decides how far it scrolls for one: see [Scroll.Notches].
type Scroll struct {
	At        *Point   `json:"at,omitempty" arg:"coordinate" doc:"Where. Without it: where the pointer is."`
	DX        int      `json:"dx,omitempty" doc:"How far to the right; negative to the left."`
	DY        int      `json:"dy,omitempty" doc:"How far down; negative up."`
	Pixels    bool     `json:"pixels,omitempty" doc:"Whether dx and dy are pixels, not notches of the wheel."`
	Modifiers []string `json:"modifiers,omitempty" doc:"Keys to hold meanwhile, such as [\"ctrl\"]."`
}

// Key presses and releases a chord such as "ctrl+shift+t" Repeat times (zero
// means once).
type Key struct {
	Keys   string `json:"keys" arg:"text" doc:"The key, or keys joined by +, such as \"Return\", \"Page_Down\", \"ctrl+s\"."`
	Repeat int    `json:"repeat,omitempty" doc:"How often to press it, 1 to 100. Without it: once."`
}

// KeyDown presses a chord and leaves it pressed until [KeyUp], an error, or the
// end of the connection.
type KeyDown struct {
	Keys string `json:"keys" arg:"text" doc:"The key, or keys joined by +."`
}

// KeyUp releases a chord.
type KeyUp struct {
	Keys string `json:"keys" arg:"text" doc:"The key, or keys joined by +."`
}

// Release releases every key and button that is held down. It is sent at the end
// of a conversation whose desktop stays.
type Release struct{}

// HoldKey holds a chord down for DurationMS milliseconds.
type HoldKey struct {
	Keys       string `json:"keys" arg:"text" doc:"The key, or keys joined by +."`
	DurationMS int    `json:"duration_ms" doc:"How long, at most 300 s."`
}

// Type enters Text, any Unicode, into what has the keyboard focus.
type Type struct {
	Text string `json:"text" doc:"The text, any Unicode. A newline is the Return key, a tab the Tab key."`
}

// Wait lets DurationMS milliseconds pass.
type Wait struct {
	DurationMS int `json:"duration_ms" doc:"How long, at most 300 s."`
}

// Exec runs Command with the desktop user's shell, in the desktop's session,
// and answers its exit code and output. TimeoutMS is the time it is given; zero
// means [DefaultExecTimeout]. The whole process group is killed when it ends.
//
// With Background it is answered as soon as the command runs, which then is a job:
// [ExecOutput] and [ExecStop] name it by its number, and zero means that it has
// no time limit. Jobs end with the guest agent.
type Exec struct {
	Command    string `json:"command" doc:"The command line, for the desktop user's shell."`
	TimeoutMS  int    `json:"timeout_ms,omitempty" arg:",positive" doc:"How long it may run, at most 3600 s. Without it: 30 s, or in the background as long as it likes."`
	Background bool   `json:"background,omitempty" doc:"Whether to leave it running as a job and answer at once."`
}

// DefaultExecTimeout is how long an [Exec] may run that names no time.
const DefaultExecTimeout = 30 * time.Second

// OpenURL opens an http, https or file URL in the desktop's browser.
type OpenURL struct {
	URL string `json:"url" doc:"The http, https or file URL to open."`
}

// OpenURLTimeout is how long an [OpenURL] waits for the first window of a browser. On an
// emulated processor half a minute is usual.
const OpenURLTimeout = 45 * time.Second

// RestBrowser has the browser that [OpenURL] started stand still, with all of its
// processes, until an Action comes that does more than look: then it goes on before
// that is done. A desktop that is saved with a browser costs next to nothing after a
// start until it is used. It is [CodeUnavailable] where none was started, or
// where there is no control group for it.
type RestBrowser struct{}

// Name returns "screenshot".
func (Screenshot) Name() string { return "screenshot" }

// Name returns "cursor_position".
func (CursorPosition) Name() string { return "cursor_position" }

// Name returns "move".
func (Move) Name() string { return "move" }

// Name returns "click".
func (Click) Name() string { return "click" }

// Name returns "button_down".
func (ButtonDown) Name() string { return "button_down" }

// Name returns "button_up".
func (ButtonUp) Name() string { return "button_up" }

// Name returns "drag".
func (Drag) Name() string { return "drag" }

// Name returns "scroll".
func (Scroll) Name() string { return "scroll" }

// Name returns "key".
func (Key) Name() string { return "key" }

// Name returns "key_down".
func (KeyDown) Name() string { return "key_down" }

// Name returns "key_up".
func (KeyUp) Name() string { return "key_up" }

// Name returns "release".
func (Release) Name() string { return "release" }

// Name returns "hold_key".
func (HoldKey) Name() string { return "hold_key" }

// Name returns "type".
func (Type) Name() string { return "type" }

// Name returns "wait".
func (Wait) Name() string { return "wait" }

// Name returns "exec".
func (Exec) Name() string { return "exec" }

// Name returns "open_url".
func (OpenURL) Name() string { return "open_url" }

// Name returns "rest_browser".
func (RestBrowser) Name() string { return "rest_browser" }

// Validate reports an empty or inverted region.
func (a Screenshot) Validate() error {
	if r := a.Region; r != nil && (r.X0 < 0 || r.Y0 < 0 || r.X0 >= r.X1 || r.Y0 >= r.Y1) {
		return fmt.Errorf("region %v is empty or negative: send [x0, y0, x1, y1] with x0 < x1 and y0 < y1", *r)
	}
	return nil
}

// Validate always succeeds.
func (CursorPosition) Validate() error { return nil }

// Validate reports a negative coordinate.
func (a Move) Validate() error { return a.To.validate() }

// Validate reports an unknown button, a count outside 1 to 3, a negative point
// or too many modifiers.
func (a Click) Validate() error {
	if a.Count < 1 || a.Count > 3 {
		return fmt.Errorf("count %d is not 1, 2 or 3", a.Count)
	}
	return errors.Join(a.Button.validate(), validateAt(a.At), validateModifiers(a.Modifiers))
}

// Validate reports an unknown button.
func (a ButtonDown) Validate() error { return a.Button.validate() }

// Validate reports an unknown button.
func (a ButtonUp) Validate() error { return a.Button.validate() }

// Validate reports an unknown button, a path with no or too many points, or a
// negative point.
func (a Drag) Validate() error {
	if len(a.Path) < 1 || len(a.Path) > MaxPath {
		return fmt.Errorf("drag path has %d points: send 1 to %d", len(a.Path), MaxPath)
	}
	for _, p := range a.Path {
		if err := p.validate(); err != nil {
			return err
		}
	}
	return errors.Join(a.Button.validate(), validateModifiers(a.Modifiers))
}

// Validate reports a scroll of nothing or of more than [MaxNotches].
func (a Scroll) Validate() error {
	if a.DX == 0 && a.DY == 0 {
		return errors.New("scroll moves by nothing: send dx or dy other than 0")
	}
	if limit, unit := a.limit(); max(a.DX, -a.DX, a.DY, -a.DY) > limit {
		return fmt.Errorf("scroll of dx %d, dy %d is too far: send at most %d %s", a.DX, a.DY, limit, unit)
	}
	return errors.Join(validateAt(a.At), validateModifiers(a.Modifiers))
}

func (a Scroll) limit() (n int, unit string) {
	if a.Pixels {
		return MaxNotches * NotchPixels, "pixels"
	}
	return MaxNotches, "notches"
}

// Notches returns by how many notches the wheel is turned: with Pixels those
// that come closest, at least one in a direction that is not zero.
func (a Scroll) Notches() (dx, dy int) {
	if !a.Pixels {
		return a.DX, a.DY
	}
	return closestNotches(a.DX), closestNotches(a.DY)
}

func closestNotches(pixels int) int {
	switch {
	case pixels == 0:
		return 0
	case pixels < 0:
		return -closestNotches(-pixels)
	}
	return max(1, (pixels+NotchPixels/2)/NotchPixels)
}

// Validate reports an empty or overlong chord. Whether the keys exist, the agent
// knows.
func (a KeyDown) Validate() error { return validateChord(a.Keys) }

// Validate reports an empty or overlong chord.
func (a KeyUp) Validate() error { return validateChord(a.Keys) }

// Validate always succeeds.
func (Release) Validate() error { return nil }

// Validate always succeeds.
func (RestBrowser) Validate() error { return nil }

// Validate reports an empty or overlong chord, or a repeat outside 0 to
// [MaxRepeat]. Whether the keys exist, the agent knows.
func (a Key) Validate() error {
	if a.Repeat < 0 || a.Repeat > MaxRepeat {
		return fmt.Errorf("repeat %d is not between 1 and %d", a.Repeat, MaxRepeat)
	}
	return validateChord(a.Keys)
}

// Validate reports an empty or overlong chord, or a duration that is not
// between 0 and [MaxDuration].
func (a HoldKey) Validate() error {
	return errors.Join(validateChord(a.Keys), validateDuration(a.DurationMS, MaxDuration))
}

// Validate reports text that is empty, too long or not UTF-8.
func (a Type) Validate() error {
	switch {
	case a.Text == "":
		return errors.New("text is empty: send the text to type")
	case len(a.Text) > MaxText:
		return fmt.Errorf("text is %d bytes: type at most %d at once", len(a.Text), MaxText)
	case !utf8.ValidString(a.Text):
		return errors.New("text is not valid UTF-8")
	}
	return nil
}

// Validate reports a duration that is not between 0 and [MaxDuration].
func (a Wait) Validate() error { return validateDuration(a.DurationMS, MaxDuration) }

// Validate reports a command that is empty, too long for the kernel or holds a
// NUL, or a timeout that is not between 0 and [MaxTimeout].
func (a Exec) Validate() error {
	switch {
	case a.Command == "":
		return errors.New("command is empty: send the shell command to run")
	case len(a.Command) > MaxCommand:
		return fmt.Errorf("command is %d bytes, more than the %d that Linux takes as one argument: write it to a file in pieces and run that", len(a.Command), MaxCommand)
	}
	for i := range len(a.Command) {
		if a.Command[i] == 0 {
			return fmt.Errorf("command holds a NUL at byte %d", i)
		}
	}
	return validateDuration(a.TimeoutMS, MaxTimeout)
}

// Validate reports an address that is too long, has no host or path, or has a
// scheme other than http, https and file.
func (a OpenURL) Validate() error {
	if len(a.URL) > MaxURL {
		return fmt.Errorf("url is %d bytes: send at most %d", len(a.URL), MaxURL)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return fmt.Errorf("parse url: %w", err)
	}
	switch {
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	case u.Scheme == "file" && u.Path != "" && u.Host == "":
		return nil
	}
	return errors.New("url must be http://HOST/..., https://HOST/... or file:///PATH")
}

func (p Point) validate() error {
	if p.X < 0 || p.Y < 0 {
		return fmt.Errorf("point %v is negative: (0, 0) is the top left corner of the screen", p)
	}
	return nil
}

func validateAt(p *Point) error {
	if p == nil {
		return nil
	}
	return p.validate()
}

func validateModifiers(m []string) error {
	if len(m) > MaxModifiers {
		return fmt.Errorf("%d modifiers: send at most %d", len(m), MaxModifiers)
	}
	for _, k := range m {
		if err := validateChord(k); err != nil {
			return err
		}
	}
	return nil
}

func validateChord(s string) error {
	switch {
	case s == "":
		return errors.New(`key is empty: send a key name such as "Return" or a chord such as "ctrl+s"`)
	case len(s) > MaxChord:
		return fmt.Errorf("key is %d bytes: send a chord of at most %d, and longer text with type", len(s), MaxChord)
	case !utf8.ValidString(s):
		return errors.New("key is not valid UTF-8")
	}
	return nil
}

func validateDuration(ms int, limit time.Duration) error {
	if ms < 0 || int64(ms) > limit.Milliseconds() {
		return fmt.Errorf("time of %v s is not between 0 and %v s", float64(ms)/1000, limit.Seconds())
	}
	return nil
}

package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Event is one report of an application. Which fields are set depends on Kind.
type Event struct {
	Kind Kind `json:"kind"`

	// Of keys: the name that the toolkit gives the key (X11's in GTK, Qt's,
	// KeyboardEvent.key in Chromium, the bytes that arrive in an xterm); its
	// text when it is pressed (GdkEventKey.string, QKeyEvent.text, what
	// Chromium is about to enter; an xterm has no other than the bytes); and
	// whether it is the repetition of a key that is held.
	Key    string `json:"key"`
	Typed  string `json:"typed"`
	Repeat bool   `json:"repeat"`

	Button int     `json:"button"` // by its X11 number
	Count  int     `json:"count"`  // which click in a row, where the toolkit tells
	X      float64 `json:"x"`      // pixels of the screen
	Y      float64 `json:"y"`
	DX     float64 `json:"dx"` // of a wheel, right and down: pixels in Chromium, else notches
	DY     float64 `json:"dy"`

	Modifiers []string `json:"modifiers"` // held: shift, ctrl, alt, super, in this order

	Data string `json:"data"` // what was dropped
	Text string `json:"text"` // of a Fence: all of the first text field; of Failed: why
	Line string `json:"line"` // of a Fence: all of the second text field
}

// Kind is what an [Event] tells.
type Kind string

// The kinds. Press to Double, Motion and Wheel have a point and modifiers.
const (
	Ready   Kind = "ready" // the window covers the screen and has the keyboard focus
	KeyDown Kind = "keydown"
	KeyUp   Kind = "keyup"
	Motion  Kind = "motion"
	Press   Kind = "press"
	Release Kind = "release"
	Double  Kind = "double" // GTK: beside the second Press; Qt: instead of it; Chromium: after the second Click
	Triple  Kind = "triple" // GTK: beside the third Press
	Click   Kind = "click"  // Chromium, of the left button
	Aux     Kind = "auxclick"
	Menu    Kind = "menu" // Chromium wants a context menu
	Wheel   Kind = "wheel"

	DragStart Kind = "dragstart"
	Drop      Kind = "drop" // on the target, which sees Data
	DragEnd   Kind = "dragend"

	Fence  Kind = "fence"
	Failed Kind = "failed"
	Closed Kind = "closed" // the window was asked to close
)

// MaxReport bounds one report, in bytes.
const MaxReport = 8 << 20

// parseEvent decodes one line of a report.
func parseEvent(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("decode report %.200q: %w", line, err)
	}
	switch e.Kind {
	case "":
		return e, fmt.Errorf("report %.200q has no kind", line)
	case Failed:
		return e, errors.New("the application failed: " + e.Text)
	}
	return e, nil
}

// String returns the event in brief, such as "press1@10,20 ctrl+shift" or
// `keydown A "a"`.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(string(e.Kind))
	switch e.Kind {
	case KeyDown, KeyUp:
		b.WriteString(" " + e.Key)
		if e.Typed != "" {
			fmt.Fprintf(&b, " %q", e.Typed)
		}
		if e.Repeat {
			b.WriteString(" again")
		}
	case Press, Release, Double, Triple, Click, Aux:
		fmt.Fprintf(&b, "%d", e.Button)
		if e.Count != 0 {
			fmt.Fprintf(&b, "x%d", e.Count)
		}
	}
	switch e.Kind {
	case Press, Release, Double, Triple, Click, Aux, Menu, Motion, Wheel, Drop:
		fmt.Fprintf(&b, "@%v,%v", e.X, e.Y)
	}
	switch e.Kind {
	case Wheel:
		fmt.Fprintf(&b, " by %v,%v", e.DX, e.DY)
	case Drop:
		fmt.Fprintf(&b, " %q", e.Data)
	}
	if len(e.Modifiers) > 0 {
		b.WriteString(" " + strings.Join(e.Modifiers, "+"))
	}
	return b.String()
}

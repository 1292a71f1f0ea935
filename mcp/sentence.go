package mcp

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

// did says in a sentence what was done.
func did(tool string, a desktop.Action, o Outcome) string {
	at := ""
	if o.X != nil {
		at = fmt.Sprintf(" at (%d, %d)", *o.X, *o.Y)
	}
	switch a := a.(type) {
	case desktop.Screenshot:
		if a.Region != nil {
			return fmt.Sprintf("This is the region %v of the screen, with the pointer if it is there.", *a.Region)
		}
		if at != "" {
			at = ", with the pointer" + at
		}
		return "This is the whole screen" + at + "."
	case desktop.CursorPosition:
		return "The pointer is" + at + "."
	case desktop.Move:
		return "Moved the pointer; it is" + at + "."
	case desktop.Click:
		return times(a.Count) + " the " + button(a.Button) + " button" + at + with(a.Modifiers) + "."
	case desktop.ButtonDown:
		return "Pressed the " + button(a.Button) + " button" + at + "; it stays down until it is released."
	case desktop.ButtonUp:
		return "Released the " + button(a.Button) + " button" + at + "."
	case desktop.Drag:
		return "Dragged with the " + button(a.Button) + " button; the pointer is" + at + with(a.Modifiers) + "."
	case desktop.Scroll:
		return "Scrolled " + distance(a) + at + with(a.Modifiers) + "."
	case desktop.Key:
		if a.Repeat > 1 {
			return fmt.Sprintf("Pressed %s %d times.", desktop.PlainLine(a.Keys, maxExcerpt), a.Repeat)
		}
		return "Pressed " + desktop.PlainLine(a.Keys, maxExcerpt) + "."
	case desktop.HoldKey:
		return "Held " + desktop.PlainLine(a.Keys, maxExcerpt) + " for " + inSeconds(a.DurationMS) + "."
	case desktop.Type:
		return "Typed " + plural(utf8.RuneCountInString(a.Text), "character", "characters") + "."
	case desktop.Wait:
		return "Waited " + inSeconds(a.DurationMS) + "."
	case desktop.OpenURL:
		return "Opened " + desktop.PlainLine(a.URL, maxExcerpt) + " in the browser."
	case desktop.KeyDown:
		return "Pressed " + desktop.PlainLine(a.Keys, maxExcerpt) + "; it stays down until it is released."
	case desktop.KeyUp:
		return "Released " + desktop.PlainLine(a.Keys, maxExcerpt) + "."
	}
	return tool + " was done" + details(a) + "."
}

// details lists what was asked for, such as ": id 7, do focus".
func details(a desktop.Action) string {
	var list []string
	for _, f := range desktop.FieldsOf(a) {
		v := reflect.ValueOf(a).Field(f.Index)
		if v.IsZero() {
			continue
		}
		v = reflect.Indirect(v)
		switch {
		case f.Millis:
			list = append(list, f.Arg+" "+inSeconds(int(v.Int())))
		case v.Kind() == reflect.String && v.Len() > maxExcerpt:
			list = append(list, f.Arg+" of "+plural(utf8.RuneCountInString(v.String()), "character", "characters"))
		case v.Type() == reflect.TypeFor[string]():
			list = append(list, f.Arg+" "+desktop.PlainLine(strconv.Quote(v.String()), maxExcerpt))
		case v.Kind() == reflect.String, v.Kind() == reflect.Struct, v.CanInt(), v.CanUint(), v.Kind() == reflect.Bool:
			list = append(list, f.Arg+" "+desktop.PlainLine(fmt.Sprint(v.Interface()), maxExcerpt))
		}
	}
	if list == nil {
		return ""
	}
	return ": " + strings.Join(list, ", ")
}

func times(count int) string {
	return [...]string{"", "Clicked", "Double-clicked", "Triple-clicked"}[min(max(count, 1), 3)]
}

// buttons are the buttons of the pointer.
var buttons = []desktop.Button{desktop.Left, desktop.Middle, desktop.Right, desktop.Back, desktop.Forward}

func button(b desktop.Button) string {
	switch b {
	case desktop.Left:
		return "left"
	case desktop.Middle:
		return "middle"
	case desktop.Right:
		return "right"
	case desktop.Back:
		return "back"
	}
	return "forward"
}

func with(modifiers []string) string {
	if len(modifiers) == 0 {
		return ""
	}
	return " with " + desktop.PlainLine(strings.Join(modifiers, "+"), maxExcerpt) + " held"
}

func distance(a desktop.Scroll) string {
	var parts []string
	for _, d := range []struct {
		n    int
		name string
	}{{-a.DY, "up"}, {a.DY, "down"}, {-a.DX, "left"}, {a.DX, "right"}} {
		switch {
		case d.n > 0 && a.Pixels:
			parts = append(parts, fmt.Sprintf("%s by about %d pixels", d.name, d.n))
		case d.n > 0:
			parts = append(parts, d.name+" by "+plural(d.n, "notch", "notches"))
		}
	}
	return strings.Join(parts, " and ")
}

// inSeconds returns "1.5 s" for 1500.
func inSeconds(ms int) string { return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + " s" }

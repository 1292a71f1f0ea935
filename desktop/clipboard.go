package desktop

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxClipboard is how many bytes of text a [GetClipboard] answers at most.
const MaxClipboard = 16 << 20

// Selection is one of the two places where X11 keeps what was copied (ICCCM,
// section 2.6.1). The zero value is the clipboard.
type Selection string

// The selections.
const (
	Clipboard Selection = "clipboard" // what copy and paste use
	Primary   Selection = "primary"   // what was selected last; the middle button pastes it
)

// Words returns the selections.
func (Selection) Words() []string { return []string{string(Clipboard), string(Primary)} }

// GetClipboard answers the text of a selection as Data. It is empty when
// nothing was copied, or nothing that is text.
type GetClipboard struct {
	Selection Selection `json:"selection,omitempty" doc:"Which: what was copied, or what was selected last. Without it: clipboard."`
}

// SetClipboard makes Text the content of a selection, as if it had been copied.
// An empty Text clears it.
type SetClipboard struct {
	Text      string    `json:"text" doc:"The text; empty to clear it."`
	Selection Selection `json:"selection,omitempty" doc:"Which: what the paste command uses, or what the middle button pastes. Without it: clipboard."`
}

// Paste enters Text into what has the keyboard focus through the clipboard. It is
// for long text and for applications that do not take it from [Type]; it is done
// when the application has fetched the text. The clipboard then holds Text.
type Paste struct {
	Text string `json:"text" doc:"The text, any Unicode."`
}

// Name returns "get_clipboard".
func (GetClipboard) Name() string { return "get_clipboard" }

// Name returns "set_clipboard".
func (SetClipboard) Name() string { return "set_clipboard" }

// Name returns "paste".
func (Paste) Name() string { return "paste" }

// Validate reports an unknown selection.
func (a GetClipboard) Validate() error { return a.Selection.validate() }

// Validate reports an unknown selection, or text that is too long, not UTF-8 or
// holds a NUL.
func (a SetClipboard) Validate() error {
	if err := a.Selection.validate(); err != nil {
		return err
	}
	return validateCopied(a.Text)
}

// Validate reports text that is empty, too long, not UTF-8 or holds a NUL.
func (a Paste) Validate() error {
	if a.Text == "" {
		return errors.New("text is empty: send the text to paste")
	}
	return validateCopied(a.Text)
}

func (s Selection) validate() error {
	switch s {
	case "", Clipboard, Primary:
		return nil
	}
	return fmt.Errorf("selection %q is not %q or %q", s, Clipboard, Primary)
}

// validateCopied reports what cannot be copied. Applications cut text at a NUL.
func validateCopied(s string) error {
	switch {
	case len(s) > MaxText:
		return fmt.Errorf("text is %d bytes: send at most %d at once", len(s), MaxText)
	case !utf8.ValidString(s):
		return errors.New("text is not valid UTF-8")
	}
	for i := range len(s) {
		if s[i] == 0 {
			return fmt.Errorf("text holds a NUL at byte %d", i)
		}
	}
	return nil
}

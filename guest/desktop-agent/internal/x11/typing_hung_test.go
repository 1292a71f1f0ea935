package x11

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// A program that hangs is sent what the keymap has, which it takes when it goes
// on. It cannot be sent more than the scratch keycodes, which it would misread
// then. That it hangs is told in either case.
func TestTypeIntoAProgramThatHangs(t *testing.T) {
	app, d := startApplication(t, oracle.GTK, oracle.Options{Quiet: true})
	d.input.hungTime = 500 * time.Millisecond
	focused, err := d.focusedWindow()
	if err != nil {
		t.Fatal(err)
	}
	pid := d.pidOf(focused)
	if pid == 0 {
		t.Fatal("the server does not tell whose the window is")
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	t.Cleanup(resume)
	const easy = "what the keymap has "
	for _, tt := range []struct{ text, want string }{
		{easy, "after 20 of 20 characters"},
		{cjk(120), "of 122 characters"},
	} {
		err = d.Type(t.Context(), desktop.Type{Text: tt.text})
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered || !strings.Contains(e.Message, tt.want) {
			t.Fatalf("got error %v, want not delivered, %s", err, tt.want)
		}
	}
	resume()
	text := easy + cjk(120)
	got, err := app.Text(t.Context(), driver(d))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, easy) || !strings.HasPrefix(text, got) {
		t.Errorf("it holds %q, which is not the beginning of the text", got)
	}
}

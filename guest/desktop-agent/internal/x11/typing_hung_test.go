package x11

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// A program that hangs can be sent what the keymap has. It cannot be sent more
// than the scratch keycodes, which it would misread when it goes on.
func TestTypeIntoAProgramThatHangs(t *testing.T) {
	app, d := startApplication(t, oracle.GTK, oracle.Options{Quiet: true})
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
	text := cjk(120)
	err = d.Type(t.Context(), desktop.Type{Text: text})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered || !strings.Contains(e.Message, "of 122 characters") {
		t.Fatalf("got error %v, want not delivered, with the position", err)
	}
	resume()
	got, err := app.Text(t.Context(), driver(d))
	if err != nil {
		t.Fatal(err)
	}
	if got == "" || !strings.HasPrefix(text, got) {
		t.Errorf("it holds %q, which is not the beginning of the text", got)
	}
}

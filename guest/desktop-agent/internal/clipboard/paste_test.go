package clipboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// screen is the size of the desktops here.
var screen = desktop.Size{Width: 1280, Height: 800}

// desk is a desktop to paste on.
type desk struct {
	display   *x11.Display
	clipboard *Clipboard
	name      string // of the display
}

func startDesk(t *testing.T) *desk {
	t.Helper()
	s := x11test.Start(t, screen)
	s.StartManager(t)
	d, err := x11.Open(t.Context(), s.Display, x11.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return &desk{d, newClipboard(t, s.Display), s.Display}
}

// start starts an application, whose first text field gets the focus.
func (d *desk) start(t *testing.T, kind oracle.Application) *oracle.App {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	app, err := oracle.Start(ctx, oracle.Local{Display: d.name, Dir: t.TempDir()}, kind, oracle.Options{Screen: screen, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

func (d *desk) do(ctx context.Context, a desktop.Action) error {
	switch a := a.(type) {
	case desktop.Move:
		return d.display.Move(ctx, a)
	case desktop.Click:
		return d.display.Click(ctx, a)
	case desktop.Key:
		return d.display.Key(ctx, a)
	}
	return fmt.Errorf("no test drives %s", a.Name())
}

func (d *desk) paste(ctx context.Context, text string) error {
	return d.clipboard.Paste(ctx, text, func() error { return d.display.PressPaste(ctx) })
}

// texts are what applications are to hold after a paste of it.
var texts = []string{
	"plain",
	"Zażółć gęślą jaźń, שלום, 字, 👩‍👩‍👧",
	"two\nlines",
	strings.Repeat("0123456789 äöü 字.\n", desktop.MaxText/23),
}

func TestApplicationsHoldWhatIsPasted(t *testing.T) {
	for _, kind := range []oracle.Application{oracle.Chromium, oracle.GTK, oracle.Qt} {
		t.Run(string(kind), func(t *testing.T) {
			d := startDesk(t)
			app := d.start(t, kind)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, want := range texts {
				begun := time.Now()
				if err := d.paste(ctx, want); err != nil {
					t.Errorf("paste of %d bytes: %v", len(want), err)
				}
				took := time.Since(begun)
				got, err := app.Text(ctx, d.do)
				if err != nil || got != want {
					t.Errorf("of %d bytes the application holds %d, %v", len(want), len(got), err)
				}
				t.Logf("%d bytes were fetched in %v, and shown after %v", len(want), took, time.Since(begun))
				// The desktop's clipboard holds it from now on.
				if text, err := d.clipboard.Get(ctx, desktop.Clipboard); err != nil || string(text) != want {
					t.Errorf("the clipboard holds %d bytes, %v", len(text), err)
				}
				if _, err := app.Clear(ctx, d.do); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// inXterm passes on what it is given, which begins with the news that it has the
// focus.
const inXterm = `stty raw -echo
printf '\033[?1004h\033[1t'
exec cat > "$1"`

// The program in a terminal gets lines that end as the Return key ends them.
func TestTerminalsPassOnWhatIsPasted(t *testing.T) {
	d := startDesk(t)
	fifo := filepath.Join(t.TempDir(), "given")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// As an icon, so that it is told when it gets the focus.
	cmd := exec.Command("xterm", "-iconic", "-u8", "-xrm", "XTerm*allowWindowOps: true", "-e", "sh", "-c", inXterm, "sh", fifo)
	cmd.Env = append(os.Environ(), "DISPLAY="+d.name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	given, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	focus := make([]byte, 3)
	if _, err := io.ReadFull(given, focus); err != nil || string(focus) != "\x1b[I" {
		t.Fatalf("xterm said %q, %v", focus, err)
	}
	for _, text := range texts {
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- d.paste(t.Context(), text) }()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(given, got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(text, "\n", "\r"); string(got) != want {
			t.Errorf("of %d bytes the program was given others", len(want))
		}
		if err := <-ended; err != nil {
			t.Errorf("paste of %d bytes: %v", len(text), err)
		}
		t.Logf("%d bytes after %v", len(text), time.Since(begun))
	}
}

// A paste replaces what is marked, as a person's would, although the application
// that marks it owns the primary selection.
func TestPasteReplacesWhatIsMarked(t *testing.T) {
	for _, kind := range []oracle.Application{oracle.Chromium, oracle.GTK, oracle.Qt} {
		t.Run(string(kind), func(t *testing.T) {
			d := startDesk(t)
			app := d.start(t, kind)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := d.paste(ctx, "old text"); err != nil {
				t.Fatal(err)
			}
			if err := d.do(ctx, desktop.Key{Keys: "ctrl+a"}); err != nil {
				t.Fatal(err)
			}
			if _, err := app.Fence(ctx, d.do); err != nil {
				t.Fatal(err)
			}
			if err := d.paste(ctx, "new"); err != nil {
				t.Fatal(err)
			}
			if got, err := app.Text(ctx, d.do); err != nil || got != "new" {
				t.Errorf("the application holds %q, %v", got, err)
			}
		})
	}
}

func TestPasteThatNobodyFetchesIsTakenBack(t *testing.T) {
	s := startServer(t)
	c := newClipboard(t, s.Display)
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Paste(ctx, "x", func() error { cancel(); return nil })
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled || !strings.Contains(e.Message, "nothing was pasted") {
		t.Errorf("got %v", err)
	}
	for _, selection := range []desktop.Selection{desktop.Clipboard, desktop.Primary} {
		if text, err := c.Get(t.Context(), selection); err != nil || len(text) > 0 {
			t.Errorf("%s holds %q, %v", selection, text, err)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	for class, want := range map[string]bool{
		"XTerm": true, "UXTerm": true, "Xfce4-terminal": true, "Gnome-terminal": true, "URxvt": true, "Alacritty": true, "st-256color": true,
		"Chromium": false, "Gedit": false, "Stardict": false, "": false,
	} {
		if got := isTerminal(class); got != want {
			t.Errorf("%q is a terminal: %v, want %v", class, got, want)
		}
	}
}

// Without a window to take the keys, nothing is offered.
func TestPasteWithoutAFocus(t *testing.T) {
	s := startServer(t)
	c := newClipboard(t, s.Display)
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	xproto.SetInputFocus(c.link.c.Conn, xproto.InputFocusNone, xproto.InputFocusNone, xproto.TimeCurrentTime)
	err := c.Paste(t.Context(), "x", func() error { t.Error("keys were pressed"); return nil })
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || !strings.Contains(e.Message, "click into") {
		t.Errorf("got %v", err)
	}
}

func TestPasteThatNobodyFetchesEnds(t *testing.T) {
	s := startServer(t)
	c := newClipboard(t, s.Display)
	err := c.Paste(t.Context(), "x", func() error { return nil })
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered || !strings.Contains(e.Message, "did not ask") {
		t.Errorf("got %v", err)
	}
	if text, err := c.Get(t.Context(), desktop.Clipboard); err != nil || len(text) > 0 {
		t.Errorf("the clipboard holds %q, %v", text, err)
	}
}

package x11

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// driver performs actions on a display.
func driver(d *Display) oracle.Driver {
	return func(ctx context.Context, a desktop.Action) error {
		switch a := a.(type) {
		case desktop.Move:
			return d.Move(ctx, a)
		case desktop.Click:
			return d.Click(ctx, a)
		case desktop.Drag:
			return d.Drag(ctx, a)
		case desktop.Key:
			return d.Key(ctx, a)
		case desktop.Type:
			return d.Type(ctx, a)
		}
		return fmt.Errorf("no test drives %s", a.Name())
	}
}

// startApplication starts an application on a desktop of its own.
func startApplication(t testing.TB, kind oracle.Application, o oracle.Options) (*oracle.App, *Display) {
	t.Helper()
	s := x11test.Start(t, testScreen)
	s.StartManager(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o.Screen = testScreen
	app, err := oracle.Start(ctx, oracle.Local{Display: s.Display, Dir: t.TempDir()}, kind, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app, open(t, s.Display, Options{})
}

func TestApplicationsHoldWhatIsTyped(t *testing.T) {
	for _, kind := range oracle.Applications {
		t.Run(string(kind), func(t *testing.T) {
			app, d := startApplication(t, kind, oracle.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			do := driver(d)
			for _, want := range []string{"Hello, {world}!\nß字", "again"} {
				if err := do(ctx, desktop.Type{Text: want}); err != nil {
					t.Fatal(err)
				}
				events, err := app.Fence(ctx, do)
				if err != nil {
					t.Fatal(err)
				}
				if got := events[len(events)-1].Text; got != want {
					t.Errorf("it holds %q, want %q", got, want)
				}
				if _, err := app.Clear(ctx, do); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

package matrix

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// Options configure [Run].
type Options struct {
	Host   oracle.Host
	Driver oracle.Driver
	Cells  []Cell
	Limit  time.Duration // for one cell, with all that the application reports of it
	Start  time.Duration // for the application to start
}

// Run checks cells in one application, which it starts once for all of them.
func Run(t *testing.T, kind oracle.Application, o Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), o.Start)
	defer cancel()
	app, err := oracle.Start(ctx, o.Host, kind, oracle.Options{Screen: Screen})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range o.Cells {
		if err := check(t.Context(), app, o, c); err != nil {
			t.Errorf("%s: %s %s: %v", kind, c.Action, c.Name, err)
		}
	}
}

// check performs a cell and compares what the application has seen of it.
func check(ctx context.Context, app *oracle.App, o Options, c Cell) error {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	if err := o.Driver(ctx, desktop.Move{To: home}); err != nil {
		return fmt.Errorf("move home: %w", err)
	}
	if err := app.Clear(ctx, o.Driver); err != nil {
		return err
	}
	begun := time.Now()
	for _, a := range c.Do {
		if err := o.Driver(ctx, a); err != nil {
			return fmt.Errorf("%s: %w", a.Name(), err)
		}
	}
	took := time.Since(begun)
	seen, err := app.Fence(ctx, o.Driver)
	if err != nil {
		return err
	}
	if text := seen[len(seen)-1].Text; c.text != "" && text != c.text {
		return fmt.Errorf("the text field holds %q, want %q", text, c.text)
	}
	if len(c.want) == 0 {
		return nil
	}
	events, _ := tell(app.Kind, c.want)
	ear := newEar(app.Kind, c, events, took)
	want := ear.words(events)
	for {
		got := ear.words(seen)
		if slices.Equal(want, got) {
			return nil
		}
		// The fence may have overtaken what applications pass on in their own
		// time. Whatever comes later than that is part of the next cell, and
		// fails there.
		e, err := app.Next(ctx)
		if err != nil {
			return fmt.Errorf("%w; events (-want +got):\n%s", err, cmp.Diff(want, got))
		}
		seen = append(seen, e)
	}
}

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
	Tally  *Tally        // counts the cells that are seen as they should be
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
	// Nothing that it sees is thrown away. What comes later than it was waited
	// for is seen before the next cell, or else in it.
	before := "the start"
	ended := func() {
		t.Helper()
		late, err := begin(t.Context(), app, o)
		if err != nil {
			t.Fatalf("%s: after %s: %v", kind, before, err)
		}
		if err := surplus(late); err != nil {
			t.Errorf("%s: after %s: %v", kind, before, err)
		}
	}
	for _, c := range o.Cells {
		ended()
		name := c.Action + " " + c.Name
		if err := check(t.Context(), app, o, c); err != nil {
			t.Errorf("%s: %s, after %s: %v", kind, name, before, err)
		} else {
			o.Tally.add(kind, c)
		}
		before = name
	}
	ended()
}

// begin brings the pointer and the text fields to where every cell begins, and
// returns what the application has seen until then.
func begin(ctx context.Context, app *oracle.App, o Options) ([]oracle.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	if err := o.Driver(ctx, desktop.Move{To: home}); err != nil {
		return nil, fmt.Errorf("move home: %w", err)
	}
	return app.Clear(ctx, o.Driver)
}

// check performs a cell and compares what the application has seen of it.
func check(ctx context.Context, app *oracle.App, o Options, c Cell) error {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
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
	if err := c.fields(app.Kind, seen[len(seen)-1]); err != nil {
		return err
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
		// time.
		e, err := app.Next(ctx)
		if err != nil {
			return fmt.Errorf("%w; events (-want +got):\n%s", err, cmp.Diff(want, got))
		}
		seen = append(seen, e)
	}
}

// fields compares what the text fields hold, if the cell enters anything. An
// xterm has one place for all text.
func (c Cell) fields(kind oracle.Application, fence oracle.Event) error {
	if c.text == "" && c.line == "" {
		return nil
	}
	text, line := c.text, c.line
	if kind == oracle.Xterm {
		text, line = text+line, ""
	}
	if fence.Text != text || fence.Line != line {
		return fmt.Errorf("the text fields hold %q and %q, want %q and %q", fence.Text, fence.Line, text, line)
	}
	return nil
}

// surplus reports events that nothing was left to cause: all but the pointer's
// way.
func surplus(events []oracle.Event) error {
	var words []string
	for _, e := range events {
		if e.Kind != oracle.Motion && e.Kind != oracle.Fence {
			words = append(words, e.String())
		}
	}
	if words != nil {
		return fmt.Errorf("it has seen more than was wanted: %q", words)
	}
	return nil
}

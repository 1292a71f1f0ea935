package oracle

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/vmette/vmette-mcp/desktop"
)

//go:embed programs
var programs embed.FS

// Application is a kind of application.
type Application string

// The kinds of applications.
const (
	Chromium Application = "Chromium"
	GTK      Application = "GTK 3"
	Qt       Application = "Qt 5"
	Xterm    Application = "xterm"
)

// Applications are all of them.
var Applications = []Application{Chromium, GTK, Qt, Xterm}

var scripts = map[Application]string{Chromium: "chromium.py", GTK: "gtk.py", Qt: "qt.py", Xterm: "xterm.py"}

// Driver performs one action on the desktop that an application is on. It
// returns when the X server has processed the input.
type Driver func(context.Context, desktop.Action) error

// Options configure [Start].
type Options struct {
	Screen desktop.Size // of the desktop

	// Quiet applications report nothing but fences. They are as fast as
	// applications are that do not report what they do.
	Quiet bool

	// Brief has the page in Chromium take over what is in its first text field
	// whenever that is long, as editors do that show a part of their text. So it
	// is not the layout of a long field that is waited for.
	Brief bool
}

// App is an application that runs. Close it. Its methods are for one goroutine
// at a time.
type App struct {
	Kind Application

	out     io.ReadCloser
	events  chan Event
	ended   sync.WaitGroup
	closing chan struct{}
	err     error // why events was closed
}

// Start starts an application and returns when it covers the screen and has the
// keyboard focus in its first text field. There must be a window manager.
func Start(ctx context.Context, host Host, kind Application, o Options) (*App, error) {
	config, err := json.Marshal(struct {
		Layout
		Screen desktop.Size `json:"screen"`
		Cargo  string       `json:"cargo"`
		Quiet  bool         `json:"quiet"`
		Brief  bool         `json:"brief"`
	}{Parts, o.Screen, Cargo, o.Quiet, o.Brief})
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(programs, "programs")
	if err != nil {
		return nil, err
	}
	out, err := host.Start(ctx, files, scripts[kind], string(config))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	a := &App{Kind: kind, out: out, events: make(chan Event, 256), closing: make(chan struct{})}
	a.ended.Go(a.read)
	for {
		e, err := a.Next(ctx)
		if err != nil {
			a.Close()
			return nil, fmt.Errorf("start %s: %w", kind, err)
		}
		if e.Kind == Ready {
			return a, nil
		}
	}
}

// read takes the reports in until the application ends.
func (a *App) read() {
	defer close(a.events)
	lines := bufio.NewScanner(a.out)
	lines.Buffer(nil, MaxReport)
	for lines.Scan() {
		e, err := parseEvent(lines.Bytes())
		if err != nil {
			a.err = err
			return
		}
		select {
		case a.events <- e:
		case <-a.closing:
			return
		}
	}
	a.err = lines.Err()
}

// Next returns the next event, as soon as there is one.
func (a *App) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-a.events:
		if !ok {
			return e, fmt.Errorf("read reports of %s: %w", a.Kind, a.err)
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, fmt.Errorf("wait for a report of %s: %w", a.Kind, context.Cause(ctx))
	}
}

// The keys that applications take for fences. FenceKey has them report their
// texts; ClearKey has them empty these first, and focus the first of the fields.
const (
	FenceKey = "F8"
	ClearKey = "F9"
)

// Fence returns what the application has seen since the last fence, up to a key
// that it presses now, and that as the last event, with the texts.
func (a *App) Fence(ctx context.Context, do Driver) ([]Event, error) {
	return a.fence(ctx, do, FenceKey)
}

// Clear empties the text fields, focuses the first, and returns what the
// application has seen since the last fence, as [App.Fence] does.
func (a *App) Clear(ctx context.Context, do Driver) ([]Event, error) {
	return a.fence(ctx, do, ClearKey)
}

// Text returns what is in the first text field. In an xterm, which has none,
// it is what was typed since the last Clear.
func (a *App) Text(ctx context.Context, do Driver) (string, error) {
	events, err := a.Fence(ctx, do)
	if err != nil {
		return "", err
	}
	return events[len(events)-1].Text, nil
}

func (a *App) fence(ctx context.Context, do Driver, key string) ([]Event, error) {
	if err := do(ctx, desktop.Key{Keys: key}); err != nil {
		return nil, fmt.Errorf("press the fence: %w", err)
	}
	var events []Event
	for {
		e, err := a.Next(ctx)
		if err != nil {
			return events, err
		}
		if events = append(events, e); e.Kind == Fence {
			return events, nil
		}
	}
}

// Close ends the application.
func (a *App) Close() error {
	close(a.closing)
	err := a.out.Close()
	a.ended.Wait()
	return err
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// How often each thing is measured.
const (
	nLooks   = 100
	nChanges = 30
	nClicks  = 30
	nTyped   = 5
)

// guest measures a desktop from outside, with what every image has: a shell,
// named pipes and xterm.
type guest struct {
	screen
	log func(format string, args ...any)
}

func (g *guest) measure(ctx context.Context) ([]Measurement, error) {
	var all []Measurement
	for _, part := range []func(context.Context) ([]Measurement, error){g.screenshots, g.clicks, g.typing, g.quick} {
		m, err := part(ctx)
		all = append(all, m...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// screenshots measures pictures of a terminal that covers the whole screen and
// shows what is written to a pipe.
func (g *guest) screenshots(ctx context.Context) ([]Measurement, error) {
	if err := g.terminal(ctx, "-fullscreen", "while :; do cat /tmp/page; done"); err != nil {
		return nil, err
	}
	defer g.closeTerminals(ctx)
	page := func(command string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := g.run(ctx, command+" >/tmp/page")
			return errors.Join(err, g.settle(ctx))
		}
	}
	if err := page("head -c 20000 /dev/urandom | base64 -w 0")(ctx); err != nil {
		return nil, err
	}
	var all []Measurement
	for _, s := range []struct {
		name, what string
		n          int
		change     func(context.Context) error
	}{
		{"screenshot_unchanged", "from the request to the PNG, nothing changed since the last", nLooks, nil},
		{"screenshot_small_change", "the same, one character of a terminal changed", nChanges, page("printf x")},
		{"screenshot_whole_change", "the same, a screen full of other text", nChanges, page("head -c 20000 /dev/urandom | base64 -w 0")},
	} {
		g.log("%s", s.name)
		m, err := g.looks(ctx, s.name, s.what, s.n, s.change)
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}

// clicks measures how long a click takes until an X client has seen it and the
// host has word of that. The client is an xterm that reports each press to its
// terminal (xterm's control sequence CSI ? 9 h), from where it comes back as
// the answer of a command that was waiting for it.
func (g *guest) clicks(ctx context.Context) ([]Measurement, error) {
	g.log("clicks")
	if err := g.terminal(ctx, "-fullscreen", `stty raw -echo; printf "\033[?9h"; cat 1<>/tmp/page`); err != nil {
		return nil, err
	}
	defer g.closeTerminals(ctx)
	if err := g.settle(ctx); err != nil {
		return nil, err
	}
	var answered, seen []time.Duration
	for i := range nClicks {
		at := clickPoint(i)
		word := make(chan error, 1)
		go func() {
			_, err := g.run(ctx, "echo >/tmp/ready; read -r -N 6 -t 20 report </tmp/page")
			word <- err
		}()
		if _, err := g.run(ctx, "read -r -t 20 </tmp/ready"); err != nil {
			return nil, errors.Join(err, <-word)
		}
		start := time.Now()
		if _, err := g.do(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &at}, desktop.Observe{}); err != nil {
			return nil, errors.Join(err, <-word)
		}
		answered = append(answered, time.Since(start))
		if err := <-word; err != nil {
			return nil, fmt.Errorf("wait for click: %w", err)
		}
		seen = append(seen, time.Since(start))
	}
	return []Measurement{
		summarize("click_answered", "from the request to the agent's answer, the X server having taken the click", answered),
		summarize("click_seen", "from the request until the host has the word of an X client that saw it, through its terminal and a shell", seen),
	}, nil
}

// clickPoint returns where the i-th click goes: never near the one before,
// which the agent would have to keep from becoming a double click.
func clickPoint(i int) desktop.Point { return desktop.Point{X: 100 + i%2*200, Y: 100} }

// typing measures a text of 1,000 ASCII characters, and checks it in the file
// into which it was typed.
func (g *guest) typing(ctx context.Context) ([]Measurement, error) {
	g.log("typing")
	text := asciiText(1000)
	var samples []time.Duration
	for range nTyped {
		if err := g.terminal(ctx, "-geometry 100x30+40+60", "cat >/tmp/typed"); err != nil {
			return nil, err
		}
		if _, err := g.do(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 200, Y: 200}}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := g.do(ctx, desktop.Type{Text: text}, desktop.Observe{}); err != nil {
			return nil, err
		}
		samples = append(samples, time.Since(start))
		if err := g.settle(ctx); err != nil {
			return nil, err
		}
		got, err := g.run(ctx, "cat /tmp/typed")
		if err != nil {
			return nil, err
		}
		if got != text {
			return nil, fmt.Errorf("type: the file holds %q, not the %q that was typed", got, text)
		}
		g.closeTerminals(ctx)
	}
	return []Measurement{summarize("type_1000_ascii", "1,000 ASCII characters into a terminal, until the agent's answer; the file is exact", samples)}, nil
}

// quick measures actions on the empty desktop.
func (g *guest) quick(ctx context.Context) ([]Measurement, error) {
	g.log("actions")
	return g.actions(ctx)
}

// asciiText returns n printable ASCII characters of all kinds, in lines that a
// terminal can hold, the last one a newline.
func asciiText(n int) string {
	var b strings.Builder
	for i := range n {
		if i%80 == 79 || i == n-1 {
			b.WriteByte('\n')
		} else {
			b.WriteByte(byte(' ' + (i*7)%95))
		}
	}
	return b.String()
}

// terminal opens an xterm that runs script, and waits until it does.
func (g *guest) terminal(ctx context.Context, options, script string) error {
	_, err := g.run(ctx, "rm -f /tmp/page /tmp/ready; mkfifo /tmp/page /tmp/ready; "+
		"setsid xterm "+options+" -e bash -c 'echo >/tmp/ready; "+script+"' >/dev/null 2>&1 & read -r -t 60 </tmp/ready")
	if err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	return g.settle(ctx)
}

func (g *guest) closeTerminals(ctx context.Context) {
	// What goes wrong here shows in what comes next.
	_, _ = g.run(context.WithoutCancel(ctx), "pkill -x xterm")
}

// settle gives a terminal under emulation the time to draw a screen full of
// text. Nothing is observed, so that the pixels are left for the screenshot
// that is measured next.
func (g *guest) settle(ctx context.Context) error {
	_, err := g.do(ctx, desktop.Wait{DurationMS: 1000}, desktop.Observe{})
	return err
}

// run runs a command in the guest and returns what it printed.
func (g *guest) run(ctx context.Context, command string) (string, error) {
	res, err := g.do(ctx, desktop.Exec{Command: command, TimeoutMS: 90_000}, desktop.Observe{})
	if err != nil {
		return "", err
	}
	if res.Exec == nil || res.Exec.ExitCode != 0 {
		return "", fmt.Errorf("command %q in the guest failed: %s", command, res.Stderr)
	}
	return string(res.Stdout), nil
}

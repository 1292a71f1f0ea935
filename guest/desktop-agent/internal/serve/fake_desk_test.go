package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/launch"
)

// fakeClipboard holds what was set or pasted, whatever the selection.
type fakeClipboard struct{ text string }

func (c *fakeClipboard) Get(context.Context, desktop.Selection) ([]byte, error) {
	return []byte(c.text), nil
}

func (c *fakeClipboard) Set(_ context.Context, _ desktop.Selection, text string) error {
	c.text = text
	return nil
}

func (c *fakeClipboard) Paste(_ context.Context, text string, press func() error) error {
	c.text = text
	return press()
}

// fakeWindows has one window, which is called by what was done to it.
type fakeWindows struct{}

func (fakeWindows) List(context.Context) ([]desktop.Window, error) {
	return []desktop.Window{{ID: 7, Title: "listed"}}, nil
}

func (fakeWindows) Change(_ context.Context, a desktop.ChangeWindow) ([]desktop.Window, string, error) {
	return []desktop.Window{{ID: a.ID, Title: string(a.Do)}}, "it asks something", nil
}

func (fakeWindows) Launch(_ context.Context, a desktop.Launch) (launch.Launched, error) {
	n := len(a.Command)
	return launch.Launched{
		Output:  desktop.Output{Job: 3, StdoutLen: n, StdoutTotal: int64(n)},
		Text:    []byte(a.Command),
		Windows: []desktop.Window{{ID: 7, Title: "launched"}},
		Notice:  "it is slow",
	}, nil
}

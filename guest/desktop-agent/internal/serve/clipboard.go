package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
)

// Clipboard is what was copied. See package clipboard. Its errors are
// *desktop.Error.
type Clipboard interface {
	Get(context.Context, desktop.Selection) ([]byte, error)
	Set(ctx context.Context, s desktop.Selection, text string) error
	// Paste offers text, calls press, and returns when the application with the
	// focus has fetched it.
	Paste(ctx context.Context, text string, press func() error) error
}

func getClipboard(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	text, err := s.Clipboard.Get(ctx, a.(desktop.GetClipboard).Selection)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{payload: text}
	o.DataLen = len(text)
	return o, nil
}

func setClipboard(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	set := a.(desktop.SetClipboard)
	return outcome{}, s.Clipboard.Set(ctx, set.Selection, set.Text)
}

func paste(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	d, err := s.Desk.use(ctx)
	if err != nil {
		return outcome{}, err
	}
	press := func() error { return d.PressPaste(ctx) }
	return outcome{}, s.Clipboard.Paste(ctx, a.(desktop.Paste).Text, press)
}

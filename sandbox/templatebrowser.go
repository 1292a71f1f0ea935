package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// The page that the browser of a template shows: nothing.
const (
	blankPage     = "file:///tmp/blank.html"
	makeBlankPage = "echo '<!doctype html><title>New tab</title>' >/tmp/blank.html"
)

// warmBrowser starts the image's browser, if it has one, on a blank page.
func warmBrowser(ctx context.Context, s *Session) error {
	_, err := s.Do(ctx, desktop.Exec{Command: makeBlankPage}, desktop.Observe{})
	if err == nil {
		_, err = s.Do(ctx, desktop.OpenURL{URL: blankPage}, desktop.Observe{})
	}
	var refused *desktop.Error
	if errors.As(err, &refused) && refused.Code == desktop.CodeUnavailable {
		return nil // there is none
	}
	if err != nil {
		return fmt.Errorf("start browser: %w", err)
	}
	return nil
}

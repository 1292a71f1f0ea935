package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// warmPage is what the browser of a template shows.
const warmPage = "file:///etc/hostname"

// warmBrowser starts the image's browser, if it has one.
func warmBrowser(ctx context.Context, s *Session) error {
	_, err := s.Do(ctx, desktop.OpenURL{URL: warmPage}, desktop.Observe{})
	var refused *desktop.Error
	if errors.As(err, &refused) && refused.Code == desktop.CodeUnavailable {
		return nil // there is none
	}
	if err != nil {
		return fmt.Errorf("start browser: %w", err)
	}
	return nil
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// The page that the browser of a template shows: nothing.
const (
	blankPage     = "file:///tmp/blank.html"
	blankTitle    = "New tab"
	makeBlankPage = "echo '<!doctype html><title>" + blankTitle + "</title>' >/tmp/blank.html"
)

// How long the browser of a template may take to show its page, and how often it is
// looked whether it does. It takes half a minute where it is emulated, and several
// times as long where other programs want the processors.
const (
	browserLimit = 5 * time.Minute
	browserLook  = time.Second
)

// errNoPage reports a browser that was started and is not ready: a desktop that is
// saved with it would begin with half of its start.
var errNoPage = errors.New("the browser was started, and its page was not shown")

// warmBrowser starts the image's browser, if it has one, and returns when it shows a
// blank page. The error matches errNoPage when it does not.
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
	limit, cancel := context.WithTimeoutCause(ctx, browserLimit, fmt.Errorf("%w within %v", errNoPage, browserLimit))
	defer cancel()
	if err := awaitWindow(limit, s, blankTitle); err != nil {
		if limit.Err() != nil {
			err = context.Cause(limit)
		}
		return fmt.Errorf("start browser: %w", err)
	}
	return nil
}

// restBrowser has the browser stand still: what starts from the template has it cost
// nothing until it is used. One that cannot is saved as it is.
func restBrowser(ctx context.Context, s *Session) error {
	_, err := s.Do(ctx, desktop.RestBrowser{}, desktop.Observe{})
	var refused *desktop.Error
	if errors.As(err, &refused) && refused.Code == desktop.CodeUnavailable {
		s.log.Info("template has no browser that stands still", "why", refused.Message)
		return nil
	}
	if err != nil {
		return fmt.Errorf("have the browser stand still: %w", err)
	}
	return nil
}

// awaitWindow returns when there is a window with such a title. Nobody tells the host
// of windows, so it looks.
func awaitWindow(ctx context.Context, s *Session, title string) error {
	for {
		res, err := s.Do(ctx, desktop.ListWindows{}, desktop.Observe{})
		if err != nil {
			return err
		}
		for _, w := range res.Windows {
			if strings.Contains(w.Title, title) {
				return nil
			}
		}
		if _, err := s.Do(ctx, desktop.Wait{DurationMS: int(browserLook.Milliseconds())}, desktop.Observe{}); err != nil {
			return err
		}
	}
}

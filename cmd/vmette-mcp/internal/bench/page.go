package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// How long a browser may take to show a page, and how often it is looked whether it
// does, in milliseconds: to look costs an emulated guest some 20 of them.
const (
	pageLimit  = 5 * time.Minute
	pageLookMS = 100
)

// showPage has the browser show a page of the guest's own, and returns when a window
// has its title: false when the image has no browser.
func (s screen) showPage(ctx context.Context, title string) (shown bool, err error) {
	path := "/tmp/" + title + ".html"
	page := "<!doctype html><title>" + title + "</title><h1>" + title + "</h1>"
	if _, err := s.do(ctx, desktop.WriteFile{Path: path, Data: []byte(page)}, desktop.Observe{}); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pageLimit, fmt.Errorf("no window shows the page %s within %v", title, pageLimit))
	defer cancel()
	if _, err := s.do(ctx, desktop.OpenURL{URL: "file://" + path}, desktop.Observe{}); err != nil {
		var refused *desktop.Error
		if errors.As(err, &refused) && refused.Code == desktop.CodeUnavailable {
			return false, nil
		}
		return false, err
	}
	for {
		res, err := s.do(ctx, desktop.ListWindows{}, desktop.Observe{})
		if err != nil {
			return false, err
		}
		for _, w := range res.Windows {
			if strings.Contains(w.Title, title) {
				return true, nil
			}
		}
		if _, err := s.do(ctx, desktop.Wait{DurationMS: pageLookMS}, desktop.Observe{}); err != nil {
			return false, err
		}
	}
}

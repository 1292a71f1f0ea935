package windows

import (
	"context"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// Watch tells of windows that applications open. Close it.
type Watch struct {
	s    *screen
	told map[xproto.Window]bool
}

// Watch begins to watch for windows that are not open yet. It ends with ctx.
func (w Windows) Watch(ctx context.Context) (*Watch, error) {
	s, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	s.Watch(s.Root, xproto.EventMaskPropertyChange|xproto.EventMaskSubstructureNotify)
	ids, err := s.ids()
	if err != nil {
		defer s.Close()
		return nil, failure(ctx, s, err)
	}
	watch := &Watch{s: s, told: make(map[xproto.Window]bool)}
	for _, id := range ids {
		watch.told[id] = true
	}
	return watch, nil
}

// Next waits for the next window that an application shows, or opens as an icon.
// It tells each window once. Its errors are *desktop.Error.
func (w *Watch) Next(ctx context.Context) (desktop.Window, error) {
	for {
		if found, ok := w.look(ctx); ok {
			return found, nil
		}
		if _, err := w.s.Next(ctx); err != nil {
			return desktop.Window{}, failure(ctx, w.s, err)
		}
	}
}

func (w *Watch) look(ctx context.Context) (desktop.Window, bool) {
	ids, err := w.s.ids()
	if err != nil {
		return desktop.Window{}, false // Next finds why
	}
	for _, id := range ids {
		if w.told[id] {
			continue
		}
		// The window manager knows of it before it is shown.
		w.s.Watch(id, xproto.EventMaskStructureNotify|xproto.EventMaskPropertyChange)
		d, ok := w.s.describe(id)
		if !ok || !d.Minimized && !w.s.shown(id) {
			continue
		}
		// It is on its way to its place, and may get the focus there.
		limited, cancel := context.WithTimeout(ctx, changeLimit)
		w.s.caughtUp(limited)
		cancel()
		if d, ok = w.s.describe(id); !ok {
			return w.look(ctx) // what happened meanwhile has been taken as seen
		}
		w.told[id] = true
		d.Focused = w.s.active() == id
		return d, true
	}
	return desktop.Window{}, false
}

// Close ends the watch.
func (w *Watch) Close() { w.s.Close() }

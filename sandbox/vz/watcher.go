package vz

import "bytes"

// kernelBanner is the first line that every Linux kernel logs, before it has a
// clock (init/main.c). It appears once for each time that the kernel starts.
var kernelBanner = []byte("[    0.000000] Linux version ")

// watcher reads a console for the start of a kernel. The framework lets a guest
// restart itself, which it does when its kernel panics, and says nothing of it;
// but a machine that starts anew has lost all that it was, so it must end.
//
// A guest that forges the line ends itself and nobody else.
type watcher struct {
	starts  int    // how many starts of a kernel are still expected
	restart func() // called once, when there is another one
	done    bool

	line []byte // what has come of the line so far, as far as it may be the banner
	past bool   // the line is not the banner
}

// newWatcher returns a watcher of a machine that boots, or of one that goes on
// from where it was saved.
func newWatcher(resumed bool, restart func()) *watcher {
	w := &watcher{starts: 1, restart: restart}
	if resumed {
		w.starts = 0
	}
	return w
}

// Write reads what the guest has written. It never fails.
func (w *watcher) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, next, ended := bytes.Cut(rest, []byte("\n"))
		w.read(line)
		if ended {
			w.line, w.past = w.line[:0], false
		}
		rest = next
	}
	return len(p), nil
}

// read reads a part of a line.
func (w *watcher) read(part []byte) {
	if w.past || w.done {
		return
	}
	w.line = append(w.line, part[:min(len(part), len(kernelBanner)-len(w.line))]...)
	if !bytes.HasPrefix(kernelBanner, w.line) {
		w.past = true
		return
	}
	if len(w.line) < len(kernelBanner) {
		return
	}
	w.past = true
	if w.starts > 0 {
		w.starts--
		return
	}
	w.done = true
	w.restart()
}

package vz

import "bytes"

// bootLine begins the line that the guest's first process writes once for each
// time that it boots, as soon as it has its root file system.
var bootLine = []byte("vmette: phase=root ms=")

// watcher reads a console for another boot. The framework lets a guest restart
// itself, which it does when its kernel panics, and says nothing of it; but a
// machine that starts anew has lost all that it was, so it must end.
//
// A guest that forges the line ends itself and nobody else. One that has another
// first process is not noticed here, but by its agent staying away.
type watcher struct {
	boots   int    // how many are still expected
	restart func() // called once, when there is another one
	done    bool

	line []byte // what has come of the line so far, as far as it may be a bootLine
	past bool   // the line is none, or has been counted
}

// newWatcher returns a watcher of a machine that boots, or of one that goes on
// from where it was saved.
func newWatcher(resumed bool, restart func()) *watcher {
	w := &watcher{boots: 1, restart: restart}
	if resumed {
		w.boots = 0
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
	w.line = append(w.line, part[:min(len(part), len(bootLine)-len(w.line))]...)
	if !bytes.HasPrefix(bootLine, w.line) {
		w.past = true
		return
	}
	if len(w.line) < len(bootLine) {
		return
	}
	w.past = true
	if w.boots > 0 {
		w.boots--
		return
	}
	w.done = true
	w.restart()
}

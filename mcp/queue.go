package mcp

import (
	"context"
	"slices"
	"sync"
)

// queue gives out turns, one line for each key. The zero value is ready.
type queue struct {
	mu    sync.Mutex
	lines map[string][]*turn // the first of a line has its turn
}

// turn is a place in a line.
type turn struct {
	q       *queue
	key     string
	come    chan struct{} // closed when it is at the head
	spoiled bool          // someone before it has failed; guarded by mu of q
}

// join takes the last place in the line of key. It must be left.
func (q *queue) join(key string) *turn {
	t := &turn{q: q, key: key, come: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines == nil {
		q.lines = make(map[string][]*turn)
	}
	if q.lines[key] = append(q.lines[key], t); len(q.lines[key]) == 1 {
		close(t.come)
	}
	return t
}

// wait waits until everyone who joined before has left. It fails when ctx has
// ended by then, also if the turn has come at the same time.
func (t *turn) wait(ctx context.Context) error {
	select {
	case <-t.come:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// spoil tells everyone who has joined behind this turn that it has failed.
func (t *turn) spoil() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	line := t.q.lines[t.key]
	for _, behind := range line[slices.Index(line, t)+1:] {
		behind.spoiled = true
	}
}

// isSpoiled reports whether one before it has failed.
func (t *turn) isSpoiled() bool {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	return t.spoiled
}

// leave gives the place up, whether its turn has come or not.
func (t *turn) leave() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	line := t.q.lines[t.key]
	for i, other := range line {
		if other != t {
			continue
		}
		line = append(line[:i:i], line[i+1:]...)
		if i == 0 && len(line) > 0 {
			close(line[0].come)
		}
		break
	}
	if len(line) == 0 {
		delete(t.q.lines, t.key)
		return
	}
	t.q.lines[t.key] = line
}

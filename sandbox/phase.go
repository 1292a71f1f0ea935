package sandbox

import (
	"sync"
	"time"
)

// Side says on whose clock the time of a [Phase] was taken.
type Side string

// The sides.
const (
	HostSide  Side = "host"  // time since [Start] was called
	GuestSide Side = "guest" // time since the guest's kernel started, by the guest's own clock
)

// Phase is one moment of a boot: for HostSide the one at which the step Name
// began, for GuestSide the one at which Name was reached.
type Phase struct {
	Name string        `json:"name"`
	Side Side          `json:"side"`
	At   time.Duration `json:"at"` // in nanoseconds
}

// stopwatch notes when each step of a boot began.
type stopwatch struct {
	start time.Time

	mu     sync.Mutex
	phases []Phase
}

func newStopwatch() *stopwatch { return &stopwatch{start: time.Now()} }

func (w *stopwatch) mark(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phases = append(w.phases, Phase{Name: name, Side: HostSide, At: time.Since(w.start)})
}

func (w *stopwatch) list() []Phase {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Phase(nil), w.phases...)
}

package sandboxtest

import (
	"context"
	"strings"
	"sync"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Eavesdropper is a [sandbox.Backend] that starts machines on another one and
// knows their secrets, so that tests can look for these where they must not be.
// It is safe for concurrent use.
type Eavesdropper struct {
	sandbox.Backend // needed

	mu     sync.Mutex
	tokens []string
}

// Start starts a machine and remembers what secret it was given.
func (e *Eavesdropper) Start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, dir string, onStep func(string)) (sandbox.Machine, error) {
	e.mu.Lock()
	e.tokens = append(e.tokens, boot.Token)
	e.mu.Unlock()
	return e.Backend.Start(ctx, cfg, boot, dir, onStep)
}

// Started returns how many machines were to be started.
func (e *Eavesdropper) Started() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tokens)
}

// In reports whether text holds a secret of any machine.
func (e *Eavesdropper) In(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.tokens {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}

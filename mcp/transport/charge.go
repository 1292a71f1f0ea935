package transport

import (
	"sync"

	"github.com/vmette/vmette-mcp/mcp/quota"
)

// charge is what a request takes of the quota of its client, for as long as anybody
// is at work on it: its handler, and the call that goes on when the client hangs up.
type charge struct {
	account *quota.Account

	mu    sync.Mutex
	users int
	back  []func() // give back what was taken
}

// newCharge returns a charge in use by its caller, who has taken what free gives back.
func newCharge(account *quota.Account, free func()) *charge {
	return &charge{account: account, users: 1, back: []func(){free}}
}

// add adds what free gives back.
func (c *charge) add(free func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.back = append(c.back, free)
}

// use notes one more user, until release is called once.
func (c *charge) use() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
}

func (c *charge) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	for _, free := range c.back {
		free()
	}
}

package sandbox

import (
	"errors"
	"sync"
)

// held is a saved state that several hold at a time. It is freed when the last of
// them lets go of it.
type held struct {
	State

	mu      sync.Mutex
	holders int
}

// hold counts one more who holds the state and must release it. It fails when
// nobody did any more.
func (h *held) hold() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holders == 0 {
		return errors.New("the saved state has been freed")
	}
	h.holders++
	return nil
}

// release lets go of the state. The error is that of freeing it.
func (h *held) release() error {
	h.mu.Lock()
	h.holders--
	last := h.holders == 0
	h.mu.Unlock()
	if !last {
		return nil
	}
	return h.State.Close()
}

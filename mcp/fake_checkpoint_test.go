package mcp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// maxFakeCheckpoints is how many checkpoints a desktop has at most.
const maxFakeCheckpoints = 2

// fakeCheckpoint is a desktop as it was.
type fakeCheckpoint struct {
	info  sandbox.CheckpointInfo
	state fakeState
}

// fakeState is what a checkpoint holds.
type fakeState struct {
	size    desktop.Size
	pointer desktop.Point
	colour  byte
	machine fakeMachine
}

// state returns the desktop as it is. The caller holds mu.
func (d *fakeDesktop) state() fakeState {
	m := d.machine
	m.files = maps.Clone(m.files)
	return fakeState{d.info.Size, d.pointer, d.colour, m}
}

// become makes the desktop what it was. The caller holds mu.
func (d *fakeDesktop) become(s fakeState) {
	d.info.Size, d.pointer, d.colour, d.machine = s.size, s.pointer, s.colour, s.machine
	d.machine.files = maps.Clone(s.machine.files)
	d.reconnect()
}

// reconnect begins to count frames anew, as a guest does that was connected anew.
func (d *fakeDesktop) reconnect() {
	d.mirror, d.frame, d.drawn, d.spots, d.settled = new(desktop.Mirror), 0, 0, nil, d.colour
}

func (h *fakeHost) leased(owner, id string) (*fakeDesktop, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.saveErr != nil {
		return nil, h.saveErr
	}
	return h.find(owner, id)
}

func (h *fakeHost) Checkpoint(_ context.Context, owner, id string, opts sandbox.CheckpointOptions) (sandbox.CheckpointInfo, error) {
	d, err := h.leased(owner, id)
	if err != nil {
		return sandbox.CheckpointInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.saved) == maxFakeCheckpoints {
		i := slices.IndexFunc(d.saved, func(c fakeCheckpoint) bool { return c.info.Automatic })
		if i < 0 {
			return sandbox.CheckpointInfo{}, fmt.Errorf("%w: this desktop has %d: drop one first", sandbox.ErrTooManyCheckpoints, len(d.saved))
		}
		d.saved = slices.Delete(d.saved, i, i+1)
	}
	d.saves++
	info := sandbox.CheckpointInfo{
		ID: fmt.Sprint(d.saves), Name: opts.Name, Note: opts.Note, Automatic: opts.Automatic, Created: time.Date(2026, 1, 2, 5, 0, d.saves, 0, time.UTC),
	}
	d.saved = append(d.saved, fakeCheckpoint{info, d.state()})
	d.reconnect()
	return info, nil
}

func (h *fakeHost) Checkpoints(owner, id string) (list []sandbox.CheckpointInfo, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, err := h.find(owner, id)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.saved {
		list = append(list, c.info)
	}
	return list, nil
}

// checkpoint returns the index of a checkpoint. The caller holds mu.
func (d *fakeDesktop) checkpoint(name string) (int, error) {
	for i, c := range slices.Backward(d.saved) {
		if name == "" || name == c.info.ID || name == c.info.Name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: this desktop has none called %q", sandbox.ErrNoCheckpoint, name)
}

func (h *fakeHost) DropCheckpoint(_ context.Context, owner, id, name string) error {
	d, err := h.leased(owner, id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.checkpoint(name)
	if err != nil {
		return err
	}
	d.saved = slices.Delete(d.saved, i, i+1)
	return nil
}

func (h *fakeHost) Rollback(_ context.Context, owner, id, name string, _ func(string)) (sandbox.CheckpointInfo, error) {
	d, err := h.leased(owner, id)
	if err != nil {
		return sandbox.CheckpointInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.checkpoint(name)
	if err != nil {
		return sandbox.CheckpointInfo{}, err
	}
	d.become(d.saved[i].state)
	return d.saved[i].info, nil
}

func (h *fakeHost) Suspend(_ context.Context, owner, id string) error {
	d, err := h.leased(owner, id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reconnect()
	return nil
}

func (h *fakeHost) Fork(ctx context.Context, owner, id string, onStep func(string)) (Desktop, error) {
	d, err := h.leased(owner, id)
	if err != nil {
		return nil, err
	}
	forked, err := h.Create(ctx, owner, sandbox.Config{Image: "fake"}, onStep)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	s := d.state()
	d.reconnect()
	d.mu.Unlock()
	f := forked.(*fakeLease).fakeDesktop
	f.mu.Lock()
	defer f.mu.Unlock()
	f.become(s)
	return forked, nil
}

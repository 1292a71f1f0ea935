package mcp

import (
	"context"
	"errors"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/sandbox"
)

// lateHost is a host whose forks are there after the call was given up.
type lateHost struct {
	*fakeHost
	giveUp context.CancelCauseFunc
}

func (h lateHost) Fork(ctx context.Context, owner, id string, onStep func(string)) (Desktop, error) {
	d, err := h.fakeHost.Fork(ctx, owner, id, onStep)
	h.giveUp(rpc.ErrCancelled)
	return d, err
}

// TestForkThatNobodyHearsOfEnds checks that a desktop whose id never reaches the
// client does not run on.
func TestForkThatNobodyHearsOfEnds(t *testing.T) {
	ctx, giveUp := context.WithCancelCause(t.Context())
	host := newFakeHost()
	s, err := New(Config{Desktops: lateHost{host, giveUp}, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	conv := s.newTenant("me", nil).converse(wholly)
	d, err := conv.use(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Release()
	if _, err := conv.fork(ctx, d.Info().ID); !errors.Is(err, rpc.ErrCancelled) {
		t.Errorf("fork: %v, want that it was given up", err)
	}
	if list := host.List("me"); len(list) != 1 || list[0].ID != d.Info().ID {
		t.Errorf("there are %v, want the one that was forked", list)
	}
	if err := conv.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := conv.fork(t.Context(), d.Info().ID); !errors.Is(err, errClosed) {
		t.Errorf("fork after the end: %v", err)
	}
	if host.leases != 0 {
		t.Errorf("%d leases are left", host.leases)
	}
}

// TestForksEndWithTheirConversation checks that a fork belongs to whoever made it.
func TestForksEndWithTheirConversation(t *testing.T) {
	host := newFakeHost()
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	conv := s.newTenant("me", nil).converse(wholly)
	d, err := conv.use(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	info, err := conv.fork(t.Context(), d.Info().ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.newTenant("somebody else", nil).converse(wholly).use(t.Context(), info.ID, nil); !errors.Is(err, sandbox.ErrNoDesktop) {
		t.Errorf("another owner uses the fork: %v", err)
	}
	if want := (desktop.Size{Width: 320, Height: 200}); info.Size != want {
		t.Errorf("the fork's screen is %v", info.Size)
	}
	if err := conv.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if list := host.List("me"); len(list) != 0 {
		t.Errorf("%v outlive the conversation", list)
	}
}

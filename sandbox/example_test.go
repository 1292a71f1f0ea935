package sandbox_test

import (
	"context"
	"fmt"
	"os"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// Boot one sandbox, use its desktop, and end it. A real program takes its
// backend from package qemu; this one's guests are functions.
func ExampleStart() {
	ctx := context.Background()
	s, err := sandbox.Start(ctx, &sandboxtest.Backend{}, sandboxtest.Config(), sandbox.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Stop()

	res, err := s.Do(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 40, Y: 30}}, desktop.Observe{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("the pointer is at (%d, %d)\n", *res.X, *res.Y)
	// Output: the pointer is at (40, 30)
}

// Hold the sandboxes of a server: each has an owner and a handle.
func ExampleManager() {
	dir, err := os.MkdirTemp("", "state-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	m, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend:  &sandboxtest.Backend{},
		StateDir: dir,
		Capacity: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	lease, err := m.Create(context.Background(), "alice", sandboxtest.Config(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id := lease.Info().ID
	lease.Release()

	_, err = m.Acquire(context.Background(), "bob", id)
	fmt.Println("bob:", err)
	_, err = m.Create(context.Background(), "bob", sandboxtest.Config(), nil)
	fmt.Println("bob:", err)
	// Output:
	// bob: no such desktop: create one, or use one of your list
	// bob: no room for another sandbox: 1 of 1 are running: close one, or try again later
}

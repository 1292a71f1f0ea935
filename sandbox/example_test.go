package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

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

// Boot a directory of the host as it is. What the guest writes does not reach it.
func ExampleRootfsShare() {
	cfg := sandboxtest.Config()
	cfg.Root = sandbox.RootfsBlock{}
	cfg.RootShare = sandbox.RootfsShare{Path: "/srv/root"}
	fmt.Println(cfg.Validate())
	// Output: <nil>
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

// Run a command in the room of a server's sandboxes, and with its input.
func ExampleManager_Run() {
	dir, err := os.MkdirTemp("", "state-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	m, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend:  &sandboxtest.Backend{Guest: sandboxtest.Command},
		StateDir: dir,
		Capacity: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	cfg := sandboxtest.Config()
	cfg.Exec.Args = []string{"cat"}
	out, err := m.Run(context.Background(), cfg, sandbox.RunOptions{Stdin: strings.NewReader("hello")})
	fmt.Printf("exit code %d, stdout %q, %v\n", out.ExitCode, out.Stdout, err)
	// Output: exit code 0, stdout "hello", <nil>
}

// Run one command in a sandbox of its own, and throw the sandbox away. A real
// program takes its backend from package qemu.
func ExampleRun() {
	cfg := sandboxtest.Config()
	cfg.Exec.Args = []string{"echo", "hello", "and this is an error"}
	cfg.Timeout = time.Minute
	out, err := sandbox.Run(context.Background(), &sandboxtest.Backend{Guest: sandboxtest.Command}, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("exit code %d\nstdout: %sstderr: %s", out.ExitCode, out.Stdout, out.Stderr)
	// Output:
	// exit code 0
	// stdout: hello
	// stderr: and this is an error
}

// Give a command its input and take its output as it comes, and stop it from
// elsewhere.
func ExampleSession_StopHandle() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = []string{"sleep"}
	s, err := sandbox.Start(context.Background(), &sandboxtest.Backend{Guest: sandboxtest.Command}, cfg, sandbox.StartOptions{
		Stdio: sandbox.Stdio{In: strings.NewReader("input"), Out: os.Stdout, Err: os.Stderr},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	go s.StopHandle().Stop()
	end, err := s.Wait(context.Background())
	fmt.Println(end, err)
	// Output: it was closed <nil>
}

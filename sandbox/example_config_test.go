package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// Give a command two directories of the host, one of which it may write to.
func ExampleShareMount() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = sandbox.ShellCommand("make -C /mnt/source O=/mnt/result")
	cfg.Shares = []sandbox.ShareMount{
		{Tag: "source", Path: "/srv/source", ReadOnly: true},
		{Tag: "result", Path: "/srv/result"},
	}
	fmt.Println(cfg.Validate())
	cfg.Shares[1].Tag = "source"
	fmt.Println(cfg.Validate())
	// Output:
	// <nil>
	// invalid config: two shares have the tag "source"
}

// Give a guest a disk that it may write to and one that it may not, as /dev/vdb and
// /dev/vdc.
func ExampleBlockDisk() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = sandbox.ShellCommand("dd if=/dev/vdc of=/dev/vdb")
	cfg.Disks = []sandbox.BlockDisk{
		{Path: "/var/lib/images/copy.raw"},
		{Path: "/dev/disk/by-label/original", ReadOnly: true},
	}
	fmt.Println(cfg.Validate())
	// Output: <nil>
}

// Let a command write more than it has memory: to a disk that is made for it and
// removed with it.
func ExampleConfig_scratch() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = sandbox.ShellCommand("apt-get update && apt-get install --yes build-essential")
	cfg.MemoryMiB, cfg.ScratchMiB = 512, 8<<10
	fmt.Println(cfg.Validate())
	// Output: <nil>
}

// Run a program that is in the initramfs, without any root file system.
func ExampleConfig_noSwitchRoot() {
	cfg := sandbox.Config{
		Kernel:       "kernel",
		Initramfs:    "initramfs",
		NoSwitchRoot: true,
		Workload:     sandbox.WorkloadOneShot,
		Exec:         sandbox.Exec{Args: []string{"/bin/prepare", "--all"}},
	}
	fmt.Println(cfg.Validate())
	cfg.Root = sandbox.RootfsBlock{Path: "root.squashfs", Format: "squashfs"}
	fmt.Println(cfg.Validate())
	// Output:
	// <nil>
	// invalid config: there is a root, and no switch to it: leave out one of them
}

// Say on which vsock port a guest finds the host, or that the host dials nothing in
// it.
func ExampleVsockPort() {
	cfg := sandboxtest.Config()
	cfg.VsockPort = sandbox.VsockPort{Policy: sandbox.VsockFixed, Port: 5000}
	fmt.Println(cfg.Validate())
	cfg.VsockPort = sandbox.VsockPort{Policy: sandbox.VsockDisabled}
	cfg.GuestPort = 7000
	fmt.Println(cfg.Validate())
	// Output:
	// <nil>
	// invalid config: vsock is disabled, and port 7000 of the guest is to be dialled by it: leave out one of them
}

// Talk to a program in the guest that listens on a vsock port.
func ExampleSession_Dial() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = []string{"listen"} // and sends back what comes
	cfg.GuestPort = 7000
	s, err := sandbox.Start(context.Background(), &sandboxtest.Backend{Guest: sandboxtest.Command}, cfg, sandbox.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Stop()
	conn, err := s.Dial(context.Background()) // fails until the program listens
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		fmt.Println(err)
		return
	}
	answer := make([]byte, len("hello"))
	_, err = io.ReadFull(conn, answer)
	fmt.Printf("%s %v\n", answer, err)
	// Output: hello <nil>
}

// Drive a session from another goroutine than the one that owns it.
func ExampleSessionClient() {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = []string{"signal"}
	s, err := sandbox.Start(context.Background(), &sandboxtest.Backend{Guest: sandboxtest.Command}, cfg, sandbox.StartOptions{
		Stdio: sandbox.Stdio{Out: os.Stdout},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Stop()
	sent := make(chan error)
	go func(c sandbox.SessionClient) { sent <- c.Signal("SIGUSR1") }(s.Client())
	if err := <-sent; err != nil {
		fmt.Println(err)
	}
	<-s.Done()
	// Output: SIGUSR1
}

// Tell the ends of a session apart. The first cause of an end wins.
func ExampleSessionEnd() {
	run := func(cfg sandbox.Config, args ...string) {
		cfg.Workload, cfg.Exec.Args = sandbox.WorkloadOneShot, args
		s, err := sandbox.Start(context.Background(), &sandboxtest.Backend{Guest: sandboxtest.Command}, cfg, sandbox.StartOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		end, err := s.Wait(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		switch end.Reason {
		case sandbox.EndExited:
			fmt.Println("exit code", end.Code)
		case sandbox.EndTimedOut:
			fmt.Println("its time was up:", errors.Is(end.Err, sandbox.ErrTimeout))
		case sandbox.EndStopped:
			fmt.Println("somebody stopped it")
		case sandbox.EndError:
			fmt.Println("it broke:", end.Err)
		}
	}
	cfg := sandboxtest.Config()
	run(cfg, "exit", "3")
	cfg.Timeout = time.Millisecond
	run(cfg, "sleep")
	// Output:
	// exit code 3
	// its time was up: true
}

// Errors are matched, not read. Some match several.
func Example_errors() {
	boot := func(b sandbox.Backend, cfg sandbox.Config) {
		s, err := sandbox.Start(context.Background(), b, cfg, sandbox.StartOptions{})
		switch {
		case errors.Is(err, sandbox.ErrInvalidConfig):
			fmt.Println("mend the config")
		case errors.Is(err, sandbox.ErrStartFailed) && errors.Is(err, sandbox.ErrTimeout):
			fmt.Println("give it more time to boot")
		case errors.Is(err, sandbox.ErrStartFailed):
			var missing *os.PathError
			fmt.Println("it did not start; for want of a file:", errors.As(err, &missing))
		case err == nil:
			s.Stop()
		}
	}
	boot(&sandboxtest.Backend{}, sandbox.Config{})
	slow := sandboxtest.Config()
	slow.BootTimeout = time.Millisecond
	boot(&sandboxtest.Backend{Guest: func(ctx context.Context, _ *sandboxtest.Guest) error { <-ctx.Done(); return nil }}, slow)
	boot(&sandboxtest.Backend{StartErr: &os.PathError{Op: "open", Path: "kernel", Err: os.ErrNotExist}}, sandboxtest.Config())
	// Output:
	// mend the config
	// give it more time to boot
	// it did not start; for want of a file: true
}

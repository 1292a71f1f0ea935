//go:build linux

// Desktop-agent is the program in the guest that makes a Linux image a desktop
// and drives it for the host. It is one static binary with these parts:
//
//   - As process 1 it boots the guest from its initramfs, sets the system up
//     and keeps the programs of the desktop running, or runs one command in
//     their place; see packages initrd, machine, supervise, session and workload.
//   - As "desktop-agent agent", which process 1 starts as the desktop's user,
//     it connects to the host and does what the host asks; see packages agent,
//     serve and x11.
//   - "desktop-agent serve" is the same on an X server that is already there,
//     for tests and measurements without a guest.
//   - "desktop-agent probe" is a window that reports the events that it sees.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if os.Getpid() == 1 {
		boot()
	}
	if err := subcommand(os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "desktop-agent:", err)
		os.Exit(1)
	}
}

func subcommand(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "agent":
		return guestAgent(ctx)
	case "serve":
		return nativeAgent(ctx, args[1:])
	case "probe":
		return probe(ctx, args[1:])
	}
	return fmt.Errorf("unknown part %q: use agent, serve or probe", args[0])
}

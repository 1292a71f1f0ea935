package qemu_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
)

// Run a command in an image of a registry. agent is the program of
// guest/desktop-agent.
func Example() {
	run := func(ctx context.Context, agent []byte) error {
		backend, err := qemu.New(qemu.Options{})
		if err != nil {
			return err
		}
		store, err := rootfs.Open("")
		if err != nil {
			return err
		}
		image, err := store.Build(ctx, "oci://docker.io/library/python:3", func(rootfs.Progress) {})
		if err != nil {
			return err
		}
		initramfs, err := store.Initramfs(image, agent)
		if err != nil {
			return err
		}
		out, err := sandbox.Run(ctx, backend, sandbox.Config{
			Kernel:    image.Kernel,
			Initramfs: initramfs,
			Root:      sandbox.RootfsBlock{Path: image.Root, Format: image.RootFormat},
			Exec:      sandbox.Exec{Args: sandbox.ShellCommand("exit 42")},
			Timeout:   time.Minute,
		})
		if err != nil {
			return err
		}
		fmt.Println(out.ExitCode)
		return nil
	}
	agent, err := os.ReadFile("desktop-agent")
	if err == nil {
		err = run(context.Background(), agent)
	}
	if err != nil {
		fmt.Println(err)
	}
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/initrd"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/link"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/session"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/supervise"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uplink"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/workload"
)

// agentPath is where the guest finds this program once it has left the
// initramfs.
const agentPath = "/run/vmette/desktop-agent"

// logDir is where the programs of the desktop write what they print.
const logDir = "/var/log/vmette"

// boot is process 1. It does not return: the machine is off when it ends.
func boot() {
	log := bootlog.New(os.Stdout)
	if err := initialise(log); err != nil {
		log.Printf("boot failed: %v", err)
	}
	log.Phase("power-off")
	machine.PowerOff()
}

// initialise runs the guest until it is told to stop.
func initialise(log *bootlog.Log) (err error) {
	// The kernel panics when process 1 ends, which hides why.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	unix.Umask(0o022)
	// Ctrl-Alt-Del becomes SIGINT.
	unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGPWR)
	defer stop()

	b, err := initrd.Run(ctx, log, agentPath)
	if err != nil {
		return err
	}
	if b.Workload != nil {
		return runWorkload(ctx, b, log)
	}
	user, cgroup, err := machine.Prepare(b)
	if err != nil {
		return err
	}
	log.Phase("system")
	reaper := supervise.NewReaper()
	defer reaper.Close()
	link := uplink.New(log)
	if err := link.Start(b.Network); err != nil {
		return err
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	watch.Go(func() {
		if err := link.Run(ctx); err != nil && ctx.Err() == nil {
			log.Printf("%v", err)
		}
	})
	return session.Run(ctx, reaper, session.Config{
		Boot:   b,
		User:   user,
		Agent:  agentPath,
		Cgroup: cgroup,
		LogDir: logDir,
		Log:    log,
		Uplink: link.Renew,
	})
}

// runWorkload runs the one command that this guest is for.
func runWorkload(ctx context.Context, b desktop.Boot, log *bootlog.Log) error {
	if err := machine.PrepareBare(b); err != nil {
		return err
	}
	log.Phase("system")
	if err := uplink.New(log).Start(b.Network); err != nil {
		return err
	}
	reaper := supervise.NewReaper()
	defer reaper.Close()
	return workload.Run(ctx, reaper, workload.Config{
		Boot: b,
		Log:  log,
		Dial: link.Dialer{Port: b.Port, Failed: func(err error) {
			log.Printf("the host cannot be reached yet: %v", err)
		}}.Dial,
	})
}

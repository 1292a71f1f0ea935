package workload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/supervise"
)

// agent is what the hellos call this program.
const agent = "vmette desktop-agent"

// Config says what to run.
type Config struct {
	Boot desktop.Boot // with a workload
	Log  *bootlog.Log

	// Dial returns a connection to the host as soon as there can be one.
	Dial func(context.Context) (net.Conn, error)
}

// Run runs the command and tells the host how it ended. It returns when the host
// has taken note of that, or nothing can be done any more.
func Run(ctx context.Context, r *supervise.Reaper, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := func(ctx context.Context, kind string) (net.Conn, error) {
		conn, err := cfg.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return conn, desktop.OpenStream(ctx, conn, kind, agent, cfg.Boot.Token)
	}
	host, err := open(ctx, desktop.ConnWorkload)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { host.Close() })
	cfg.Log.Phase("connected")
	orders := newOrders()
	go func() {
		if err := orders.obey(ctx, host); err != nil {
			cfg.Log.Printf("orders: %v", err)
		}
	}()
	defer func() { cancel(); <-orders.gone }()

	code, err := runCommand(ctx, r, cfg, orders, open)
	if err != nil {
		return err
	}
	cfg.Log.Phase("command-end")
	leaveDisks("/proc/self/mounts")
	if err := desktop.WriteReport(host, desktop.Report{ExitCode: code}); err != nil {
		return fmt.Errorf("report to the host: %w", err)
	}
	<-orders.gone
	return nil
}

// leaveDisks leaves the file systems that the command has mounted as they should be:
// the end of the machine comes without warning, and their disks are the host's.
func leaveDisks(mounts string) {
	table, err := os.ReadFile(mounts)
	if err == nil {
		targets := mountedDisks(string(table))
		for _, target := range slices.Backward(targets) { // one may be in another
			_ = unix.Unmount(target, 0) // it may be in use by the kernel
		}
	}
	unix.Sync()
}

// runCommand runs the command and returns its exit code once all of its output is
// with the host.
func runCommand(ctx context.Context, r *supervise.Reaper, cfg Config, orders *orders, open dial) (int, error) {
	w := *cfg.Boot.Workload
	user, userErr := machine.LookupUser("/", w.User)
	stdio, err := openStdio(ctx, open, w.Terminal, user.UID, user.GID)
	if err != nil {
		return 0, err
	}
	defer stdio.close()
	p, err := start(r, w, user, userErr, cfg.Boot.Hostname, stdio)
	if err != nil {
		// It belongs where the command would have written.
		fmt.Fprintf(stdio.theirs[2], "vmette: %v\n", err)
		stdio.handOver()
		stdio.flush()
		var failed *notRun
		if errors.As(err, &failed) {
			return failed.code, nil
		}
		return exitCannot, nil
	}
	stdio.handOver()
	cfg.Log.Phase("command")

	orders.begin(p.PID, stdio)
	select {
	case <-p.Done():
	case <-orders.gone:
		return 0, errors.New("the host has gone")
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	// Whoever still holds a stream open would keep it from ending.
	unix.Kill(-1, unix.SIGKILL)
	stdio.flush()
	return p.ExitCode(), nil
}

// start starts the command.
func start(r *supervise.Reaper, w desktop.Workload, user machine.User, userErr error, hostname string, stdio *stdio) (*supervise.Process, error) {
	if userErr != nil {
		return nil, userErr
	}
	env := environment(w, user, hostname)
	dir := path.Clean("/" + w.Dir)
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("enter working directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("enter working directory: %s is a file", dir)
	}
	file, err := lookup("/", w.Args[0], dir, env)
	if err != nil {
		return nil, err
	}
	c := supervise.Command{
		Path: file, Args: w.Args, Env: env, Dir: dir, Files: stdio.theirs,
		Sys: syscall.SysProcAttr{Setsid: true, Setctty: w.Terminal != nil},
	}
	groups := make([]uint32, len(user.Groups))
	for i, g := range user.Groups {
		groups[i] = uint32(g)
	}
	c.Sys.Credential = &syscall.Credential{Uid: uint32(user.UID), Gid: uint32(user.GID), Groups: groups}
	return r.Start(c)
}

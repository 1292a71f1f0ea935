package session

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/supervise"
)

// Config says whose desktop to run, and how.
type Config struct {
	Boot   desktop.Boot
	User   machine.User
	Agent  string // path of the agent's program
	Cgroup string // group of processes that is delegated to the user; empty without
	LogDir string // for what the programs print
	Log    *bootlog.Log
	Uplink func(*desktop.Network) error // is told of the network of a guest that was started from a saved state
}

// session is a running desktop.
type session struct {
	Config
	reaper *supervise.Reaper
	paths  paths
	env    []string

	x11, bus supervise.Gate
	hasBus   bool
	manager  string // path of the window manager, empty without one
	group    sync.WaitGroup

	mu sync.Mutex // guards Boot once the agent runs
}

// Run runs the desktop until ctx ends; then all its programs are gone. It
// fails at once when the image has no X server.
func Run(ctx context.Context, r *supervise.Reaper, cfg Config) error {
	runtime, err := machine.RuntimeDir(cfg.User)
	if err != nil {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	s := &session{Config: cfg, reaper: r, paths: pathsIn(runtime)}
	s.env = environment("/", cfg.User, s.paths)

	server, err := find("/", xServers...)
	if err != nil {
		return fmt.Errorf("%w: install tigervnc-standalone-server or xvfb in it", err)
	}
	var cookie [16]byte
	if _, err := unix.Getrandom(cookie[:], 0); err != nil {
		return err
	}
	if err := writeXauthority(s.paths.xauthority, cookie[:], cfg.User.UID, cfg.User.GID); err != nil {
		return fmt.Errorf("write Xauthority: %w", err)
	}
	if s.manager, err = find("/", windowManagers...); err != nil {
		s.Log.Printf("no window manager: %v", err)
	}
	s.keepX11(ctx, server)
	s.keepAgent(ctx)
	s.keepBuses(ctx)
	s.keepClients(ctx)
	s.group.Wait()
	return nil
}

// keep runs a service until ctx ends.
func (s *session) keep(ctx context.Context, svc supervise.Service) {
	s.group.Go(func() {
		if err := s.reaper.Keep(ctx, svc, s.Log); err != nil {
			s.Log.Printf("%v", err)
		}
	})
}

func (s *session) keepX11(ctx context.Context, path string) {
	args := xServerArgs(path, s.Boot.Screen, s.Boot.Hostname, emulated("/"), s.paths)
	s.keep(ctx, supervise.Service{
		Name: "x11",
		Command: func(context.Context) (supervise.Command, error) {
			// What a killed server left would look like another one.
			os.Remove(lockFile)
			os.Remove(socketFile)
			c, err := s.command("x11", args)
			c.Nice = serverNice
			return c, err
		},
		Ready: &s.x11,
	})
}

func (s *session) keepBuses(ctx context.Context) {
	path, err := find("/", "dbus-daemon")
	if err != nil {
		s.Log.Printf("no D-Bus: %v", err)
		return
	}
	s.hasBus = true
	s.keep(ctx, supervise.Service{
		Name: "bus",
		Command: func(context.Context) (supervise.Command, error) {
			os.Remove(s.paths.bus)
			return s.command("bus", sessionBusArgs(path, s.paths))
		},
		Ready: &s.bus,
	})
	s.keep(ctx, supervise.Service{
		Name: "system-bus",
		Command: func(ctx context.Context) (supervise.Command, error) {
			// Nothing of the desktop's start waits for it.
			if _, err := s.x11.Wait(ctx, 0); err != nil {
				return supervise.Command{}, err
			}
			c, err := s.command("system-bus", systemBusArgs(path))
			c.Sys.Credential = nil // it changes its user by itself
			return c, err
		},
	})
}

// keepClients runs the window manager and the panel, if the image has them.
func (s *session) keepClients(ctx context.Context) {
	if s.manager != "" {
		wait := s.awaitServer
		if slices.Contains(busManagers, filepath.Base(s.manager)) {
			wait = s.bothReady
		}
		s.keepClient(ctx, "wm", s.manager, wait, managerEnviron...)
	}
	panel, err := find("/", panels...)
	if err != nil {
		s.Log.Printf("no panel: %v", err)
		return
	}
	s.keepClient(ctx, "panel", panel, s.bothReady)
}

// awaitServer returns when an X server can be connected to, even if it does not
// answer yet.
func (s *session) awaitServer(ctx context.Context) error {
	early, cancel := context.WithCancel(ctx)
	var ready sync.WaitGroup
	ready.Go(func() {
		s.x11.Wait(early, 0)
		cancel()
	})
	err := awaitSocket(early, socketFile)
	cancel()
	ready.Wait()
	if err != nil {
		_, err = s.x11.Wait(ctx, 0)
	}
	return err
}

// bothReady waits for the X server and, if there is to be one, for D-Bus.
func (s *session) bothReady(ctx context.Context) error {
	_, err := s.x11.Wait(ctx, 0)
	if err == nil && s.hasBus {
		_, err = s.bus.Wait(ctx, 0)
	}
	return err
}

// keepClient runs the X client at path, anew when it or its X server has ended.
func (s *session) keepClient(ctx context.Context, name, path string, wait func(context.Context) error, environ ...string) {
	s.keep(ctx, supervise.Service{
		Name: name + " " + filepath.Base(path),
		Command: func(ctx context.Context) (supervise.Command, error) {
			if err := wait(ctx); err != nil {
				return supervise.Command{}, err
			}
			c, err := s.command(name, []string{path})
			c.Env = slices.Concat(c.Env, environ)
			return c, err
		},
	})
}

// keepAgent runs the agent, which is started before there is an X server so
// that both come up at the same time.
func (s *session) keepAgent(ctx context.Context) {
	starts := -1
	s.keep(ctx, supervise.Service{
		Name: "agent",
		Command: func(context.Context) (supervise.Command, error) {
			starts++
			c, err := s.command("", []string{s.Agent, "agent"})
			if err != nil || s.Cgroup == "" {
				return c, err
			}
			group, err := os.Open(machine.AgentCgroup(s.Cgroup))
			if err != nil {
				return c, err
			}
			c.Cgroup = group
			return c, nil
		},
		Talk: func(ctx context.Context, conn io.ReadWriter) { s.talk(ctx, conn, starts) },
	})
}

// command is a program of the desktop's user, whose output goes to a log file
// of that name, or to the console without one.
func (s *session) command(log string, args []string) (supervise.Command, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return supervise.Command{}, err
	}
	out, err := s.output(log)
	if err != nil {
		null.Close()
		return supervise.Command{}, err
	}
	groups := make([]uint32, len(s.User.Groups))
	for i, g := range s.User.Groups {
		groups[i] = uint32(g)
	}
	return supervise.Command{
		Path:  args[0],
		Args:  args,
		Env:   s.env,
		Dir:   s.User.Home,
		Files: []*os.File{null, out, out},
		Sys: syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: uint32(s.User.UID), Gid: uint32(s.User.GID), Groups: groups},
		},
	}, nil
}

func (s *session) output(log string) (*os.File, error) {
	if log == "" {
		return os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY, 0)
	}
	return os.OpenFile(filepath.Join(s.LogDir, log+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

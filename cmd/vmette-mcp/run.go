package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// The exit codes of run that are not its command's.
const (
	exitTimeout = 124 // the command's time was up
	exitSandbox = 125 // the sandbox could not be had, or broke
	exitSignal  = 128 // and the number of the signal that ended it
)

// exitStatus ends a command that has nothing more to say with an exit code.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

type runCmd struct {
	Rootfs   string        `help:"What the sandbox boots: ${desktop}, or another image, as vmette-mcp rootfs --help says (default ${default})." default:"${desktop}" placeholder:"SPEC" env:"-"`
	Env      []string      `short:"e" sep:"none" help:"Set a variable of the command's environment, or with NAME alone give it the one of this process; may be repeated." placeholder:"NAME=VALUE" env:"-"`
	Workdir  string        `short:"w" help:"Working directory in the sandbox (default: the image's, else /)." placeholder:"DIR" env:"-"`
	User     string        `short:"u" help:"Who runs the command: USER or USER:GROUP, by names or numbers (default: the image's, else root)." placeholder:"USER" env:"-"`
	Terminal bool          `short:"t" help:"Give the command a terminal, which is this one." env:"-"`
	Timeout  time.Duration `help:"End the command after this long, with the exit code 124; 0s, the default, is never." default:"0s" placeholder:"TIME" env:"-"`
	CPUs     int           `name:"cpus" help:"Virtual processors (default ${default})." default:"2" placeholder:"N"`
	Mem      mebibytes     `help:"Memory, such as 512M or 8G; a plain number is in MiB (default ${default})." default:"1024" placeholder:"SIZE" env:"-"`
	Share    []string      `sep:"none" help:"Give the sandbox a directory of this host as /mnt/TAG; with :ro it is not written to; may be repeated." placeholder:"TAG=PATH[:ro]" env:"-"`
	Disk     []string      `sep:"none" help:"Give the sandbox a raw disk image or a block device, from /dev/vdb on, or where the root is a directory from /dev/vda on; with :ro it is not written to; may be repeated." placeholder:"PATH[:ro]" env:"-"`
	Scratch  mebibytes     `help:"Let what is written go to a disk of this size instead of memory, such as 512M or 8G; a plain number is in MiB." placeholder:"SIZE" env:"-"`
	Accel    string        `help:"How the guest runs: auto, kvm or tcg (emulated) (default ${default})." default:"auto" enum:"auto,kvm,tcg" placeholder:"HOW"`
	Vsock    string        `help:"What connects guest and host: auto, vhost-user or vhost (default ${default})." default:"auto" enum:"auto,vhost-user,vhost" placeholder:"DOOR"`
	trustFlags
	networkFlags
	Command []string `arg:"" optional:"" passthrough:"" name:"command" help:"The command and its arguments; without one, the image's."`
}

func (runCmd) Help() string {
	return `Boots a sandbox, runs one command in it, and removes it again. The command reads
this standard input and writes to these standard output and error; signals are
passed on, and its exit code is this one's. Besides, run exits with 124 when the
command's time was up, with 125 when the sandbox could not be had or broke, with 126
or 127 when the image cannot run such a command, and with 2 when the command line
is wrong. SIGINT or SIGTERM before the command runs gives the sandbox up, with 130 or
143; then the third one ends a sandbox that does not heed them.

Everything of the sandbox is in memory, or on its scratch disk, and gone afterwards. It has no network
unless --net gives it one. An image of a registry says by itself what environment,
user, working directory and command it wants.

Only errors are logged, but with --log-level=debug.

  vmette-mcp run -- sh -c 'exit 42'
  vmette-mcp run --rootfs oci://docker.io/library/python:3 -- python -c 'print(6*7)'
  vmette-mcp run -t --rootfs ./root -- /bin/sh
  echo hello | vmette-mcp run -- tr a-z A-Z`
}

// Validate reports what no sandbox could be given.
func (c runCmd) Validate() error {
	if _, err := c.environment(); err != nil {
		return err
	}
	if _, err := shares(c.Share); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return fmt.Errorf("--timeout %v is negative: use 0s for no limit", c.Timeout)
	}
	return c.networkFlags.Validate()
}

// environment returns the variables that flags set.
func (c runCmd) environment() ([]string, error) {
	var env []string
	for _, e := range c.Env {
		name, _, set := strings.Cut(e, "=")
		if name == "" {
			return nil, fmt.Errorf("--env %q has no name: use NAME=VALUE", e)
		}
		if !set {
			value, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			e = name + "=" + value
		}
		env = append(env, e)
	}
	return env, nil
}

func (c runCmd) Run(a *app) error {
	if a.logLevel == slog.LevelInfo {
		// Standard error is the command's.
		a.log = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	code, err := c.run(a)
	var signal interrupted
	switch {
	case err == nil:
	case errors.As(err, &signal):
		fmt.Fprintln(a.stderr, "vmette-mcp: interrupted")
		code = exitSignal + int(signal.Signal)
	default:
		fmt.Fprintf(a.stderr, "vmette-mcp: %v\n", err)
		code = exitSandbox
		if errors.Is(err, errUsage) {
			code = exitUsage
		}
	}
	if code == 0 {
		return nil
	}
	return exitStatus(code)
}

// errUsage is a command line that is wrong in a way that shows late.
var errUsage = errors.New("usage")

func (c runCmd) run(a *app) (code int, err error) {
	host, err := a.openHost(sandboxFlags{Accel: c.Accel, Vsock: c.Vsock})
	if err != nil {
		return 0, err
	}
	img, share, err := a.root(host, c.Rootfs)
	if a.ctx.Err() != nil {
		return 0, context.Cause(a.ctx) // whatever broke because of it
	}
	if errors.Is(err, rootfs.ErrUnknownSpec) {
		err = fmt.Errorf("%w: %w", errUsage, err)
	}
	if err != nil {
		return 0, err
	}
	cfg, err := c.config(img)
	if err != nil {
		return 0, err
	}
	if cfg, err = bootConfig(host.store, img, host.agent, cfg); err != nil {
		return 0, err
	}
	if share.Path != "" {
		cfg.Image, cfg.Root, cfg.RootShare = c.Rootfs, sandbox.RootfsBlock{}, share
	}
	network, closeLog, err := c.networkFlags.open(a.log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	state, err := a.stateDirectory()
	if err != nil {
		return 0, err
	}
	dir, closeState, err := sandbox.OpenState(state, a.log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeState()) }()
	ports, err := publish(a.ctx, c.Publish, a.log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, ports.Close()) }()
	opts := sandbox.StartOptions{
		Dir:     dir,
		Name:    "run",
		Network: network,
		Logger:  a.log,
		Stdio:   sandbox.Stdio{In: a.stdin, Out: a.stdout, Err: a.stderr},
	}
	var term *tty
	if c.Terminal {
		if term, err = openTerminal(a.stdin); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, term.Close()) }()
		size, err := term.size()
		if err != nil {
			return 0, err
		}
		cfg.Exec.Terminal = &size
	}
	return attend(a, host.backend, cfg, opts, term, ports)
}

// root returns what a command runs on: an image, or a directory that is shared as it
// is, with an image that has the kernel for it. A directory that cannot be shared is
// made an image of.
func (a *app) root(host *host, spec string) (*rootfs.Image, sandbox.RootfsShare, error) {
	dir, ok := rootfs.Directory(spec)
	sharer, can := host.backend.(sandbox.Sharer)
	if ok && can {
		if err := sharer.CanShare(a.ctx, dir); err != nil {
			a.log.Info("directory is made an image of, as it cannot be shared", "dir", dir, "reason", err)
		} else {
			bar := rootfs.NewBar(a.stderr)
			defer bar.Close()
			img, err := host.store.Kernel(a.ctx, bar.Update)
			return img, sandbox.RootfsShare{Path: dir}, err
		}
	}
	img, err := a.buildImage(host.store, spec)
	return img, sandbox.RootfsShare{}, err
}

// config returns what to run, but for the image's files.
func (c runCmd) config(img *rootfs.Image) (sandbox.Config, error) {
	env, err := c.environment()
	if err != nil {
		return sandbox.Config{}, err
	}
	shared, err := shares(c.Share)
	if err != nil {
		return sandbox.Config{}, err
	}
	authorities, err := c.authorities()
	if err != nil {
		return sandbox.Config{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	process := img.Process
	if process == nil {
		process = new(rootfs.Process)
	}
	args := process.Args(command)
	if len(args) == 0 {
		return sandbox.Config{}, fmt.Errorf("%w: there is no command: the image names none, so put one behind --", errUsage)
	}
	cfg := sandbox.Config{
		CPUs:        c.CPUs,
		MemoryMiB:   int(c.Mem),
		Network:     sandbox.NewNetwork(c.policy()),
		Authorities: authorities,
		Shares:      shared,
		Disks:       disks(c.Disk),
		ScratchMiB:  int(c.Scratch),
		Timeout:     c.Timeout,
		Workload:    sandbox.WorkloadOneShot,
		Exec:        inImage(img, args),
	}
	cfg.Exec.Env = append(cfg.Exec.Env, env...)
	if c.Workdir != "" {
		cfg.Exec.Dir = c.Workdir
	}
	if c.User != "" {
		cfg.Exec.User = c.User
	}
	return cfg, nil
}

// inImage returns a command that is run as an image wants its own to be.
func inImage(img *rootfs.Image, args []string) sandbox.Exec {
	e := sandbox.Exec{Args: args}
	if p := img.Process; p != nil {
		e.Env, e.Dir, e.User = slices.Clone(p.Env), p.WorkingDir, p.User
	}
	return e
}

// disks returns the disks that flags name.
func disks(flags []string) []sandbox.BlockDisk {
	var all []sandbox.BlockDisk
	for _, f := range flags {
		path, readOnly := strings.CutSuffix(f, ":ro")
		all = append(all, sandbox.BlockDisk{Path: path, ReadOnly: readOnly})
	}
	return all
}

// mebibytes is a size in MiB, of a flag such as 512M or 8G.
type mebibytes int

// UnmarshalText decodes a number of M, G or T, and without a unit one of MiB.
func (m *mebibytes) UnmarshalText(text []byte) error {
	number, factor := string(text), 1
	for unit, n := range map[string]int{"M": 1, "G": 1 << 10, "T": 1 << 20} {
		if rest, ok := strings.CutSuffix(number, unit); ok {
			number, factor = rest, n
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n > math.MaxInt32/uint64(factor) {
		return fmt.Errorf("%q is not a size such as 512M or 8G", text)
	}
	*m = mebibytes(int(n) * factor)
	return nil
}

// attend starts a command, on term if that is not nil, has ports lead to it, and returns
// how it ended.
func attend(a *app, b sandbox.Backend, cfg sandbox.Config, opts sandbox.StartOptions, term *tty, ports *published) (int, error) {
	signals := catchSignals()
	defer signals.release()
	s, err := sandbox.Start(a.ctx, b, cfg, opts)
	if err != nil {
		if a.ctx.Err() != nil {
			err = context.Cause(a.ctx)
		}
		if errors.Is(err, sandbox.ErrInvalidConfig) {
			err = fmt.Errorf("%w: %w", errUsage, err)
		}
		return 0, err
	}
	defer s.Stop()
	ports.lead(func() *sandbox.Session { return s })
	defer signals.pass(s)()
	if term != nil {
		defer term.follow(s)()
	}
	end, err := s.Wait(context.Background()) // a.ctx ends with the first signal, which is the command's
	switch {
	case err != nil:
		return 0, err
	case end.Reason == sandbox.EndExited:
		return end.Code, nil
	case end.Reason == sandbox.EndTimedOut:
		_, err := fmt.Fprintf(a.stderr, "vmette-mcp: the command was ended after %v\n", cfg.Timeout)
		return exitTimeout, err
	case end.Reason == sandbox.EndStopped:
		return signals.exitCode(), nil
	}
	return 0, fmt.Errorf("the sandbox broke: %w\n%s", end.Err, s.Console())
}

// Package oneshot is what the library for C does, in Go: a config that is put
// together piece by piece, and a run of it.
package oneshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Version is that of the library.
const Version = "0.1.0"

// Config says what to run. Its fields are read and written within Change.
type Config struct {
	mu sync.Mutex

	Kernel, Initramfs string
	Cmdline           string // words, separated by spaces
	Root              string // a directory, or a file with a squashfs or EROFS image
	RootWritable      bool
	Command           string // for the guest's shell
	Net               string // policy in words
	NoSwitchRoot      bool
	VsockPort         uint32
	GuestPort         uint32
	TimeoutMS         uint64
	CPUs              uint32
	MemoryMiB         uint32
	ScratchMiB        uint32
	BuildSnapshot     string
	ResumeSnapshot    string

	env    []string
	shares []sandbox.ShareMount
	disks  []sandbox.BlockDisk
}

// New returns a config that boots a kernel with an initramfs.
func New(kernel, initramfs string) *Config { return &Config{Kernel: kernel, Initramfs: initramfs} }

// Change calls change while nobody else uses the config.
func (c *Config) Change(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// AddEnv adds a variable to the command's environment.
func (c *Config) AddEnv(key, value string) { c.env = append(c.env, key+"="+value) }

// AddShare adds a directory of the host.
func (c *Config) AddShare(tag, path string) {
	c.shares = append(c.shares, sandbox.ShareMount{Tag: tag, Path: path})
}

// AddDisk adds a disk.
func (c *Config) AddDisk(path string, readOnly bool) {
	c.disks = append(c.disks, sandbox.BlockDisk{Path: path, ReadOnly: readOnly})
}

// Output is what came of a run.
type Output struct{ ExitCode int }

// Run boots the machine and runs the command, whose output goes to stdout and
// stderr. It ends with an error whose status StatusOf tells.
func (c *Config) Run(ctx context.Context, stdout, stderr io.Writer) (Output, error) {
	cfg, err := c.sandbox()
	if err != nil {
		return Output{}, err
	}
	if err := openRoot(&cfg); err != nil {
		return Output{}, err
	}
	backend, err := newBackend()
	if err != nil {
		return Output{}, err
	}
	s, err := sandbox.Start(ctx, backend, cfg, sandbox.StartOptions{Stdio: sandbox.Stdio{Out: stdout, Err: stderr}})
	if err != nil {
		return Output{}, err
	}
	defer s.Stop()
	end, err := s.Wait(ctx)
	switch {
	case err != nil:
		return Output{}, err
	case end.Reason == sandbox.EndExited:
		return Output{ExitCode: end.Code}, nil
	case end.Err != nil:
		return Output{}, end.Err
	}
	return Output{}, sandbox.ErrStopped
}

// sandbox returns the config of the machine, whose root is a directory as long as
// nobody has looked at it.
func (c *Config) sandbox() (cfg sandbox.Config, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.BuildSnapshot != "" || c.ResumeSnapshot != "":
		return cfg, fmt.Errorf("%w: a machine that runs a command is not saved", sandbox.ErrSnapshotUnsupported)
	case c.Command == "":
		return cfg, fmt.Errorf("%w: there is no command", sandbox.ErrInvalidConfig)
	case c.TimeoutMS > math.MaxInt64/uint64(time.Millisecond):
		return cfg, fmt.Errorf("%w: a timeout of %d ms is too long", sandbox.ErrInvalidConfig, c.TimeoutMS)
	case slices.ContainsFunc(c.env, func(e string) bool { return strings.HasPrefix(e, "=") }):
		return cfg, fmt.Errorf("%w: a variable of the environment has no name", sandbox.ErrInvalidConfig)
	}
	cfg = sandbox.Config{
		Kernel:       c.Kernel,
		Initramfs:    c.Initramfs,
		Cmdline:      strings.Fields(c.Cmdline),
		NoSwitchRoot: c.NoSwitchRoot,
		Shares:       slices.Clone(c.shares),
		Disks:        slices.Clone(c.disks),
		CPUs:         int(c.CPUs),
		MemoryMiB:    int(c.MemoryMiB),
		ScratchMiB:   int(c.ScratchMiB),
		Network:      network(c.Net),
		GuestPort:    c.GuestPort,
		Timeout:      time.Duration(c.TimeoutMS) * time.Millisecond,
		Workload:     sandbox.WorkloadOneShot,
		Exec:         sandbox.Exec{Args: sandbox.ShellCommand(c.Command), Env: slices.Clone(c.env)},
	}
	if c.VsockPort != 0 {
		cfg.VsockPort = sandbox.VsockPort{Policy: sandbox.VsockFixed, Port: c.VsockPort}
	}
	if c.Root != "" {
		path, err := filepath.Abs(c.Root)
		if err != nil {
			return cfg, fmt.Errorf("%w: %w", sandbox.ErrIO, err)
		}
		cfg.RootShare = sandbox.RootfsShare{Path: path, Writable: c.RootWritable}
	}
	return cfg, cfg.Validate()
}

// network returns that of a policy in words: a mode, and what may be reached.
func network(words string) sandbox.Network {
	f := strings.Fields(words)
	if len(f) == 0 {
		return sandbox.Network{}
	}
	return sandbox.NewNetwork(policy.Config{Mode: policy.Mode(f[0]), Allow: f[1:]})
}

// openRoot makes a root that is an image, and not a directory, that of cfg.
func openRoot(cfg *sandbox.Config) error {
	path := cfg.RootShare.Path
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: open root: %w", sandbox.ErrIO, err)
	}
	if info.IsDir() {
		return nil
	}
	if cfg.RootShare.Writable {
		return fmt.Errorf("%w: %s is an image, to which a guest does not write: say read_only", sandbox.ErrInvalidConfig, path)
	}
	format, err := imageFormat(path)
	if err != nil {
		return err
	}
	cfg.RootShare, cfg.Root = sandbox.RootfsShare{}, sandbox.RootfsBlock{Path: path, Format: format}
	return nil
}

// imageFormat returns the format of a file system, which begins with a number of its
// own: see struct squashfs_super_block and, behind 1024 bytes for boot loaders,
// struct erofs_super_block in Linux.
func imageFormat(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: open root: %w", sandbox.ErrIO, err)
	}
	defer f.Close()
	head := make([]byte, 1028)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("%w: read root: %w", sandbox.ErrIO, err)
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("hsqs")):
		return "squashfs", nil
	case n == 1028 && bytes.Equal(head[1024:], []byte{0xe2, 0xe1, 0xf5, 0xe0}):
		return "erofs", nil
	}
	return "", fmt.Errorf("%w: root %s is no directory, and neither a squashfs nor an EROFS image", sandbox.ErrInvalidConfig, path)
}

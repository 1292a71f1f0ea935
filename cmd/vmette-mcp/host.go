package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/agent"
	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// screenSize is a flag such as 1280x800.
type screenSize desktop.Size

// UnmarshalText decodes WIDTHxHEIGHT.
func (s *screenSize) UnmarshalText(text []byte) error {
	var rest string
	n, _ := fmt.Sscanf(string(text), "%dx%d%s", &s.Width, &s.Height, &rest)
	if n != 2 || !desktop.Size(*s).Valid() {
		return fmt.Errorf("%q is not a size such as 1280x800", text)
	}
	return nil
}

// sandboxFlags say what a desktop is like, but for its image. They are the same
// for every command that boots one.
type sandboxFlags struct {
	CPUs    int        `name:"cpus" help:"Virtual processors of a desktop (default ${default})." default:"2" placeholder:"N"`
	Memory  mebibytes  `help:"Memory of a desktop, such as 2G; a plain number is in MiB (default ${default})." default:"2048" placeholder:"SIZE"`
	Scratch mebibytes  `help:"Let what is written to a desktop's files go to a disk of this size instead of its memory, such as 8G. It takes room as it is written to." placeholder:"SIZE"`
	Screen  screenSize `help:"Size of the screen in pixels (default ${default})." default:"1280x800" placeholder:"WxH"`
	Sudo    bool       `help:"Let the desktop's user become root in its own machine, without a password." default:"true" negatable:""`
	Accel   string     `help:"How the guest runs: auto, kvm or tcg (emulated) (default ${default})." default:"auto" enum:"auto,kvm,tcg" placeholder:"HOW"`
	Vsock   string     `help:"What connects guest and host: auto, vhost-user or vhost (default ${default})." default:"auto" enum:"auto,vhost-user,vhost" placeholder:"DOOR"`
}

// templateFlags say what is in a template.
type templateFlags struct {
	WarmBrowser bool `help:"Save a desktop with its browser started, which takes half a minute where it is emulated." default:"true" negatable:""`
}

// config returns the part of a sandbox's configuration that does not depend on
// the image.
func (f sandboxFlags) config() sandbox.Config {
	return sandbox.Config{
		CPUs:       f.CPUs,
		MemoryMiB:  int(f.Memory),
		ScratchMiB: int(f.Scratch),
		Screen:     desktop.Size(f.Screen),
		NoSudo:     !f.Sudo,
	}
}

// host is what every command that boots a desktop stands on.
type host struct {
	store   *rootfs.Store
	agent   []byte
	backend sandbox.Backend
}

func (a *app) openHost(f sandboxFlags) (*host, error) {
	bin, err := agent.Binary()
	if err != nil {
		return nil, err
	}
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	backend, err := newBackend(f, store.Dir(), a.log)
	if err != nil {
		return nil, err
	}
	return &host{store: store, agent: bin, backend: backend}, nil
}

// templates opens the saved desktops of the cache. They are nil for a backend that
// saves none.
func (h *host) templates(f templateFlags, log *slog.Logger) (*sandbox.Templates, error) {
	return openTemplates(h.backend, h.store.Dir(), f, log)
}

func openTemplates(b sandbox.Backend, cacheDir string, f templateFlags, log *slog.Logger) (*sandbox.Templates, error) {
	saver, ok := b.(sandbox.Snapshotter)
	if !ok {
		return nil, nil
	}
	return sandbox.OpenTemplates(sandbox.TemplatesConfig{
		Dir:       filepath.Join(cacheDir, "templates"),
		Backend:   saver,
		NoBrowser: !f.WarmBrowser,
		Logger:    log,
	})
}

// stateDirectory returns where sandboxes keep what they need while they run:
// by the XDG base directory specification, version 0.8, where state goes.
func (a *app) stateDirectory() (string, error) {
	if a.stateDir != "" {
		return a.stateDir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "vmette"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("neither XDG_STATE_HOME nor HOME is set: name a directory with --state-dir")
	}
	return filepath.Join(home, ".local", "state", "vmette"), nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/mcp/picture"
	"github.com/vmette/vmette-mcp/sandbox"
)

type serveCmd struct {
	Config   configFile    `help:"Take flags from this file; see vmette-mcp config check --help." placeholder:"FILE" type:"existingfile" env:"-"`
	Image    string        `help:"What desktops boot: ${desktop}, ${minimal}, or another image, as vmette-mcp rootfs --help says (default ${default})." default:"${desktop}" placeholder:"SPEC"`
	Desktops int           `help:"Desktops at once; 0, the default, is as many as the host's memory allows." default:"0" placeholder:"N"`
	Idle     time.Duration `help:"End a desktop that nobody has used for this long; 0s, the default, is never, and over HTTP an hour." default:"0s" placeholder:"TIME"`
	Suspend  time.Duration `help:"Suspend a desktop that nobody has used for this long to the disk, until it is used again; 0s, the default, is never." default:"0s" placeholder:"TIME"`
	Start    string        `help:"How a desktop starts: template, from a saved one if there is one, or cold, booted (default ${default})." enum:"template,cold" default:"template" placeholder:"HOW"`
	Profile  mcp.Profile   `help:"Whose names and arguments the tools have: ${profiles} (default ${default})." default:"toolset" placeholder:"NAME"`
	Observe  string        `help:"How an action looks at the screen unless the call says: settled, changes (only where it changed), now or none (default ${default})." enum:"settled,changes,now,none" default:"settled" placeholder:"HOW"`
	httpFlags
	checkpointFlags
	templateFlags
	imageFlags
	sandboxFlags
}

// Validate is that of all flags which have one: of several that are embedded, none
// is promoted.
func (c serveCmd) Validate() error {
	return errors.Join(c.httpFlags.Validate(), c.checkpointFlags.Validate(), c.imageFlags.Validate())
}

// checkpointFlags say how desktops are saved.
type checkpointFlags struct {
	Checkpoints   int  `help:"Most checkpoints of a desktop (default ${default})." default:"${checkpoints}" placeholder:"N"`
	SaveEachBatch bool `help:"Make a checkpoint before each call that does several actions; the oldest ones make way."`
}

// Validate reports a number that the manager would take for its default.
func (f checkpointFlags) Validate() error {
	if f.Checkpoints < 1 {
		return fmt.Errorf("--checkpoints %d is too small: use 1 or more", f.Checkpoints)
	}
	return nil
}

// imageFlags bound the pictures that clients are sent.
type imageFlags struct {
	ImageMaxEdge   int `help:"Longest side of a picture in pixels (default ${default})." default:"${imageEdge}" placeholder:"N"`
	ImageMaxPixels int `help:"Most pixels of a picture (default ${default})." default:"${imagePixels}" placeholder:"N"`
	ImageMaxBytes  int `help:"Most bytes of a picture in base64 (default ${default})." default:"${imageBytes}" placeholder:"N"`
}

// The least that a picture can be bounded to: less is of no use to a model, and
// what is smaller in bytes cannot hold it.
const (
	minImageEdge   = 64
	minImagePixels = 64 * 64
	minImageBytes  = 16 << 10
)

func (f imageFlags) Validate() error {
	for _, b := range []struct {
		flag           string
		value, atLeast int
	}{
		{"--image-max-edge", f.ImageMaxEdge, minImageEdge},
		{"--image-max-pixels", f.ImageMaxPixels, minImagePixels},
		{"--image-max-bytes", f.ImageMaxBytes, minImageBytes},
	} {
		if b.value < b.atLeast {
			return fmt.Errorf("%s %d is too small: use %d or more", b.flag, b.value, b.atLeast)
		}
	}
	return nil
}

// profiles lists the profiles in a help text.
func profiles() string {
	var names []string
	for _, p := range mcp.Profiles {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

func (f imageFlags) budget() picture.Budget {
	return picture.Budget{MaxEdge: f.ImageMaxEdge, MaxPixels: f.ImageMaxPixels, MaxBase64: f.ImageMaxBytes}
}

func (serveCmd) Help() string {
	return `MCP clients start this as a subprocess; see vmette-mcp config. Everything is
over when standard input ends: every desktop is closed and gone within two
seconds. Standard output carries MCP alone; the log goes to standard error.

With --http it serves any number of clients instead, until it is told to end.
Without --tokens or --issuer they must be on this host. A session's own desktop
ends with the session; one that desktop_create made is its client's until it is
closed, has been idle, or is too old.

An image that is not there is built in the background on the first call; the
client is told how far it is. To build it beforehand: vmette-mcp rootfs build.

Desktops start from a template, which is a desktop that was saved once it had
settled. It is made in the background after the first desktop was booted, or
beforehand: vmette-mcp template build.

A desktop can be saved, brought back and forked while it runs. What was saved is
in memory and ends with the desktop; a suspended desktop is on the disk instead.

A screen that is larger than a picture may be is shown scaled down, and the
coordinates of all tools are those of what is shown.

  vmette-mcp serve
  vmette-mcp serve --memory 4096 --screen 1600x1000 --suspend 10m --idle 24h
  vmette-mcp serve --http 127.0.0.1:8808
  vmette-mcp serve --profile openai --image-max-edge 2048 --image-max-pixels 2500000`
}

func (c serveCmd) Run(a *app) (err error) {
	if c.HTTP != "" && c.Idle == 0 {
		c.Idle = defaultIdle
	}
	host, err := a.openHost(c.sandboxFlags)
	if err != nil {
		return err
	}
	state, err := a.stateDirectory()
	if err != nil {
		return err
	}
	// Closed after the machines are gone: to clear up after a build that is
	// broken off may take longer than a client waits.
	images := newImages(host.store, c.Image, host.agent, c.config(), a.log)
	defer images.Close()
	var templates *sandbox.Templates
	if c.Start == "template" {
		if templates, err = host.templates(c.templateFlags, a.log); err != nil {
			return err
		}
		if templates != nil {
			defer func() { err = errors.Join(err, templates.Close()) }()
		}
	}
	manager, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend:     host.backend,
		StateDir:    state,
		Templates:   templates,
		Capacity:    c.Desktops,
		Idle:        c.Idle,
		Suspend:     c.Suspend,
		Checkpoints: c.Checkpoints,
		Logger:      a.log,
	})
	if err != nil {
		return err
	}
	defer func() {
		if e := manager.Close(); e != nil && err == nil {
			err = e
		}
	}()
	server, err := mcp.New(mcp.Config{
		Desktops: mcp.Sandboxes(manager),
		Images:   images,
		Version:  version(),
		Profile:  c.Profile,
		Observe:  mcp.Observation(c.Observe),
		Save:     c.SaveEachBatch,
		Budget:   c.budget(),
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	if cfg, ok := images.ready(a.ctx); ok {
		manager.Preload(cfg)
	}
	if c.HTTP != "" {
		return c.httpFlags.serve(a, server)
	}
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(a.stderr, "vmette-mcp serves MCP here: type JSON-RPC, or ctrl+D to end. People start with vmette-mcp --help.")
	}
	return server.ServeStdio(a.ctx, a.stdin, a.stdout)
}

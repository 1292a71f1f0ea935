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
	Config   configFile     `help:"Take flags from this file; see vmette-mcp config check --help." placeholder:"FILE" type:"existingfile" env:"-"`
	Image    string         `help:"What desktops boot: ${desktop}, ${minimal}, or another image, as vmette-mcp rootfs --help says (default ${default})." default:"${desktop}" placeholder:"SPEC"`
	Desktops int            `help:"Desktops at once; 0, the default, is as many as the host's memory allows." default:"0" placeholder:"N"`
	Idle     *time.Duration `help:"End a desktop that nobody has used for this long; 0s is never (default 0s, and over HTTP 1h)." placeholder:"TIME"`
	Suspend  *time.Duration `help:"Suspend a desktop that nobody has used for this long to the disk, until it is used again; 0s is never (default 0s, and over HTTP 10m where desktops can be saved)." placeholder:"TIME"`
	Warm     int            `help:"Keep this many desktops started for those who create one, where there is room (default ${default})." default:"0" placeholder:"N"`
	Start    string         `help:"How a desktop starts: template, from a saved one if there is one, or cold, booted (default ${default})." enum:"template,cold" default:"template" placeholder:"HOW"`
	Profile  mcp.Profile    `help:"Whose names and arguments the tools have: ${profiles} (default ${default})." default:"toolset" placeholder:"NAME"`
	Observe  string         `help:"How an action looks at the screen unless the call says: settled, changes (only where it changed), now or none (default ${default})." enum:"settled,changes,now,none" default:"settled" placeholder:"HOW"`
	httpFlags
	networkFlags
	checkpointFlags
	templateFlags
	imageFlags
	trustFlags
	desktopShareFlags
	executeFlags
	sandboxFlags
}

// Validate is that of all flags which have one: of several that are embedded, none
// is promoted.
func (c serveCmd) Validate() error {
	return errors.Join(c.validateWarm(), c.validateIdle(), c.validateShares(), c.validatePublish(), c.desktopShareFlags.Validate(), c.httpFlags.Validate(), c.networkFlags.Validate(), c.checkpointFlags.Validate(), c.imageFlags.Validate(), c.executeFlags.Validate())
}

func (c serveCmd) validateWarm() error {
	switch {
	case c.Warm < 0:
		return fmt.Errorf("--warm %d is too small: use 0 or more", c.Warm)
	case c.Warm > 0 && c.Start != "template":
		return fmt.Errorf("--warm %d and --start %s do not go together: warm desktops start from a template", c.Warm, c.Start)
	}
	return nil
}

func (c serveCmd) validatePublish() error {
	if len(c.Publish) > 0 && c.HTTP != "" {
		return errors.New("--publish and --http do not go together: a port leads to one desktop, and over HTTP there are many")
	}
	return nil
}

func (c serveCmd) validateIdle() error {
	for _, clock := range []struct {
		flag  string
		value *time.Duration
	}{
		{"--idle", c.Idle},
		{"--suspend", c.Suspend},
	} {
		if clock.value != nil && *clock.value < 0 {
			return fmt.Errorf("%s %v is too short: use 0s or more", clock.flag, *clock.value)
		}
	}
	return nil
}

// clocks returns after how long desktops that nobody uses end and are suspended, on a
// backend; 0 means never. Over HTTP no standard input ends with its client, so those that
// clients leave behind do not run for ever.
func (c serveCmd) clocks(b sandbox.Backend) (idle, suspend time.Duration) {
	if c.HTTP != "" {
		idle = defaultIdle
		if _, saves := b.(sandbox.Snapshotter); saves && c.Vsock != "vhost" && len(c.Share) == 0 {
			suspend = defaultSuspend
		}
	}
	if c.Idle != nil {
		idle = *c.Idle
	}
	if c.Suspend != nil {
		suspend = *c.Suspend
	}
	return idle, suspend
}

// The clocks of desktops over HTTP, unless they are said.
const (
	defaultIdle    = time.Hour
	defaultSuspend = 10 * time.Minute
)

// checkpointFlags say how desktops are saved.
type checkpointFlags struct {
	Checkpoints   int  `help:"Most checkpoints of a desktop (default ${default})." default:"${checkpoints}" placeholder:"N"`
	MaxSuspended  int  `help:"Most desktops that are suspended at a time (default ${default})." default:"${suspended}" placeholder:"N"`
	DiskReserve   int  `help:"Suspend none into the last MiB of the disk (default ${default})." default:"${diskReserve}" placeholder:"MIB"`
	SaveEachBatch bool `help:"Make a checkpoint before each call that does several actions; the oldest ones make way."`
}

// Validate reports a number that the manager would take for its default.
func (f checkpointFlags) Validate() error {
	for _, n := range []struct {
		flag  string
		value int
	}{
		{"--checkpoints", f.Checkpoints},
		{"--max-suspended", f.MaxSuspended},
		{"--disk-reserve", f.DiskReserve},
	} {
		if n.value < 1 {
			return fmt.Errorf("%s %d is too small: use 1 or more", n.flag, n.value)
		}
	}
	return nil
}

// imageFlags bound the pictures that clients are sent.
type imageFlags struct {
	ImageMaxEdge   int `help:"Longest side of a picture in pixels (default ${default})." default:"${imageEdge}" placeholder:"N"`
	ImageMaxPixels int `help:"Most pixels of a picture (default ${default})." default:"${imagePixels}" placeholder:"N"`
	ImageMaxBytes  int `help:"Most bytes of a picture in base64 (default ${default})." default:"${imageBytes}" placeholder:"N"`
}

func (f imageFlags) Validate() error {
	for _, b := range []struct {
		flag           string
		value, atLeast int
	}{
		{"--image-max-edge", f.ImageMaxEdge, picture.MinMaxEdge},
		{"--image-max-pixels", f.ImageMaxPixels, picture.MinMaxPixels},
		{"--image-max-bytes", f.ImageMaxBytes, picture.MinMaxBase64},
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

With --warm some are started beforehand, so that whoever creates one has it at
once. They take only room that nobody else wants.

A desktop can be saved, brought back and forked while it runs. What was saved is
in memory and ends with the desktop; a suspended desktop is on the disk instead.
With --http all desktops that can be saved are suspended when the server is told to end, and the
next server with the same --state-dir takes them back: --at-exit close ends them.

Desktops have no network unless --net says so. With --net allow they reach what
--net-allow names and nothing else; a policy that is not understood starts nothing.
With --publish a port of this host leads to one of the conversation's own desktop.

With --share each desktop has a directory of this host. It is booted then, which takes
longer, and can be neither saved nor forked nor suspended.

The tool execute runs a program in a machine of its own, which is thrown away, in
the languages of --execute and on the images that it and --execute-image name.

A screen that is larger than a picture may be is shown scaled down, and the
coordinates of all tools are those of what is shown.

  vmette-mcp serve
  vmette-mcp serve --memory 4096 --screen 1600x1000 --suspend 10m --idle 24h
  vmette-mcp serve --http 127.0.0.1:8808 --warm 2
  vmette-mcp serve --profile openai --image-max-edge 2048 --image-max-pixels 2500000`
}

func (c serveCmd) Run(a *app) (err error) {
	authorities, err := c.authorities()
	if err != nil {
		return err
	}
	host, err := a.openHost(c.sandboxFlags)
	if err != nil {
		return err
	}
	state, err := a.stateDirectory()
	if err != nil {
		return err
	}
	network, closeLog, err := c.networkFlags.open(a.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	ports, err := publish(a.ctx, c.Publish, a.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ports.Close()) }()
	base := c.config()
	base.Network = sandbox.NewNetwork(c.policy())
	base.Authorities = authorities
	if base.Shares, err = shares(c.Share); err != nil {
		return err
	}
	// Closed after the machines are gone: to clear up after a build that is
	// broken off may take longer than a client waits.
	images := newImages(host.store, c.Image, host.agent, base, a.log)
	defer images.Close()
	programs, err := newPrograms(c.executeFlags, images, sandbox.Config{CPUs: c.CPUs, Network: base.Network, Authorities: base.Authorities}, a.log)
	if err != nil {
		return err
	}
	defer programs.Close()
	var templates *sandbox.Templates
	if c.Start == "template" {
		if templates, err = host.templates(c.templateFlags, a.log); err != nil {
			return err
		}
		if templates != nil {
			defer func() { err = errors.Join(err, templates.Close()) }()
		} else if c.Warm > 0 {
			a.log.Warn("no desktop is kept warm, as the backend saves none", "backend", host.backend.Name())
			c.Warm = 0
		}
	}
	idle, suspend := c.clocks(host.backend)
	manager, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend:     host.backend,
		StateDir:    state,
		Templates:   templates,
		Warm:        c.Warm,
		Capacity:    c.Desktops,
		Idle:        idle,
		Suspend:     suspend,
		Suspended:   c.MaxSuspended,
		DiskReserve: c.DiskReserve,
		Checkpoints: c.Checkpoints,
		Keep:        c.keeps(),
		Network:     network,
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
		Network:  c.policy().On(),
		OnOwn: func(owner, id string) {
			ports.lead(func() *sandbox.Session { return manager.Running(owner, id) })
		},
		Save:     c.SaveEachBatch,
		Budget:   c.budget(),
		Runner:   manager,
		Programs: programs,
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	images.follow(a.ctx, manager.Preload)
	if c.HTTP != "" {
		return c.httpFlags.serve(a, server)
	}
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(a.stderr, "vmette-mcp serves MCP here: type JSON-RPC, or ctrl+D to end. People start with vmette-mcp --help.")
	}
	return server.ServeStdio(a.ctx, a.stdin, a.stdout)
}

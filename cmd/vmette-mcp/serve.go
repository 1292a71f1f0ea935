package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/sandbox"
)

type serveCmd struct {
	Image    string        `help:"What desktops boot: ${desktop} or ${minimal} (default ${default})." default:"${desktop}" placeholder:"SPEC"`
	Desktops int           `help:"Desktops at once; 0, the default, is as many as the host's memory allows." default:"0" placeholder:"N"`
	Idle     time.Duration `help:"End a desktop that nobody has used for this long; 0s, the default, is never." default:"0s" placeholder:"TIME"`
	sandboxFlags
}

func (serveCmd) Help() string {
	return `MCP clients start this as a subprocess; see vmette-mcp config. Everything is
over when standard input ends: every desktop is closed and gone within two
seconds. Standard output carries MCP alone; the log goes to standard error.

An image that is not there is built in the background on the first call; the
client is told how far it is. To build it beforehand: vmette-mcp rootfs build.

  vmette-mcp serve
  vmette-mcp serve --memory 4096 --screen 1600x1000 --idle 30m`
}

func (c serveCmd) Run(a *app) (err error) {
	host, err := a.openHost(c.sandboxFlags)
	if err != nil {
		return err
	}
	state, err := a.stateDirectory()
	if err != nil {
		return err
	}
	manager, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend:  host.backend,
		StateDir: state,
		Capacity: c.Desktops,
		Idle:     c.Idle,
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	defer func() {
		if e := manager.Close(); e != nil && err == nil {
			err = e
		}
	}()
	images := newImages(host.store, c.Image, host.agent, c.config(), a.log)
	defer images.Close()
	server, err := mcp.New(mcp.Config{
		Desktops: mcp.Sandboxes(manager),
		Images:   images,
		Version:  version(),
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(a.stderr, "vmette-mcp serves MCP here: type JSON-RPC, or ctrl+D to end. People start with vmette-mcp --help.")
	}
	return server.ServeStdio(a.ctx, a.stdin, a.stdout)
}

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/demo"
	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/mcpclient"
)

type demoCmd struct {
	Out   string `help:"Write pictures, report.html and report.json here (default ${default})." default:"out/demo" placeholder:"DIR" type:"path"`
	Image string `help:"What the desktop boots; it needs a text editor and a browser (default ${default})." default:"${desktop}" placeholder:"SPEC"`
	sandboxFlags
}

func (demoCmd) Help() string {
	return `A real MCP client starts this program as a server, over standard input and
output as Claude Desktop does, and drives a desktop: a terminal, a text editor, a
browser; typing, selecting, copying, dragging, scrolling, a form. Each step is
checked from inside the guest. It exits with 1 when any check fails.

  vmette-mcp demo
  vmette-mcp demo --out /tmp/report --screen 1600x1000`
}

func (c demoCmd) Run(a *app) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	if _, err := a.buildImage(store, c.Image); err != nil {
		return err
	}
	self, err := executable()
	if err != nil {
		return err
	}
	var booted atomic.Bool // from then on the steps themselves are progress enough
	client, err := mcpclient.Start(a.ctx, mcpclient.Options{
		Path:    self,
		Args:    c.serverArgs(a),
		Stderr:  a.stderr,
		Name:    "vmette-mcp demo",
		Version: version(),
		OnProgress: func(p mcpclient.Progress) {
			if !booted.Load() {
				fmt.Fprintf(a.stderr, "     %s\n", p.Message)
			}
		},
	})
	if err != nil {
		return err
	}
	report, err := demo.Run(a.ctx, client, func(s demo.Step) {
		booted.Store(true)
		fmt.Fprintf(a.stderr, "%3d  %-6s %-45s %6d ms\n", s.Number, verdict(s.OK), s.Title, s.Millis)
	})
	if e := client.Close(); e != nil {
		err = errors.Join(err, e)
		report.OK, report.Error = false, err.Error()
	}
	report.Version = client.Server().Version
	report.Host = fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())

	if e := report.Write(c.Out); e != nil {
		return errors.Join(err, e)
	}
	if e := report.Table(a.stdout); e != nil {
		return errors.Join(err, e)
	}
	fmt.Fprintf(a.stdout, "\nReport: %s\n", filepath.Join(c.Out, "report.html"))
	return err
}

// serverArgs returns the arguments that start a server with the demo's flags.
func (c demoCmd) serverArgs(a *app) []string {
	args := []string{
		"serve",
		"--image", c.Image,
		"--start", "cold",
		"--cpus", strconv.Itoa(c.CPUs),
		"--memory", strconv.Itoa(int(c.Memory)),
		"--screen", desktop.Size(c.Screen).String(),
		"--accel", c.Accel,
		"--vsock", c.Vsock,
		"--log-level", a.logLevel.String(),
	}
	if !c.Sudo {
		args = append(args, "--no-sudo")
	}
	if a.offline {
		args = append(args, "--offline")
	}
	if a.cacheDir != "" {
		args = append(args, "--cache-dir", a.cacheDir)
	}
	if a.stateDir != "" {
		args = append(args, "--state-dir", a.stateDir)
	}
	return args
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}

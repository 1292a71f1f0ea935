package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/bench"
	"github.com/vmette/vmette-mcp/sandbox"
)

type benchCmd struct {
	JSON   bool   `name:"json" help:"Print JSON."`
	Boots  int    `help:"Cold boots to measure (default ${default})." default:"3" placeholder:"N"`
	Starts int    `help:"Starts from a saved desktop to measure (default ${default})." default:"10" placeholder:"N"`
	Native bool   `help:"Measure the guest agent on an X server of this host instead, without a machine around it."`
	Crowd  bool   `help:"Measure nothing but the memory of 1 to 20 desktops from one template, and all of them at work."`
	Image  string `help:"What the desktop boots; it needs xterm (default ${default})." default:"${minimal}" placeholder:"SPEC"`
	sandboxFlags
}

func (benchCmd) Help() string {
	return `Each figure comes with how often it was measured, its unit, median and 95th
percentile. A screenshot is measured from the request to the finished PNG.

  vmette-mcp bench
  vmette-mcp bench --json --image debian:bookworm
  vmette-mcp bench --crowd
  vmette-mcp bench --native`
}

func (c benchCmd) Run(a *app) error {
	report, err := c.measure(a)
	if len(report.Measurements) == 0 && err != nil {
		return err
	}
	// What came before a failure took long to measure, and holds.
	return errors.Join(err, c.print(a, report))
}

func (c benchCmd) print(a *app, report bench.Report) error {
	report.Version = version()
	report.Host = fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if c.JSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return report.Print(a.stdout)
}

func (c benchCmd) measure(a *app) (bench.Report, error) {
	host, err := a.openHost(c.sandboxFlags)
	if err != nil {
		return bench.Report{}, err
	}
	options := bench.Options{
		Boots:  c.Boots,
		Starts: c.Starts,
		Log:    func(what string) { fmt.Fprintln(a.stderr, what) },
	}
	if c.Native {
		return bench.Native(a.ctx, host.agent, options)
	}
	img, err := a.buildImage(host.store, c.Image)
	if err != nil {
		return bench.Report{}, err
	}
	cfg, err := bootConfig(host.store, img, host.agent, c.config())
	if err != nil {
		return bench.Report{}, err
	}
	if c.Crowd {
		saver, ok := host.backend.(sandbox.Snapshotter)
		if !ok {
			return bench.Report{}, fmt.Errorf("%w: the backend %s cannot save desktops", sandbox.ErrUnsupported, host.backend.Name())
		}
		return bench.Crowd(a.ctx, saver, cfg, options)
	}
	return bench.Desktop(a.ctx, host.backend, cfg, options)
}

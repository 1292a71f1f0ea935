package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

type templateCmd struct {
	Build templateBuildCmd `cmd:"" help:"Build the template of a desktop, unless it is there."`
	List  templateListCmd  `cmd:"" help:"List templates."`
	Rm    templateRmCmd    `cmd:"" help:"Remove templates."`
}

func (templateCmd) Help() string {
	return `A template is a desktop that was booted, had settled, and was saved with all of
its memory. New desktops start from it in a fraction of the time that a boot
takes, and share what they do not change of its memory.

It is for one image, one size of machine and screen, and one version of QEMU and
of this program: give the flags that serve is given. Where it does not fit any
more, desktops are booted and it is made anew.

  vmette-mcp template build
  vmette-mcp template build debian:bookworm/minimal --memory 1024
  vmette-mcp template list
  vmette-mcp template rm debian:bookworm`
}

type templateBuildCmd struct {
	Spec  string `arg:"" optional:"" name:"spec" help:"${desktop} (the default) or ${minimal}." default:"${desktop}"`
	Again bool   `help:"Build it even if it is there."`
	templateFlags
	trustFlags
	sandboxFlags
}

func (c templateBuildCmd) Run(a *app) (err error) {
	host, err := a.openHost(c.sandboxFlags)
	if err != nil {
		return err
	}
	img, err := a.buildImage(host.store, c.Spec)
	if err != nil {
		return err
	}
	base := c.config()
	if base.Authorities, err = c.authorities(); err != nil {
		return err
	}
	cfg, err := bootConfig(host.store, img, host.agent, base)
	if err != nil {
		return err
	}
	templates, err := host.templates(c.templateFlags, a.log)
	if err != nil {
		return err
	}
	if templates == nil {
		return fmt.Errorf("%w: the backend %s cannot save desktops", sandbox.ErrUnsupported, host.backend.Name())
	}
	defer func() { err = errors.Join(err, templates.Close()) }()
	begun := time.Now()
	built := false
	err = templates.Build(a.ctx, cfg, sandbox.BuildOptions{
		Again: c.Again,
		OnStep: func(step string) {
			built = true
			fmt.Fprintf(a.stderr, "%6.1f s  %s\n", time.Since(begun).Seconds(), step)
		},
	})
	if err != nil {
		return err
	}
	key, err := templates.Key(a.ctx, cfg)
	if err != nil {
		return err
	}
	what := "is there already"
	if built {
		what = fmt.Sprintf("built in %.1f s", time.Since(begun).Seconds())
	}
	_, err = fmt.Fprintf(a.stdout, "%s %s %s\n", img.Name, key[:12], what)
	return err
}

// openTemplates opens the templates to look at them.
func (a *app) openTemplates() (*sandbox.Templates, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	backend, err := newBackend(sandboxFlags{}, store.Dir(), a.log)
	if err != nil {
		return nil, err
	}
	templates, err := openTemplates(backend, store.Dir(), templateFlags{}, a.log)
	if err == nil && templates == nil {
		err = fmt.Errorf("%w: the backend %s cannot save desktops", sandbox.ErrUnsupported, backend.Name())
	}
	return templates, err
}

type templateListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c templateListCmd) Run(a *app) error {
	templates, err := a.openTemplates()
	if err != nil {
		return err
	}
	list, err := templates.List()
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(append([]sandbox.TemplateInfo{}, list...))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stderr, "no templates yet: build one with vmette-mcp template build")
		return err
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tKEY\tSIZE\tMACHINE\tBROWSER\tBUILT\tUSED")
	for _, i := range list {
		browser := "no"
		if i.Browser {
			browser = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%d MB\t%d CPUs, %d MiB, %v\t%s\t%s\t%s\n", i.Image, i.Key[:12], i.Bytes/1e6, i.CPUs, i.MemoryMiB, i.Screen, browser,
			i.Created.Format("2006-01-02 15:04"), i.Used.Format("2006-01-02 15:04"))
	}
	return t.Flush()
}

type templateRmCmd struct {
	Names []string `arg:"" name:"name" help:"An image, or the first eight or more digits of a key."`
}

func (c templateRmCmd) Run(a *app) error {
	templates, err := a.openTemplates()
	if err != nil {
		return err
	}
	for _, name := range c.Names {
		if err := templates.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

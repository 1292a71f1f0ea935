package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/agent"
	"github.com/vmette/vmette-mcp/rootfs"
)

type rootfsCmd struct {
	Build rootfsBuildCmd `cmd:"" help:"Build images, unless they are there."`
	List  rootfsListCmd  `cmd:"" help:"List images."`
	Files rootfsFilesCmd `cmd:"" help:"Build an image unless it is there, and print the paths of its files."`
	Rm    rootfsRmCmd    `cmd:"" help:"Remove images."`
}

func (rootfsCmd) Help() string {
	return `An image is what a desktop boots: a file system, a kernel and its modules. It is
built once and shared by all desktops, which never write to it. These can be made
into one:

  debian:bookworm              the default: a desktop with a browser, from Debian
                               packages whose signatures are checked
  debian:bookworm/minimal      a screen, a window manager and a terminal
  /srv/root, ./root, dir:root  a directory with a root file system
  tar+file:root.tar.zst        a tar archive, plain or with gzip, zstd or xz
  squashfs+file:root.squashfs  a squashfs image
  tar+https://HOST/PATH        either of them from the network; #sha256=HEX at the
                               end pins what it must be
  oci://HOST/NAME:TAG          an image of an OCI registry, by tag or by digest;
                               oci:// may be left out

For a desktop an image needs Xvnc or Xvfb, and a window manager.

  vmette-mcp rootfs build
  vmette-mcp rootfs build debian:bookworm/minimal
  vmette-mcp rootfs list
  vmette-mcp rootfs rm --outdated`
}

// openStore opens the store of images that the command line names.
func (a *app) openStore() (*rootfs.Store, error) {
	return rootfs.OpenWith(rootfs.Options{
		Dir: a.cacheDir, Offline: a.offline, Limit: int64(max(a.cacheGiB, 0)) << 30, Logger: a.log,
	})
}

type rootfsBuildCmd struct {
	Specs []string `arg:"" optional:"" name:"spec" help:"What to build; ${desktop} is the default."`
}

func (c rootfsBuildCmd) Run(a *app) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	if len(c.Specs) == 0 {
		c.Specs = []string{rootfs.DefaultSpec}
	}
	for _, spec := range c.Specs {
		img, err := a.buildImage(store, spec)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s %s\n", img.Name, img.ID[:12])
	}
	return nil
}

// buildImage returns the image of spec. One that is not there is built, with a
// progress bar.
func (a *app) buildImage(store *rootfs.Store, spec string) (*rootfs.Image, error) {
	img, err := store.Get(a.ctx, spec)
	if !errors.Is(err, rootfs.ErrNotBuilt) {
		return img, err
	}
	bar := rootfs.NewBar(a.stderr)
	defer bar.Close()
	return store.Build(a.ctx, spec, bar.Update)
}

type rootfsFilesCmd struct {
	Spec string `arg:"" optional:"" name:"spec" help:"${desktop} is the default." default:"${desktop}"`
}

func (rootfsFilesCmd) Help() string {
	return `Prints, a name and a path on each line, the kernel, the initramfs with the guest
agent, the root file system and its format: what a program needs that boots the
image by itself. The initramfs is removed when it has not been asked for in a week.`
}

func (c rootfsFilesCmd) Run(a *app) error {
	bin, err := agent.Binary()
	if err != nil {
		return err
	}
	store, err := a.openStore()
	if err != nil {
		return err
	}
	img, err := a.buildImage(store, c.Spec)
	if err != nil {
		return err
	}
	initramfs, err := store.Initramfs(img, bin)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "kernel %s\ninitramfs %s\nroot %s\nformat %s\n", img.Kernel, initramfs, img.Root, img.RootFormat)
	return err
}

type rootfsListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c rootfsListCmd) Run(a *app) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(append([]*rootfs.Image{}, list...))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stderr, "no images yet: build one with vmette-mcp rootfs build")
		return err
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tID\tSIZE\tBUILT\t")
	for _, img := range list {
		note := ""
		switch {
		case img.Problem != "":
			note = "unusable: " + img.Problem
		case img.Outdated:
			note = "outdated"
		}
		fmt.Fprintf(t, "%s\t%.12s\t%d MB\t%s\t%s\n", img.Name, img.ID, img.Size/1e6, img.Built.Format("2006-01-02 15:04"), note)
	}
	return t.Flush()
}

type rootfsRmCmd struct {
	Names    []string `arg:"" optional:"" name:"name" help:"A spec, or the first eight or more digits of an id."`
	Outdated bool     `help:"Remove all images that this program would not use."`
}

func (c rootfsRmCmd) Validate() error {
	if len(c.Names) == 0 && !c.Outdated {
		return errors.New("name the images to remove, or say --outdated")
	}
	return nil
}

func (c rootfsRmCmd) Run(a *app) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	if c.Outdated {
		images, err := store.List()
		if err != nil {
			return err
		}
		for _, img := range images {
			if img.Outdated {
				c.Names = append(c.Names, img.ID)
			}
		}
	}
	for _, name := range c.Names {
		if err := store.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

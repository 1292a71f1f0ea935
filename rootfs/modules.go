package rootfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// bootModules are what every guest needs before it has its root file system and
// its connection to the host. Each costs boot time under emulation.
var bootModules = []string{
	"virtio_pci",
	"virtio_blk",
	"squashfs",
	"overlay",
	"vmw_vsock_virtio_transport",
	"virtio_rng",
	"virtio_balloon",
}

// driverModules are what a guest loads on top when its host asks for what they
// drive. They are in the initramfs too, because not every image has the modules of
// its kernel. Everything else is in /lib/modules of those that do.
var driverModules = []string{
	"erofs",
	"virtiofs",
	"virtio_net",
	"virtio_console",
}

// Bounds of what is read of a kernel package.
const (
	maxModuleSize  = 64 << 20 // bytes of one module
	maxModulesDep  = 16 << 20 // bytes of modules.dep
	maxModuleCount = 100_000
)

// module is a kernel module for the initramfs.
type module struct {
	source   string // path below /lib/modules/VERSION
	contents []byte
}

// path is where the initramfs has the module.
func (m module) path() string { return path.Join("lib/modules", path.Base(m.source)) }

// driver is a module with those that it needs beside the boot modules, in the
// order they are to be loaded.
type driver struct {
	name    string
	modules []module
}

// kernelModules are those that an initramfs brings.
type kernelModules struct {
	version string   // of the kernel
	boot    []module // in the order they are to be loaded
	drivers []driver
}

// moduleDeps maps the path of each module, relative to modules.dep, to the
// paths of the modules that it needs.
type moduleDeps map[string][]string

// parseModulesDep reads the format of depmod: "PATH: PATH..." on each line.
func parseModulesDep(r io.Reader) (moduleDeps, error) {
	deps := make(moduleDeps)
	lines := bufio.NewScanner(io.LimitReader(r, maxModulesDep))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("parse modules.dep: line %q has no module", lines.Text())
		}
		if len(deps) == maxModuleCount {
			return nil, fmt.Errorf("parse modules.dep: more than %d modules", maxModuleCount)
		}
		deps[name] = strings.Fields(rest)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("parse modules.dep: %w", err)
	}
	return deps, nil
}

// order returns the paths of the named modules and of all they need, each
// after what it needs itself.
func (d moduleDeps) order(names []string) ([]string, error) {
	byName := make(map[string]string, len(d))
	for p := range d {
		byName[moduleName(p)] = p
	}
	var (
		ordered []string
		state   = make(map[string]int) // 1 while its needs are looked up, 2 when done
		visit   func(p string) error
	)
	visit = func(p string) error {
		switch state[p] {
		case 1:
			return fmt.Errorf("module %s needs itself", p)
		case 2:
			return nil
		}
		needs, ok := d[p]
		if !ok {
			return fmt.Errorf("module %s is not listed", p)
		}
		state[p] = 1
		// depmod names the nearest need first; loaded is the farthest first.
		for i := len(needs) - 1; i >= 0; i-- {
			if err := visit(needs[i]); err != nil {
				return err
			}
		}
		state[p] = 2
		ordered = append(ordered, p)
		return nil
	}
	for _, name := range names {
		p, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("kernel has no module %s", name)
		}
		if err := visit(p); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// moduleName returns the name under which the kernel knows the module in file p.
func moduleName(p string) string {
	name, _, _ := strings.Cut(path.Base(p), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// selectModules takes the named modules, and those they need, out of a tar archive of /lib/modules.
func selectModules(archive io.ReadSeeker, boot, drivers []string) (kernelModules, error) {
	index, err := indexTar(archive)
	if err != nil {
		return kernelModules{}, fmt.Errorf("read kernel modules: %w", err)
	}
	var depFile string
	for name := range index {
		if path.Base(name) == "modules.dep" {
			depFile = name
		}
	}
	if depFile == "" {
		return kernelModules{}, errors.New("read kernel modules: there is no modules.dep")
	}
	r, err := index.open(archive, depFile, maxModulesDep)
	if err != nil {
		return kernelModules{}, err
	}
	deps, err := parseModulesDep(r)
	if err != nil {
		return kernelModules{}, err
	}
	base := path.Dir(depFile)
	// take returns the modules in their order, without those that are in have.
	take := func(names []string, have []module) (modules []module, err error) {
		order, err := deps.order(names)
		if err != nil {
			return nil, err
		}
		for _, p := range order {
			if slices.ContainsFunc(have, func(m module) bool { return m.source == p }) {
				continue
			}
			b, err := index.read(archive, path.Join(base, p), maxModuleSize)
			if err != nil {
				return nil, err
			}
			modules = append(modules, module{source: p, contents: b})
		}
		return modules, nil
	}
	all := kernelModules{version: path.Base(base)}
	if all.boot, err = take(boot, nil); err != nil {
		return kernelModules{}, err
	}
	for _, name := range drivers {
		modules, err := take([]string{name}, all.boot)
		if err != nil {
			return kernelModules{}, err
		}
		all.drivers = append(all.drivers, driver{name: name, modules: modules})
	}
	return all, nil
}

package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Build implements [Recipe]. mmdebstrap writes the root file system as a tar
// stream, mksquashfs reads it, and hooks bring out the kernel, its modules and
// the list of packages on the way.
func (r *debianRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	work, scratch, err := prepareDebian(job, r.Space())
	if err != nil {
		return nil, err
	}
	if err := r.writeInputs(work); err != nil {
		return nil, err
	}
	if err := r.run(ctx, job.Dir, work, scratch, job.Progress); err != nil {
		return nil, err
	}
	return r.manifest(job.Dir, work)
}

// prepareDebian returns the work directory of a build with mmdebstrap and the
// scratch directory, which has space bytes.
func prepareDebian(job *Job, space int64) (work, scratch string, err error) {
	if err := job.online("its packages come from Debian's mirrors"); err != nil {
		return "", "", err
	}
	if missing := Missing(); len(missing) > 0 {
		return "", "", &MissingError{Tools: missing}
	}
	if work, err = job.work(); err != nil {
		return "", "", err
	}
	if scratch, err = makeScratch(work); err != nil {
		return "", "", err
	}
	return work, scratch, checkSpace(scratch, space)
}

// run runs mmdebstrap and packs the root file system that it writes.
func (r *debianRecipe) run(ctx context.Context, dir, work, scratch string, progress func(Progress)) error {
	watch := &aptProgress{report: progress}
	return pack(ctx, dir, scratch, sourceDateEpoch, watch.packing, func(ctx context.Context, w io.Writer) error {
		mmdebstrap := tool{name: "mmdebstrap", args: r.args(buildMode(), work), env: buildEnviron(scratch, sourceDateEpoch), stdout: w, onLine: watch.line}
		return mmdebstrap.run(ctx)
	})
}

// args returns the arguments of mmdebstrap.
func (r *debianRecipe) args(mode, work string) []string {
	args := append(debianArgs(mode, r.mirror), "--variant=minbase", "--include="+strings.Join(r.variant.packages, ","))
	for _, o := range docs {
		args = append(args, "--dpkgopt="+o)
	}
	for _, p := range r.variant.exclude {
		args = append(args, "--dpkgopt=path-exclude="+p)
	}
	hooks := []string{
		"tar-in " + quote(filepath.Join(work, overlayFile)) + " /",
		string(mustRead("debian/kernel.sh")),
		string(mustRead("debian/setup.sh")),
		"tar-out " + bringOut + " " + quote(filepath.Join(work, metaFile)),
		"tar-out /usr/lib/modules " + quote(filepath.Join(work, modulesTar)),
		`rm -rf "$1` + bringOut + `"`,
	}
	for _, h := range hooks {
		args = append(args, "--customize-hook="+h)
	}
	return append(args, debianTarget(r.suite, r.mirror)...)
}

// debianArgs returns the arguments that every run of mmdebstrap begins with.
func debianArgs(mode, mirror string) []string {
	args := []string{
		"--mode=" + mode, "--format=tar", "--verbose", "--architectures=" + runtime.GOARCH,
		`--aptopt=APT::Install-Recommends "false"`,
		`--aptopt=Acquire::Retries "3"`,
		// Otherwise some directories belong to root or to apt's own user,
		// depending on where the build runs.
		`--aptopt=APT::Sandbox::User "root"`,
	}
	if mirror == "" {
		// Debian's own keys, whatever the host's apt believes.
		args = append(args, "--keyring="+debianKeyring)
	}
	return args
}

// debianTarget returns the arguments that every run of mmdebstrap ends with.
func debianTarget(suite, mirror string) []string {
	if mirror == "" {
		return []string{suite, "-"}
	}
	return []string{suite, "-", mirror}
}

// Files of the work directory, and the directory in the image from which the
// scripts have results brought out.
const (
	overlayFile = "overlay.tar"
	metaFile    = "meta.tar"
	modulesTar  = "modules.tar"
	bringOut    = "/.vmette"
)

func (r *debianRecipe) writeInputs(work string) error {
	f, err := os.Create(filepath.Join(work, overlayFile))
	if err != nil {
		return err
	}
	return errors.Join(writeOverlay(f, r.variant.files), f.Close())
}

// manifest describes the image.
func (r *debianRecipe) manifest(dir, work string) (*Manifest, error) {
	m, err := takeKernel(dir, work)
	if err != nil {
		return nil, err
	}
	m.RootFormat, m.RootOptions, m.Files.Root = rootFormat, packOptions, File{Name: rootFile}
	return m, nil
}

// takeKernel takes the kernel, the modules of the initramfs and the list of packages out of
// what the hooks brought into work, puts the former into dir, and begins the
// manifest with them.
func takeKernel(dir, work string) (*Manifest, error) {
	archive, err := os.Open(filepath.Join(work, modulesTar))
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	modules, err := selectModules(archive, bootModules, driverModules)
	if err != nil {
		return nil, err
	}
	cpio, err := os.Create(filepath.Join(dir, modulesFile))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writeArchive(cpio, moduleArchive(modules)), cpio.Close()); err != nil {
		return nil, err
	}
	packages, err := takeMeta(filepath.Join(work, metaFile), filepath.Join(dir, kernelFile))
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		KernelVersion: modules.version,
		Packages:      packages,
		Files:         Files{Kernel: File{Name: kernelFile}, Modules: File{Name: modulesFile}},
	}
	for _, mod := range modules.boot {
		m.Modules = append(m.Modules, mod.source)
	}
	return m, nil
}

// maxKernel and maxPackageList bound what the hooks bring, in bytes.
const (
	maxKernel      = 256 << 20
	maxPackageList = 64 << 20
)

// takeMeta writes the kernel in the archive meta to the file kernel and returns
// the installed packages.
func takeMeta(meta, kernel string) ([]Package, error) {
	archive, err := os.Open(meta)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	index, err := indexTar(archive)
	if err != nil {
		return nil, fmt.Errorf("read what the build brought out: %w", err)
	}
	b, err := index.read(archive, bringOut[1:]+"/vmlinuz", maxKernel)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(kernel, b, 0o644); err != nil {
		return nil, err
	}
	list, err := index.open(archive, bringOut[1:]+"/packages", maxPackageList)
	if err != nil {
		return nil, err
	}
	return parsePackages(list)
}

func mustRead(name string) []byte {
	b, err := debianFiles.ReadFile(name)
	if err != nil {
		panic(err) // the files are in the program itself
	}
	return b
}

// quote makes s one word of a shell, as mmdebstrap splits its special hooks
// too.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

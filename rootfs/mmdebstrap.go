package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// sourceDateEpoch is the time of every file in an image that would otherwise
// have the time of the build, in seconds since 1970: 2025-01-01.
const sourceDateEpoch = 1735689600

// rootFormat and packOptions are the outcome of the measurements in
// docs/images.md. What mksquashfs reads from a pipe has no root directory of its
// own: it would let everybody write there.
const (
	rootFormat = "squashfs"
	rootFile   = "root.squashfs"
)

var packOptions = []string{"-comp", "lz4", "-b", "128K", "-no-exports", "-root-mode", "755"}

// Build implements [Recipe]. mmdebstrap writes the root file system as a tar
// stream, mksquashfs reads it, and hooks bring out the kernel, its modules and
// the list of packages on the way.
func (r *debianRecipe) Build(ctx context.Context, dir string, progress func(Progress)) (*Manifest, error) {
	if missing := Missing(); len(missing) > 0 {
		return nil, &MissingError{Tools: missing}
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return nil, err
	}
	if err := r.writeInputs(work); err != nil {
		return nil, err
	}
	scratch, err := makeScratch(work)
	if err != nil {
		return nil, err
	}
	if err := checkSpace(scratch, r.Space()); err != nil {
		return nil, err
	}
	if err := r.run(ctx, dir, work, scratch, progress); err != nil {
		return nil, err
	}
	return r.manifest(dir, work)
}

// run runs mmdebstrap and mksquashfs, joined by a pipe. The packer sees the
// end of its input only when mmdebstrap has succeeded; when one of them fails,
// the other is stopped, and the error is that of the first.
func (r *debianRecipe) run(ctx context.Context, dir, work, scratch string, progress func(Progress)) error {
	watch := &aptProgress{report: progress}
	env := append(toolEnviron(), "SOURCE_DATE_EPOCH="+strconv.Itoa(sourceDateEpoch), "TMPDIR="+scratch, "LC_ALL=C.UTF-8")
	pr, pw := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	unblock := context.AfterFunc(ctx, func() {
		pr.CloseWithError(context.Cause(ctx))
		pw.CloseWithError(context.Cause(ctx))
	})
	defer unblock()
	group.Go(func() error {
		mmdebstrap := tool{name: "mmdebstrap", args: r.args(work), env: env, stdout: pw, onLine: watch.line}
		if err := mmdebstrap.run(ctx); err != nil {
			return err
		}
		return pw.Close()
	})
	group.Go(func() error {
		args := append([]string{"-", filepath.Join(dir, rootFile), "-tar", "-quiet", "-no-progress"}, packOptions...)
		mksquashfs := tool{name: "mksquashfs", args: args, env: env, stdin: watch.packing(pr)}
		return mksquashfs.run(ctx)
	})
	return group.Wait()
}

// toolEnviron is what the tools see of this process's environment: what they
// need to be found and to reach a mirror. The rest may hold secrets, and
// packages' scripts and the errors of a build are no place for those.
func toolEnviron() []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "USER",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// args returns the arguments of mmdebstrap.
func (r *debianRecipe) args(work string) []string {
	args := []string{
		"--mode=" + buildMode(), "--variant=minbase", "--format=tar", "--verbose", "--architectures=" + r.arch,
		"--include=" + strings.Join(r.variant.packages, ","),
		`--aptopt=APT::Install-Recommends "false"`,
		`--aptopt=Acquire::Retries "3"`,
		// Otherwise some directories belong to root or to apt's own user,
		// depending on where the build runs.
		`--aptopt=APT::Sandbox::User "root"`,
	}
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
	if r.mirror == "" {
		// Debian's own keys, whatever the host's apt believes.
		args = append(args, "--keyring="+debianKeyring)
	}
	args = append(args, r.suite, "-")
	if r.mirror != "" {
		args = append(args, r.mirror)
	}
	return args
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

// manifest takes the kernel and the modules out of what the hooks brought and
// describes the image.
func (r *debianRecipe) manifest(dir, work string) (*Manifest, error) {
	archive, err := os.Open(filepath.Join(work, modulesTar))
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	version, modules, err := selectModules(archive, bootModules)
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
		Name:          r.Name(),
		Recipe:        r.Hash(),
		KernelVersion: version,
		RootFormat:    rootFormat,
		RootOptions:   packOptions,
		Packages:      packages,
		Files:         Files{Kernel: File{Name: kernelFile}, Modules: File{Name: modulesFile}, Root: File{Name: rootFile}},
	}
	for _, mod := range modules {
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

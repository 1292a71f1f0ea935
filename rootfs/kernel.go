package rootfs

import (
	"context"
	"crypto/sha256"
	_ "embed" // the script
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// fetchKernel is the script that fetches the kernel.
//
//go:embed kernel/fetch.sh
var fetchKernel string

// kernelRecipe fetches the kernel for images that are not Debian's. It is kept
// in the store like an image, with an archive of all its modules in the place of
// a root file system.
type kernelRecipe struct {
	suite  string
	mirror string
}

// kernelPrefix begins the names of kernels, which are no specs.
const kernelPrefix = "kernel:"

func newKernelRecipe() *kernelRecipe {
	return &kernelRecipe{suite: debianSuites[0], mirror: os.Getenv(MirrorEnv)}
}

// Name implements [Recipe].
func (r *kernelRecipe) Name() string { return kernelPrefix + "debian/" + r.suite }

// Space implements [Recipe].
func (r *kernelRecipe) Space() int64 { return 512 << 20 }

// Hash implements [Recipe].
func (r *kernelRecipe) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOARCH, bootModules, driverModules)
	anywhere := kernelRecipe{suite: r.suite}
	fmt.Fprintf(h, "%q\n", anywhere.args("", "work"))
	return hex.EncodeToString(h.Sum(nil))
}

// Build implements [Recipe].
func (r *kernelRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	work, scratch, err := prepareDebian(job, r.Space())
	if err != nil {
		return nil, err
	}
	watch := &aptProgress{report: job.Progress}
	mmdebstrap := tool{name: "mmdebstrap", args: r.args(buildMode(), work), env: buildEnviron(scratch, sourceDateEpoch), stdout: io.Discard, onLine: watch.line}
	if err := mmdebstrap.run(ctx); err != nil {
		return nil, err
	}
	m, err := takeKernel(job.Dir, work)
	if err != nil {
		return nil, err
	}
	m.RootFormat, m.Files.Root = "tar", File{Name: modulesTar}
	return m, os.Rename(filepath.Join(work, modulesTar), filepath.Join(job.Dir, modulesTar))
}

func (r *kernelRecipe) args(mode, work string) []string {
	args := append(debianArgs(mode, r.mirror), "--variant=extract", "--include=kmod")
	for _, h := range []string{
		fetchKernel,
		"tar-out " + bringOut + " " + quote(filepath.Join(work, metaFile)),
		"tar-out /.modules/lib/modules " + quote(filepath.Join(work, modulesTar)),
	} {
		// Nothing is installed, so this is the last hook there is.
		args = append(args, "--extract-hook="+h)
	}
	return append(args, debianTarget(r.suite, r.mirror)...)
}

// Kernel returns the kernel that images get which bring none, with the modules for an
// initramfs: an image without a root file system. One that is not in the store is
// fetched; progress may be nil.
func (s *Store) Kernel(ctx context.Context, progress func(Progress)) (*Image, error) {
	return s.buildRecipe(ctx, newKernelRecipe(), progress)
}

// kernel is a kernel in the store.
type kernel struct {
	image *Image
	made  *Manifest
}

// kernel returns the kernel for images that bring none. One that is not in the
// store is fetched.
func (j *Job) kernel(ctx context.Context) (*kernel, error) {
	img, err := j.store.buildRecipe(ctx, newKernelRecipe(), func(p Progress) {
		j.Progress(Progress{Phase: PhaseKernel, Done: int64(p.Fraction * 1000), Total: 1000, Detail: p.Phase.Describe()})
	})
	if err != nil {
		return nil, err
	}
	m, _, err := readManifest(filepath.Dir(img.Manifest))
	if err != nil {
		return nil, err
	}
	return &kernel{image: img, made: m}, nil
}

// manifest puts the kernel into dir and describes an image with it.
func (k *kernel) manifest(dir string) (*Manifest, error) {
	for from, to := range map[string]string{k.image.Kernel: kernelFile, k.image.Modules: modulesFile} {
		if err := linkFile(from, filepath.Join(dir, to)); err != nil {
			return nil, fmt.Errorf("put the kernel into the image: %w", err)
		}
	}
	return &Manifest{
		KernelVersion: k.made.KernelVersion,
		RootFormat:    rootFormat,
		RootOptions:   packOptions,
		Modules:       k.made.Modules,
		Packages:      k.made.Packages,
		Files:         Files{Kernel: File{Name: kernelFile}, Modules: File{Name: modulesFile}, Root: File{Name: rootFile}},
	}, nil
}

// recipe returns the recipe of what the store holds under name.
func (s *Store) recipe(name string) (Recipe, error) {
	if strings.HasPrefix(name, kernelPrefix) {
		if r := newKernelRecipe(); r.Name() == name {
			return r, nil
		}
		return nil, fmt.Errorf("%w: %q", ErrUnknownSpec, name)
	}
	return match(s.providers, name)
}

package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// Job is the build of one image, as its [Recipe] sees it.
type Job struct {
	Dir      string         // where the files of the image go; empty at first
	Progress func(Progress) // told how far the build is; may be called from several goroutines
	Offline  bool           // nothing may be fetched over the network

	store *Store
}

// PackArchive makes an image of a tar archive, plain or compressed with gzip,
// zstd or xz. open opens it at its beginning; it is called twice. The archive
// need not be trusted: nothing of it is unpacked on the host, and devices in it
// are left out.
//
// The image gets the kernel of [DefaultSpec] and its modules, beside what else
// is in the archive's lib/modules.
func (j *Job) PackArchive(ctx context.Context, open func() (io.ReadCloser, error)) (*Manifest, error) {
	return j.packArchive(ctx, &tree.Archive{Open: open})
}

func (j *Job) packArchive(ctx context.Context, a *tree.Archive) (*Manifest, error) {
	m, err := j.pack(ctx, a)
	if err != nil {
		return nil, err
	}
	m.Source = a.Sum
	return m, nil
}

// PackDirectory makes an image of a directory of the host, as
// [Job.PackArchive] does of an archive. Symbolic links are not followed, and
// other file systems mounted in it and sockets are left out. Files of the
// directory's own user and group become root's.
func (j *Job) PackDirectory(ctx context.Context, dir string) (*Manifest, error) {
	return j.pack(ctx, &tree.Directory{Path: dir})
}

// pack makes an image of sources that are laid one over the other.
func (j *Job) pack(ctx context.Context, sources ...tree.Source) (*Manifest, error) {
	if missing := missingPacker(); len(missing) > 0 {
		return nil, &MissingError{Tools: missing}
	}
	kernel, err := j.kernel(ctx)
	if err != nil {
		return nil, err
	}
	modules := func() (io.ReadCloser, error) { return os.Open(kernel.image.Root) }
	j.Progress(Progress{Phase: PhaseRead})
	t, err := tree.Merge(ctx, j.store.limits, sources...)
	if err != nil {
		return nil, fmt.Errorf("read the file system: %w", err)
	}
	if err := t.Lay(ctx, &tree.Archive{Open: modules, Below: "lib"}); err != nil {
		return nil, fmt.Errorf("add the modules of the kernel: %w", err)
	}
	total := t.Bytes()
	if err := checkSpace(j.Dir, total); err != nil {
		return nil, err
	}
	work, err := j.work()
	if err != nil {
		return nil, err
	}
	counted := func(r io.Reader) io.Reader {
		return &progressReader{r: r, p: Progress{Phase: PhasePack, Total: total, Unit: "bytes"}, report: j.Progress}
	}
	if err := pack(ctx, j.Dir, work, t.Newest(), counted, t.WriteTar); err != nil {
		return nil, err
	}
	return kernel.manifest(j.Dir)
}

// online returns an error that matches [ErrOffline] when the network may not be
// used.
func (j *Job) online(why string) error {
	if j.Offline {
		return fmt.Errorf("%w, and %s: build the image where there is a network", ErrOffline, why)
	}
	return nil
}

// work returns a directory of the job for what does not belong to the image.
func (j *Job) work() (string, error) {
	dir := filepath.Join(j.Dir, workDir)
	return dir, os.MkdirAll(dir, 0o755)
}

const workDir = "work"

// progressReader counts what is read.
type progressReader struct {
	r      io.Reader
	p      Progress
	report func(Progress)
}

// Read implements [io.Reader].
func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.Done += int64(n)
	r.report(r.p)
	return n, err
}

// linkFile gives the file from one more name, or copies it where files cannot
// have several. Neither is written to afterwards.
func linkFile(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

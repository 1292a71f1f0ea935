package rootfs

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// tars is the provider for "tar+file:PATH", "tar+http://..." and
// "tar+https://...": a root file system in a tar archive, plain or compressed
// with gzip, zstd or xz.
type tars struct{}

// Match implements [Provider].
func (tars) Match(spec string) (Recipe, error) {
	l, ok, err := matchLocation(spec, "tar+")
	if !ok || err != nil {
		return nil, err
	}
	return tarRecipe{l}, nil
}

// squashes is the provider for "squashfs+file:PATH" and so on: a root file
// system in a squashfs image.
type squashes struct{}

// Match implements [Provider].
func (squashes) Match(spec string) (Recipe, error) {
	l, ok, err := matchLocation(spec, "squashfs+")
	if !ok || err != nil {
		return nil, err
	}
	return squashRecipe{l}, nil
}

func matchLocation(spec, prefix string) (l location, ok bool, err error) {
	rest, ok := strings.CutPrefix(spec, prefix)
	if !ok {
		return l, false, nil
	}
	if l, err = parseLocation(rest); err != nil {
		err = fmt.Errorf("%s: %w", strings.TrimSuffix(prefix, "+"), err)
	}
	return l, true, err
}

// tarRecipe packs a tar archive anew.
type tarRecipe struct{ location }

// Name implements [Recipe].
func (r tarRecipe) Name() string { return "tar+" + r.location.String() }

// Space implements [Recipe].
func (r tarRecipe) Space() int64 { return 0 }

// Hash implements [Recipe].
func (r tarRecipe) Hash() string { return locationHash("tar", r.location) }

// Build implements [Recipe].
func (r tarRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	file, err := job.locate(ctx, r.location)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return os.Open(file) }
	return job.packArchive(ctx, &tree.Archive{Open: open, Sum: r.digest})
}

// squashRecipe takes a squashfs image as it is.
type squashRecipe struct{ location }

// Name implements [Recipe].
func (r squashRecipe) Name() string { return "squashfs+" + r.location.String() }

// Space implements [Recipe].
func (r squashRecipe) Space() int64 { return 0 }

// Hash implements [Recipe].
func (r squashRecipe) Hash() string { return locationHash("squashfs", r.location) }

// Build implements [Recipe]. Nothing but the header of the image is read: the
// rest is for the guest's kernel.
func (r squashRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	file, err := job.locate(ctx, r.location)
	if err != nil {
		return nil, err
	}
	kernel, err := job.kernel(ctx)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(job.Dir, rootFile)
	if r.path == "" {
		err = linkFile(file, root) // nobody writes to downloads
	} else {
		err = job.copyFile(ctx, file, root)
	}
	if err != nil {
		return nil, err
	}
	if err := checkSquashfs(root); err != nil {
		return nil, fmt.Errorf("%s: %w", r.location, err)
	}
	f, err := hashFile(job.Dir, rootFile)
	if err != nil {
		return nil, err
	}
	if r.digest != "" && f.SHA256 != r.digest {
		return nil, fmt.Errorf("the SHA-256 of the file is %s, not %s", f.SHA256, r.digest)
	}
	m, err := kernel.manifest(job.Dir)
	if err != nil {
		return nil, err
	}
	m.RootOptions, m.Source = nil, f.SHA256
	return m, nil
}

func locationHash(kind string, l location) string {
	id := l.identity()
	if id == "" {
		return ""
	}
	h := packedHash()
	fmt.Fprintln(h, kind, id)
	return hex.EncodeToString(h.Sum(nil))
}

// locate returns a file of the host with what is at l. What is fetched has the
// digest that l says.
func (j *Job) locate(ctx context.Context, l location) (string, error) {
	if l.path != "" {
		fi, err := os.Stat(l.path)
		switch {
		case err != nil:
			return "", err
		case !fi.Mode().IsRegular():
			return "", fmt.Errorf("%s is not a file", l.path)
		}
		return l.path, nil
	}
	return j.download(ctx, download{url: l.url, digest: l.digest, client: newHTTPClient(nil)})
}

// copyFile copies a file of the host and reports its progress.
func (j *Job) copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	if err := checkSpace(j.Dir, fi.Size()); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	counted := &progressReader{r: in, p: Progress{Phase: PhaseFetch, Total: fi.Size(), Unit: "bytes"}, report: j.Progress}
	_, err = io.Copy(out, readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return counted.Read(b)
	}))
	return errors.Join(err, out.Close())
}

// readerFunc is a function as an [io.Reader].
type readerFunc func(b []byte) (int, error)

// Read implements [io.Reader].
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// What is looked at in the header of squashfs 4.0, in the order of the Linux
// kernel's fs/squashfs/squashfs_fs.h.
const (
	squashfsMagic   = "hsqs"
	squashfsHeader  = 96 // bytes of it
	squashfsLZMA    = 2  // the one compression that no kernel reads
	squashfsZstd    = 6  // the last one
	squashfsVersion = 4
)

// checkSquashfs reports a file that is no squashfs image the guest could mount.
func checkSquashfs(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [squashfsHeader]byte
	if _, err := io.ReadFull(f, b[:]); err != nil || string(b[:4]) != squashfsMagic {
		return errors.New("this is not a squashfs image")
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	compression := binary.LittleEndian.Uint16(b[20:])
	major := binary.LittleEndian.Uint16(b[28:])
	used := binary.LittleEndian.Uint64(b[40:])
	switch {
	case major != squashfsVersion:
		return fmt.Errorf("this is squashfs version %d, and version %d is needed: pack it anew with mksquashfs", major, squashfsVersion)
	case compression == squashfsLZMA || compression < 1 || compression > squashfsZstd:
		return fmt.Errorf("no kernel reads its compression %d on %s: pack it anew with mksquashfs -comp zstd", compression, runtime.GOARCH)
	case used > uint64(fi.Size()):
		return fmt.Errorf("it is cut short: %d of %d bytes are there", fi.Size(), used)
	}
	return nil
}

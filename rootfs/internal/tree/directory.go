package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// Directory is a directory of the host as a [Source]. Symbolic links in it are
// taken as they are and never followed, other file systems mounted in it and
// sockets are left out. Files of the user and group that the directory itself
// belongs to become root's, as it is when an ordinary user has unpacked them.
type Directory struct {
	Path string
}

// Whiteouts implements [Source].
func (d *Directory) Whiteouts() bool { return false }

// Each implements [Source].
func (d *Directory) Each(ctx context.Context, _ Limits, visit func(*tar.Header, io.Reader) error) error {
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	top, err := root.Lstat(".")
	if err != nil {
		return err
	}
	w := &walker{root: root, top: stat(top), visit: visit, first: make(map[inode]string)}
	return fs.WalkDir(root.FS(), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return w.entry(p, info)
	})
}

// inode names a file of the host.
type inode struct{ dev, ino uint64 }

// walker turns the files of a directory into entries.
type walker struct {
	root  *os.Root
	top   *syscall.Stat_t
	visit func(*tar.Header, io.Reader) error
	first map[inode]string // the first name of each file with several
}

func (w *walker) entry(p string, info fs.FileInfo) error {
	st := stat(info)
	h := &tar.Header{
		Name:    p,
		Mode:    int64(st.Mode) & 0o7777,
		Uid:     owner(st.Uid, w.top.Uid),
		Gid:     owner(st.Gid, w.top.Gid),
		ModTime: info.ModTime(),
	}
	mounted := st.Dev != w.top.Dev
	switch {
	case info.IsDir():
		h.Typeflag = tar.TypeDir
		if err := w.visit(h, nil); err != nil {
			return err
		}
		if mounted {
			return fs.SkipDir
		}
		return nil
	case mounted:
		return nil
	}
	if st.Nlink > 1 {
		id := inode{uint64(st.Dev), uint64(st.Ino)}
		if first := w.first[id]; first != "" {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return w.visit(h, nil)
		}
		w.first[id] = p
	}
	switch info.Mode().Type() {
	case 0:
		return w.file(p, h)
	case fs.ModeSymlink:
		target, err := w.root.Readlink(p)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case fs.ModeNamedPipe:
		h.Typeflag = tar.TypeFifo
	case fs.ModeSocket:
		return nil
	default:
		h.Typeflag = tar.TypeChar
	}
	return w.visit(h, nil)
}

// file opens a regular file, which may have become something else meanwhile.
func (w *walker) file(p string, h *tar.Header) error {
	f, err := w.root.OpenFile(p, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: an image needs every file; run as the owner of %s", err, path.Base(w.root.Name()))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errChanged
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if h.Mode&0o111 != 0 {
		if c := capabilities(f); c != "" {
			h.PAXRecords = map[string]string{xattrRecord + "security.capability": c}
		}
	}
	return w.visit(h, f)
}

func owner(id, top uint32) int {
	if id == top {
		return 0
	}
	return int(id)
}

// stat returns what the system says of a file, which every Unix does.
func stat(info fs.FileInfo) *syscall.Stat_t {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return new(syscall.Stat_t)
	}
	return st
}

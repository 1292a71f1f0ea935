package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// Permissions of what is new.
const (
	newFile      = 0o644
	newDirectory = 0o755
)

// maxLinks is how many symlinks are followed, as by the kernel.
const maxLinks = 40

// Write does what a asks for and returns what the file then is. A symlink is
// followed, and stays. Other hard links of a file that is replaced keep the old
// content.
func (d Disk) Write(a desktop.WriteFile) (desktop.File, error) {
	path := d.path(a.Path)
	if strings.HasSuffix(path, "/") {
		return desktop.File{}, directory(path)
	}
	if a.Parents {
		if err := os.MkdirAll(filepath.Dir(path), newDirectory); err != nil {
			return desktop.File{}, problem("write", path, err)
		}
	}
	var info fs.FileInfo
	var err error
	if a.Offset != nil {
		info, err = writeRange(path, a)
	} else if path, err = target(path); err == nil {
		info, err = replace(path, a)
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && a.Offset != nil:
		return desktop.File{}, desktop.Errorf(desktop.CodeInvalid, "%q does not exist: leave out offset to make it", path)
	case errors.Is(err, fs.ErrNotExist):
		return desktop.File{}, desktop.Errorf(desktop.CodeInvalid, "there is no directory for %q, only %q: send parents to make it", path, nearest(path))
	default:
		return desktop.File{}, problem("write", path, err)
	}
	file := describe(info, new(owners))
	file.Name = realPath(path)
	return file, nil
}

// target follows the symlinks that path is, also to where there is no file yet.
func target(path string) (string, error) {
	for range maxLinks {
		to, err := os.Readlink(path)
		switch {
		case errors.Is(err, syscall.EINVAL), errors.Is(err, fs.ErrNotExist):
			return path, nil // not a symlink
		case err != nil:
			return path, err
		case strings.HasPrefix(to, "/"):
			path = to
		default:
			path = parent(path) + "/" + to
		}
	}
	return path, syscall.ELOOP
}

// parent is what is before the last slash: unlike [filepath.Dir] it does not
// clean.
func parent(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// replace puts a new file in the place of path. It is written whole and is on the
// disk before it has that name.
func replace(path string, a desktop.WriteFile) (fs.FileInfo, error) {
	mode := fs.FileMode(newFile)
	old, err := os.Stat(path)
	switch {
	case err == nil && !old.Mode().IsRegular():
		return nil, irregular(path, old)
	case err == nil:
		mode = old.Mode().Perm()
		// Renaming would not ask.
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if a.Mode != 0 {
		mode = fs.FileMode(a.Mode)
	}
	dir := parent(path) + "/"
	f, err := os.CreateTemp(dir, ".write_file-*")
	if errors.Is(err, fs.ErrPermission) {
		return nil, desktop.Errorf(desktop.CodeInvalid, "the desktop's user may not make files in %q: do it as root, with exec and sudo", dir)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := fillAndRename(f, path, mode, a.Data); err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	if err := syncDirectory(dir); err != nil {
		return nil, err
	}
	return f.Stat()
}

func fillAndRename(f *os.File, path string, mode fs.FileMode, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncDirectory makes a new name in a directory last.
func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		// It may be written but not read: then the name is safe when the kernel
		// finds the time.
		return nil
	}
	defer f.Close()
	return f.Sync()
}

// writeRange overwrites part of a file that exists.
func writeRange(path string, a desktop.WriteFile) (fs.FileInfo, error) {
	f, err := openRegular(path, syscall.O_WRONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size := info.Size(); *a.Offset > size {
		return nil, desktop.Errorf(desktop.CodeInvalid, "offset %d is beyond the end of %q, which has %d bytes: send at most that", *a.Offset, path, size)
	}
	n, err := io.NewOffsetWriter(f, *a.Offset).Write(a.Data)
	if err == nil && a.Mode != 0 {
		err = f.Chmod(fs.FileMode(a.Mode))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil && n > 0 {
		return nil, desktop.Errorf(desktop.CodeNotDelivered, "%d bytes of %d were written to %q from offset %d on, then: %v", n, len(a.Data), path, *a.Offset, cause(err))
	}
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

// cause is an error without the path that it names.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

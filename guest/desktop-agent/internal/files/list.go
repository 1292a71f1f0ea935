package files

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// maxEntries bounds the memory that the names of one directory take.
	maxEntries = 1 << 18
	// maxListing is how much of the header of a response a listing fills at most.
	maxListing = desktop.MaxHeader * 3 / 4
)

// List returns entries of a directory, sorted by the bytes of their names.
func (d Disk) List(a desktop.ListFiles) (desktop.Listing, error) {
	path := d.path(a.Path)
	names, err := readNames(path)
	if err != nil {
		return desktop.Listing{}, err
	}
	slices.Sort(names)
	l := desktop.Listing{Total: len(names)}
	var who owners
	size := 0
	for _, name := range names[min(a.Offset, len(names)):] {
		f, err := entry(path, name, &who)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			l.Total-- // it has gone in the meantime
			continue
		case err != nil:
			return desktop.Listing{}, problem("list", path, err)
		}
		encoded, err := json.Marshal(f)
		if err != nil {
			return desktop.Listing{}, problem("list", path, err)
		}
		size += len(encoded) + len(",")
		if len(l.Files) == desktop.MaxFiles || size > maxListing {
			break
		}
		l.Files = append(l.Files, f)
	}
	return l, nil
}

// readNames returns the names in a directory, in no order.
func readNames(path string) ([]string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOTDIR) {
		if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() {
			return nil, desktop.Errorf(desktop.CodeInvalid, "%q is not a directory: read_file reads a file", path)
		}
	}
	if err != nil {
		return nil, problem("list", path, err)
	}
	defer f.Close()
	var names []string
	for {
		more, err := f.Readdirnames(1024)
		names = append(names, more...)
		switch {
		case err == io.EOF:
			return names, nil
		case err != nil:
			return nil, problem("list", path, err)
		case len(names) > maxEntries:
			return nil, desktop.Errorf(desktop.CodeInvalid, "%q has more than %d entries: use exec with find", path, maxEntries)
		}
	}
}

// entry describes one entry of a directory.
func entry(dir, name string, who *owners) (desktop.File, error) {
	path := dir + "/" + name
	info, err := os.Lstat(path)
	if err != nil {
		return desktop.File{}, err
	}
	f := describe(info, who)
	f.Name = escape(name)
	if f.Type == desktop.FileSymlink {
		to, err := os.Readlink(path)
		if err != nil {
			return desktop.File{}, err
		}
		if to = escape(to); len(to) <= desktop.MaxFilePath {
			f.Target = to
		}
	}
	return f, nil
}

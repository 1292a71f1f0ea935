package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

// Disk does what actions ask for. It is safe for concurrent use. Its errors are
// *desktop.Error.
type Disk struct {
	Home string // where relative paths start, and what ~ stands for
}

// path returns the path that an action means. It is not cleaned, because "a/.."
// need not be "." when a is a symlink.
func (d Disk) path(p string) string {
	switch {
	case p == "~":
		return d.Home
	case strings.HasPrefix(p, "~/"):
		p = p[len("~/"):]
	case strings.HasPrefix(p, "/"):
		return p
	}
	return d.Home + "/" + p
}

// realPath returns where a file that exists is, without symlinks if that can be
// said.
func realPath(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil && utf8.ValidString(p) && len(p) <= desktop.MaxFilePath {
		return p
	}
	return path
}

// describe says what a file is. Its name is left to the caller.
func describe(info fs.FileInfo, names *owners) desktop.File {
	f := desktop.File{
		Type:     typeOf(info.Mode()),
		Size:     max(0, info.Size()),
		Modified: info.ModTime().UnixMilli(),
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Mode = int(stat.Mode & 0o7777)
		f.Owner = names.of(stat.Uid)
	}
	return f
}

func typeOf(m fs.FileMode) desktop.FileType {
	switch {
	case m.IsRegular():
		return desktop.FileRegular
	case m.IsDir():
		return desktop.FileDirectory
	case m&fs.ModeSymlink != 0:
		return desktop.FileSymlink
	}
	return desktop.FileOther
}

// owners are the names of users that have been looked up.
type owners struct{ names map[uint32]string }

func (o *owners) of(uid uint32) string {
	if name, ok := o.names[uid]; ok {
		return name
	}
	id := strconv.FormatUint(uint64(uid), 10)
	name := id
	if u, err := user.LookupId(id); err == nil && utf8.ValidString(u.Username) && len(u.Username) <= 256 {
		name = u.Username
	}
	if o.names == nil {
		o.names = make(map[uint32]string)
	}
	o.names[uid] = name
	return name
}

// escape returns a name in UTF-8, as [desktop.File] documents it.
func escape(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, name[0])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteRune(r)
		}
		name = name[n:]
	}
	return b.String()
}

// problem says what is wrong with a file, and what to do about it, unless err has
// said that. verb is what was tried, such as "read".
func problem(verb, path string, err error) *desktop.Error {
	invalid := func(format string, args ...any) *desktop.Error {
		return desktop.Errorf(desktop.CodeInvalid, format, args...)
	}
	var told *desktop.Error
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, fs.ErrNotExist):
		return invalid("%q does not exist: list_files of %q shows what does", path, nearest(path))
	case errors.Is(err, fs.ErrPermission):
		return invalid("the desktop's user may not %s %q: do it as root, with exec and sudo", verb, path)
	case errors.Is(err, syscall.ENOTDIR):
		return invalid("%q leads through something that is not a directory", path)
	case errors.Is(err, syscall.EISDIR):
		return directory(path)
	case errors.Is(err, syscall.ELOOP):
		return invalid("%q leads through symlinks that go in a circle", path)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return invalid("%q has a name that is too long", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return invalid("there is no room on the disk to %s %q: delete something first; exec with df -h shows what is free", verb, path)
	case errors.Is(err, syscall.EROFS):
		return invalid("%q is on a file system that cannot be written to: choose a place below the home directory", path)
	}
	return desktop.Errorf(desktop.CodeInternal, "%s %q: %v", verb, path, err)
}

func directory(path string) *desktop.Error {
	return desktop.Errorf(desktop.CodeInvalid, "%q is a directory: list_files lists it", path)
}

// irregular is the error of something that has no content of its own.
func irregular(path string, info fs.FileInfo) *desktop.Error {
	what := "a device"
	switch m := info.Mode(); {
	case m.IsDir():
		return directory(path)
	case m&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case m&fs.ModeSocket != 0:
		what = "a socket"
	}
	return desktop.Errorf(desktop.CodeInvalid, "%q is %s, not a file: use exec for it", path, what)
}

// nearest returns the directory on the way to path that exists.
func nearest(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == "/" || dir == "." {
			return dir
		}
	}
}

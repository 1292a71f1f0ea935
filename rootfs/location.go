package rootfs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// location says where a file is: on the host, or at an address.
type location struct {
	path   string // absolute; empty for an address
	url    string // http or https; empty for a path
	digest string // SHA-256 in hex that the file must have; empty when it may have any
}

// parseLocation reads "file:PATH", "file:///PATH", "http://..." or
// "https://...", with "#sha256=HEX" at its end or without.
func parseLocation(s string) (location, error) {
	var l location
	s, pinned, ok := cutLast(s, "#sha256=")
	if ok {
		if b, err := hex.DecodeString(pinned); err != nil || len(b) != 32 || strings.ToLower(pinned) != pinned {
			return l, fmt.Errorf("#sha256=%s: write 64 lower-case hexadecimal digits", pinned)
		}
		l.digest = pinned
	}
	if p, ok := strings.CutPrefix(s, "file:"); ok {
		if rest, ok := strings.CutPrefix(p, "//"); ok {
			if p = rest; !strings.HasPrefix(p, "/") {
				return l, fmt.Errorf("file:%s names a host: write file:///PATH or file:PATH", "//"+p)
			}
		}
		if p == "" {
			return l, errors.New("file: needs a path, such as file:/srv/rootfs.tar.gz")
		}
		var err error
		l.path, err = absolute(p)
		return l, err
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return l, errors.New("the address cannot be read: use http://HOST/PATH or https://HOST/PATH")
	case u.Scheme != "http" && u.Scheme != "https":
		return l, errors.New("use file:PATH, http://HOST/PATH or https://HOST/PATH")
	case u.Host == "":
		return l, errors.New("the address has no host: use http://HOST/PATH or https://HOST/PATH")
	case u.User != nil:
		// It would be kept in the manifest and shown in lists.
		return l, errors.New("the address holds a password: fetch the file yourself and use file:PATH")
	}
	u.Fragment = ""
	l.url = u.String()
	return l, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// String returns the canonical form of the location.
func (l location) String() string {
	s := l.url
	if s == "" {
		s = "file://" + l.path
	}
	if l.digest != "" {
		s += "#sha256=" + l.digest
	}
	return s
}

// identity returns what changes when the file may have changed, as far as that
// can be known without the network and without reading it. It is empty when
// nothing can be known because the file is gone.
func (l location) identity() string {
	if l.path == "" || l.digest != "" {
		return l.String()
	}
	fi, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error() // the build reports it
	}
	return l.String() + " " + stamp(fi)
}

// stamp changes whenever the file is written to, or another takes its place.
func stamp(fi fs.FileInfo) string {
	var inode uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		inode = uint64(st.Ino)
	}
	size := fi.Size()
	if fi.IsDir() {
		size = 0 // it says nothing of what is in it
	}
	return fmt.Sprint(fi.Mode(), size, fi.ModTime().UTC().Format(time.RFC3339Nano), inode)
}

package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// capabilities returns what lets a program do a part of what root may, empty
// when it has none or its file system knows none.
func capabilities(f *os.File) string {
	var b [64]byte
	n, err := unix.Fgetxattr(int(f.Fd()), "security.capability", b[:])
	if err != nil {
		return ""
	}
	return string(b[:n])
}

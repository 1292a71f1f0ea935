package oracle

import (
	"context"
	"io"
	"io/fs"
)

// Host is a place with a desktop on which programs can be started.
type Host interface {
	// Start copies files into a new directory and runs Python 3 there with
	// args. It returns what the program writes to its standard output. Close
	// ends the program and everything that it has started, removes the
	// directory, and unblocks Read.
	Start(ctx context.Context, files fs.FS, args ...string) (io.ReadCloser, error)
}

// python is Debian's own, whose modules the applications need.
const python = "/usr/bin/python3"

// environment keeps input methods and accessibility out: between a key and its
// application there is nothing but the toolkit.
var environment = []string{
	"LC_ALL=C.UTF-8", "GDK_BACKEND=x11", "QT_QPA_PLATFORM=xcb", "NO_AT_BRIDGE=1", "GTK_IM_MODULE=", "QT_IM_MODULE=", "XMODIFIERS=",
}

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

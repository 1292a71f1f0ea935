package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/rootfs"
)

// hello is a provider of "hello:NAME": a root file system with one file.
type hello struct{}

func (hello) Match(spec string) (rootfs.Recipe, error) {
	name, ok := strings.CutPrefix(spec, "hello:")
	if !ok {
		return nil, nil // another provider's
	}
	if name == "" {
		return nil, fmt.Errorf("%q names nobody: use hello:NAME", spec)
	}
	text := "hello, " + name + "\n"
	open := func() (io.ReadCloser, error) {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(text))})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err == nil {
			err = w.Close()
		}
		return io.NopCloser(&archive), err
	}
	return rootfs.NewArchiveRecipe(spec, text, open), nil
}

// Let a store understand specs of one's own, before those of this package.
func ExampleProvider() {
	dir, err := os.MkdirTemp("", "store-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := rootfs.OpenWith(rootfs.Options{
		Dir:       filepath.Join(dir, "cache"),
		Providers: append([]rootfs.Provider{hello{}}, rootfs.Providers()...),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, spec := range []string{"hello:world", "hello:"} {
		_, err := store.Get(context.Background(), spec)
		fmt.Println(err)
	}
	// Output:
	// image is not built yet: hello:world
	// image spec is not known: "hello:" names nobody: use hello:NAME
}

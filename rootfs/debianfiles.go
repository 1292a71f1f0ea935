package rootfs

import (
	"archive/tar"
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// debianFiles holds what is put over the packages: common/ and desktop/ are
// copied to /, and the scripts are run during the build.
//
//go:embed all:debian
var debianFiles embed.FS

// writeOverlay writes the files of the named directories of debianFiles as a
// tar archive, owned by root. Those that begin with #! are executable.
func writeOverlay(w io.Writer, dirs []string) error {
	tw := tar.NewWriter(w)
	for _, dir := range dirs {
		base, err := fs.Sub(debianFiles, path.Join("debian", dir))
		if err != nil {
			return err
		}
		err = fs.WalkDir(base, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := fs.ReadFile(base, name)
			if err != nil {
				return err
			}
			h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), ModTime: time.Unix(sourceDateEpoch, 0)}
			if bytes.HasPrefix(b, []byte("#!")) {
				h.Mode = 0o755
			}
			if err := tw.WriteHeader(h); err != nil {
				return err
			}
			_, err = tw.Write(b)
			return err
		})
		if err != nil {
			return fmt.Errorf("archive %s: %w", dir, err)
		}
	}
	return tw.Close()
}

package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
)

// tarIndex says where the regular files of a tar archive lie, by clean
// relative path.
type tarIndex map[string]tarEntry

type tarEntry struct{ offset, size int64 }

func indexTar(archive io.ReadSeeker) (tarIndex, error) {
	index := make(tarIndex)
	for tr := tar.NewReader(archive); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return index, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if len(index) == maxModuleCount {
			return nil, fmt.Errorf("archive has more than %d files", maxModuleCount)
		}
		// The reader does not read ahead, so this is where the contents begin.
		offset, err := archive.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		index[path.Clean("/" + h.Name)[1:]] = tarEntry{offset, h.Size}
	}
}

func (x tarIndex) open(archive io.ReadSeeker, name string, limit int64) (io.Reader, error) {
	e, ok := x[name]
	if !ok {
		return nil, fmt.Errorf("archive has no file %s", name)
	}
	if e.size > limit {
		return nil, fmt.Errorf("file %s has %d bytes, more than %d", name, e.size, limit)
	}
	if _, err := archive.Seek(e.offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.LimitReader(archive, e.size), nil
}

func (x tarIndex) read(archive io.ReadSeeker, name string, limit int64) ([]byte, error) {
	r, err := x.open(archive, name, limit)
	if err != nil {
		return nil, err
	}
	b := make([]byte, x[name].size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

package sandbox

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// diskUsage returns how many bytes the files below dir take, which is less than
// their lengths when they have holes. What cannot be read takes none.
func diskUsage(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				bytes += int64(st.Blocks) * 512 // of stat(2), whatever the file system's are
			}
		}
		return nil
	})
	return bytes
}

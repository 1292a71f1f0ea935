package machine

import (
	"io/fs"
	"os"
	"path/filepath"
)

// ensureHome makes the home directory, from /etc/skel, unless it is there.
func (a accounts) ensureHome(u User) error {
	home := filepath.Join(a.root, u.Home)
	if info, err := os.Stat(home); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	if err := a.chown(home, u.UID, u.GID); err != nil {
		return err
	}
	skel := filepath.Join(a.root, "etc/skel")
	if _, err := os.Stat(skel); err != nil {
		return nil
	}
	return filepath.WalkDir(skel, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(skel, name)
		if err != nil || rel == "." {
			return err
		}
		to := filepath.Join(home, rel)
		if err := copyEntry(name, to, d); err != nil {
			return err
		}
		return a.chown(to, u.UID, u.GID)
	})
}

// copyEntry copies a directory, a link or a file; nothing else belongs into a
// home.
func copyEntry(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		return os.Mkdir(to, info.Mode().Perm())
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case d.Type().IsRegular():
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, info.Mode().Perm())
	}
	return nil
}

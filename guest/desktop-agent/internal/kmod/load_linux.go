package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// Kept is where [Keep] puts modules for later, once the guest has left the
// initramfs.
const Kept = "/run/vmette/drivers"

// maxList bounds the list of modules, in bytes.
const maxList = 64 << 10

// Load loads modules, each after what it needs, from where root has what the
// initramfs brought. One that the kernel has already is no error; one that it
// neither has nor is brought is.
func Load(root string, names ...string) error {
	for _, name := range names {
		if known("/", name) {
			continue
		}
		files, err := list(root, name)
		if err != nil {
			return fmt.Errorf("load driver %s: %w", name, err)
		}
		for _, file := range files {
			if err := LoadFile(filepath.Join(root, file)); err != nil {
				return fmt.Errorf("load driver %s: %w", name, err)
			}
		}
	}
	return nil
}

// LoadFile loads the module in a file. One that is there already is no error.
func LoadFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return &fs.PathError{Op: "load", Path: name, Err: err}
	}
	return nil
}

// Keep copies a module and what it needs from root to dir, so that it can be loaded
// from there. One that the initramfs does not bring is left out: it is missed when
// it is asked for.
func Keep(root, dir, name string) error {
	files, err := list(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep driver %s: %w", name, err)
	}
	for _, file := range append(files, desktop.DriversFile) {
		if err := copyFile(filepath.Join(dir, file), filepath.Join(root, file)); err != nil {
			return fmt.Errorf("keep driver %s: %w", name, err)
		}
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// list returns the files of a module in the order they are to be loaded. The error
// matches fs.ErrNotExist if the initramfs does not bring it.
func list(root, name string) ([]string, error) {
	f, err := os.Open(filepath.Join(root, desktop.DriversFile))
	if err != nil {
		return nil, fmt.Errorf("this kernel has it not built in, and the initramfs brings no drivers: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxList))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if driver, files, ok := strings.Cut(line, ":"); ok && driver == name {
			return strings.Fields(files), nil
		}
	}
	return nil, fmt.Errorf("this kernel has it not built in, and the initramfs does not bring it: %w", fs.ErrNotExist)
}

// known reports whether the kernel of the system at root has a module, or the file
// system of that name, be it built in or loaded.
func known(root, name string) bool {
	if _, err := os.Stat(filepath.Join(root, "sys/module", name)); err == nil {
		return true
	}
	types, err := os.ReadFile(filepath.Join(root, "proc/filesystems"))
	return err == nil && slices.ContainsFunc(bytes.Split(types, []byte("\n")), func(line []byte) bool {
		fields := bytes.Fields(line)
		return len(fields) > 0 && string(fields[len(fields)-1]) == name
	})
}

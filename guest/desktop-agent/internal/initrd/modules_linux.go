package initrd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxModuleList bounds the list of modules.
const maxModuleList = 64 << 10

// loadModules loads the modules that the list names, in its order. One that the
// kernel has already is no error.
func loadModules(root, list string) error {
	b, err := readFile(filepath.Join(root, list), maxModuleList)
	if err != nil {
		return fmt.Errorf("read list of modules: %w", err)
	}
	for _, name := range moduleNames(string(b)) {
		if err := loadModule(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return nil
}

func moduleNames(list string) []string {
	var names []string
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

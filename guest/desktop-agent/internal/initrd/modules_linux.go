package initrd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/kmod"
)

// maxCmdline bounds the kernel's command line.
const maxCmdline = 64 << 10

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
		if err := kmod.LoadFile(filepath.Join(root, name)); err != nil {
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

// consoleDriver is that of the consoles hvc0, hvc1 and so on, for which Debian's
// kernels have a module.
const consoleDriver = "virtio_console"

// consoleDrivers are the modules that the console takes which the kernel's command
// line names.
func consoleDrivers(cmdline string) []string {
	for word := range strings.FieldsSeq(cmdline) {
		if strings.HasPrefix(word, "console=hvc") {
			return []string{consoleDriver}
		}
	}
	return nil
}

// networkDriver is that of the card which a guest has from the start, or later.
const networkDriver = "virtio_net"

// drivers are the modules that this boot takes beside those of the list.
func drivers(b desktop.Boot) []string {
	var names []string
	if b.Root.Type != "" {
		names = append(names, b.Root.Type)
	}
	if b.Root.Scratch != "" {
		names = append(names, scratchType)
	}
	if len(b.Shares) > 0 {
		names = append(names, shareType)
	}
	if b.Network != nil {
		names = append(names, networkDriver)
	}
	return names
}

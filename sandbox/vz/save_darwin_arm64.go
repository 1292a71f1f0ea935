//go:build cgo

package vz

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// savesSince is the first macOS whose framework saves machines.
const savesSince = 14

func (h framework) saves() error {
	var major int
	if _, err := fmt.Sscanf(strings.TrimPrefix(h.version(), "macOS "), "%d", &major); err != nil || major < savesSince {
		return fmt.Errorf("%w: machines can be saved from macOS %d on, and this is %s", sandbox.ErrUnsupported, savesSince, h.version())
	}
	return nil
}

func (m *appleVM) savable() error {
	if err := (framework{}).saves(); err != nil {
		return err
	}
	ok, err := m.config.ValidateSaveRestoreSupport()
	if err == nil && !ok {
		err = errors.New("it does not say why")
	}
	if err != nil {
		return fmt.Errorf("%w: the framework cannot save this machine: %v", sandbox.ErrUnsupported, err)
	}
	return nil
}

func (m *appleVM) save(path string) error    { return m.SaveMachineStateToPath(path) }
func (m *appleVM) restore(path string) error { return m.RestoreMachineStateFromURL(path) }

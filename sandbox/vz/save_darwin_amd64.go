//go:build cgo

package vz

import (
	"fmt"

	"github.com/vmette/vmette-mcp/sandbox"
)

var errSaves = fmt.Errorf("%w: Virtualization.framework saves machines on Apple silicon, not on Intel", sandbox.ErrUnsupported)

func (framework) saves() error        { return errSaves }
func (*appleVM) savable() error       { return errSaves }
func (*appleVM) save(string) error    { return errSaves }
func (*appleVM) restore(string) error { return errSaves }

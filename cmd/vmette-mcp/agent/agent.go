// Package agent carries the guest agent inside the host's binary, so that one
// file is all there is to install.
package agent

import (
	"embed"
	"errors"
)

//go:embed desktop-agent*
var files embed.FS

// ErrMissing says that the host was built without the guest agent.
var ErrMissing = errors.New("this vmette-mcp was built without the guest agent: run make build")

// Binary returns the guest agent, a static Linux executable, or [ErrMissing].
func Binary() ([]byte, error) {
	b, err := files.ReadFile("desktop-agent")
	if err != nil {
		return nil, ErrMissing
	}
	return b, nil
}

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/clientconfig"
)

type configCmd struct {
	Client string   `arg:"" help:"claude-desktop, claude-code, claude-code-project, cursor or vscode." enum:"claude-desktop,claude-code,claude-code-project,cursor,vscode"`
	Flags  []string `arg:"" optional:"" passthrough:"" help:"Flags that the client is to start the server with, after --."`
}

func (configCmd) Help() string {
	return `The configuration goes to standard output, where to put it to standard error.

  vmette-mcp config claude-desktop
  vmette-mcp config claude-code | sh
  vmette-mcp config vscode -- --memory 4096 --screen 1600x1000`
}

func (c configCmd) Run(a *app) error {
	self, err := executable()
	if err != nil {
		return err
	}
	argv := []string{self, "serve"}
	for i, f := range c.Flags {
		if i > 0 || f != "--" {
			argv = append(argv, f)
		}
	}
	s, err := clientconfig.For(c.Client, argv)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, s.Where)
	_, err = fmt.Fprint(a.stdout, s.Text)
	return err
}

// executable returns the absolute path of the running binary.
func executable() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own executable: %w", err)
	}
	return filepath.EvalSymlinks(self)
}

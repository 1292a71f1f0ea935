package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/clientconfig"
)

type configCmd struct {
	Client clientConfigCmd `cmd:"" default:"withargs" help:"Print the configuration of an MCP client. This is the default."`
	Check  checkConfigCmd  `cmd:"" help:"Check a configuration file of serve."`
}

type checkConfigCmd struct {
	File string `arg:"" help:"The file." type:"path"`
}

func (checkConfigCmd) Help() string {
	return `A configuration file sets flags of serve, by their names without the dashes:

  http   = "127.0.0.1:8808"
  tokens = "/etc/vmette/tokens"
  idle   = "2h"
  allow-host = ["desktops.example.com"]

Each can also be set in the environment, such as VMETTE_IDLE for --idle. The
command line goes before the environment, and that before the file.

  vmette-mcp config check vmette.toml
  vmette-mcp serve --config vmette.toml`
}

// Run parses the command line that uses the file.
func (c checkConfigCmd) Run(a *app) error {
	s, err := readSettings(c.File)
	if err != nil {
		return err
	}
	parser, err := newParser(new(commandLine), io.Discard, io.Discard, new(bool))
	if err != nil {
		return err
	}
	if _, err := parser.Parse([]string{"serve", "--config", c.File}); err != nil {
		return s.locate(err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s is right: it sets %d flags.\n", c.File, len(s.entries))
	return err
}

type clientConfigCmd struct {
	Client string   `arg:"" help:"claude-desktop, claude-code, claude-code-project, cursor or vscode." enum:"claude-desktop,claude-code,claude-code-project,cursor,vscode"`
	Flags  []string `arg:"" optional:"" passthrough:"" help:"Flags that the client is to start the server with, after --."`
}

func (clientConfigCmd) Help() string {
	return `The configuration goes to standard output, where to put it to standard error.

  vmette-mcp config claude-desktop
  vmette-mcp config claude-code | sh
  vmette-mcp config vscode -- --memory 4096 --screen 1600x1000`
}

func (c clientConfigCmd) Run(a *app) error {
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

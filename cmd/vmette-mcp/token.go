package main

import (
	"fmt"
	"os"

	"github.com/vmette/vmette-mcp/mcp/auth"
)

type tokenCmd struct {
	Client string `arg:"" help:"Who the token is for: letters, digits and ._@-"`
	File   string `help:"Add it to this file, which is made if need be." placeholder:"FILE" type:"path"`
}

func (tokenCmd) Help() string {
	return `The token goes to standard output, for the client. It is kept nowhere else: the
file has its hash. Take a client's line out of the file to shut it out; a server
that runs notices.

  vmette-mcp token alice --file tokens
  vmette-mcp serve --http 127.0.0.1:8808 --tokens tokens`
}

func (c tokenCmd) Run(a *app) error {
	token, line, err := auth.NewToken(c.Client)
	if err != nil {
		return err
	}
	if c.File == "" {
		fmt.Fprintf(a.stderr, "For the file of tokens: %s\n", line)
	} else if err := appendLine(c.File, line); err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	_, err = fmt.Fprintln(a.stdout, token)
	return err
}

// appendLine adds a line to a file that nobody else may read.
func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

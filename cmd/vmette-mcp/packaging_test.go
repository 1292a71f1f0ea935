package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

const packaging = "../../packaging/"

// What the unit and the container start is a command line of this program, and
// what they set in the environment is known to it.
func TestPackaging(t *testing.T) {
	for _, tt := range []struct {
		file     string
		read     func(t *testing.T, text string) (commands [][]string, variables []string)
		commands int
	}{
		{"systemd/vmette-mcp.service", readUnit, 2},
		{"container/Containerfile", readContainerfile, 1},
	} {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			text, err := os.ReadFile(packaging + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			commands, variables := tt.read(t, string(text))
			if len(commands) != tt.commands {
				t.Fatalf("it has the commands %q", commands)
			}
			known := variablesOf(t)
			for _, v := range variables {
				name, value, _ := strings.Cut(v, "=")
				if !slices.Contains(known, name) {
					t.Errorf("%s sets no flag", name)
				}
				t.Setenv(name, value)
			}
			for _, c := range commands {
				parsePackaged(t, c)
			}
			if len(variables) < 3 {
				t.Errorf("it sets only %q", variables)
			}
		})
	}
}

// parsePackaged parses a command line as the program does, with the settings that
// are packaged with it.
func parsePackaged(t *testing.T, argv []string) {
	t.Helper()
	if argv[0] != "/usr/local/bin/vmette-mcp" {
		t.Errorf("%q starts another program", argv)
	}
	var args []string
	for _, a := range argv[1:] {
		args = append(args, strings.ReplaceAll(a, "/etc/vmette/vmette.toml", packaging+"vmette.toml"))
	}
	var cli commandLine
	parser, err := newParser(&cli, io.Discard, io.Discard, new(bool))
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		t.Errorf("%q: %v", argv, err)
		return
	}
	if strings.HasPrefix(command.Command(), "serve") && (cli.Serve.HTTP == "" || cli.Serve.ClientDesktops == 0) {
		t.Errorf("%q serves %q, with %d desktops for a client", argv, cli.Serve.HTTP, cli.Serve.ClientDesktops)
	}
}

// variablesOf returns the variables of the environment that set flags of serve.
func variablesOf(t *testing.T) (names []string) {
	t.Helper()
	parser, err := newParser(new(commandLine), io.Discard, io.Discard, new(bool))
	if err != nil {
		t.Fatal(err)
	}
	nodes := []*kong.Node{parser.Model.Node}
	for _, c := range parser.Model.Children {
		if c.Name == "serve" {
			nodes = append(nodes, c)
		}
	}
	for _, n := range nodes {
		for _, f := range n.Flags {
			names = append(names, f.Envs...)
		}
	}
	return names
}

// readUnit reads a unit of systemd (systemd.syntax(7)). What stands behind a
// comment counts as well: it is there to be used.
func readUnit(_ *testing.T, text string) (commands [][]string, variables []string) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		switch {
		case ok && strings.HasPrefix(key, "Exec"):
			commands = append(commands, strings.Fields(value))
		case ok && key == "Environment":
			variables = append(variables, strings.Fields(value)...)
		}
	}
	return commands, variables
}

// readContainerfile reads what a Containerfile starts, and what it sets.
func readContainerfile(t *testing.T, text string) (commands [][]string, variables []string) {
	t.Helper()
	var argv []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		instruction, rest, _ := strings.Cut(lines.Text(), " ")
		switch instruction {
		case "ENTRYPOINT", "CMD":
			var part []string
			if err := json.Unmarshal([]byte(rest), &part); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			argv = append(argv, part...)
		case "ENV":
			variables = append(variables, rest)
		}
	}
	return [][]string{argv}, variables
}

// Package clientconfig writes the configuration with which MCP clients start a
// server over stdio.
package clientconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Server is the name under which clients list the server.
const Server = "vmette"

// Snippet is what to tell a client.
type Snippet struct {
	Where string // to put it, for people
	Text  string // the file's content, or the command to run
}

// client is one row per client: how each wants to be told.
type client struct {
	name  string
	where string
	text  func(argv []string) (string, error)
}

var clients = []client{
	{
		name: "claude-desktop",
		where: "Put this into claude_desktop_config.json (Settings, Developer, Edit Config;\n" +
			"~/.config/Claude on Linux, ~/Library/Application Support/Claude on macOS),\n" +
			"then start Claude Desktop again.",
		text: file("mcpServers", false),
	},
	{
		name: "claude-code",
		where: "Run this; with --scope project instead, it goes into .mcp.json of the project\n" +
			"(print that file with: vmette-mcp config claude-code-project).",
		text: claudeCode,
	},
	{
		name:  "claude-code-project",
		where: "Put this into .mcp.json at the top of the project.",
		text:  file("mcpServers", true),
	},
	{
		name:  "cursor",
		where: "Put this into .cursor/mcp.json of the project, or into ~/.cursor/mcp.json for all.",
		text:  file("mcpServers", true),
	},
	{
		name:  "vscode",
		where: "Put this into .vscode/mcp.json of the workspace, or into the user's mcp.json\n(command: MCP: Open User Configuration).",
		text:  file("servers", true),
	},
}

// Names returns the clients that are known.
func Names() []string {
	var names []string
	for _, c := range clients {
		names = append(names, c.name)
	}
	return names
}

// For returns what to tell the client of that name so that it starts argv, the
// absolute path of an executable and its arguments.
func For(name string, argv []string) (Snippet, error) {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == name })
	if i < 0 {
		return Snippet{}, fmt.Errorf("client %q is not known: use one of %s", name, strings.Join(Names(), ", "))
	}
	text, err := clients[i].text(argv)
	return Snippet{Where: clients[i].where, Text: text}, err
}

// file returns a JSON file that lists the server under key, with its type if
// the client wants that.
func file(key string, typed bool) func([]string) (string, error) {
	type server struct {
		Type    string   `json:"type,omitempty"`
		Command string   `json:"command"`
		Args    []string `json:"args"`
	}
	return func(argv []string) (string, error) {
		s := server{Command: argv[0], Args: argv[1:]}
		if typed {
			s.Type = "stdio"
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err := enc.Encode(map[string]map[string]server{key: {Server: s}})
		return out.String(), err
	}
}

func claudeCode(argv []string) (string, error) {
	words := append([]string{"claude", "mcp", "add", "--scope", "user", Server, "--"}, argv...)
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ") + "\n", nil
}

// quote returns w as one word of a POSIX shell.
func quote(w string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	if w != "" && strings.Trim(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

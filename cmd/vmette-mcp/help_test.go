package main

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The help of every flag says what it is when nobody sets it, unless nothing is
// then what there is.
func TestHelpTellsDefaults(t *testing.T) {
	parser, err := newParser(new(commandLine), io.Discard, io.Discard, new(bool))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			if !f.HasDefault || f.Default == "" {
				continue
			}
			seen++
			// What is on by default shows as --[no-]flag.
			if !strings.Contains(f.Help, "default") && f.Tag.Negatable == "" {
				t.Errorf("%s --%s does not tell that it is %s by default: %s", n.FullPath(), f.Name, f.Default, f.Help)
			}
			if !f.IsBool() && !strings.Contains(f.Help, f.Default) {
				t.Errorf("%s --%s does not tell its default, %s: %s", n.FullPath(), f.Name, f.Default, f.Help)
			}
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(parser.Model.Node)
	if seen < 20 {
		t.Errorf("only %d flags have a default", seen)
	}
}

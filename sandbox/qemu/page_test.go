package qemu_test

import (
	"os"
	"strings"
	"testing"
)

// What docs/library.md shows in Go is in the example of this package, which is
// compiled; "..." there stands for the care for errors.
func TestPageIsCompiled(t *testing.T) {
	page, err := os.ReadFile("../../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := make(map[string]bool)
	for line := range strings.Lines(string(example)) {
		compiled[strings.TrimSpace(line)] = true
	}
	_, rest, found := strings.Cut(string(page), "```go\n")
	code, _, ended := strings.Cut(rest, "```")
	if !found || !ended || strings.Contains(rest[len(code)+3:], "```go\n") {
		t.Fatal("the page does not show one piece of Go")
	}
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		line, _, _ = strings.Cut(line, " // ")
		if line != "" && line != "..." && !strings.HasPrefix(line, "//") && !compiled[line] {
			t.Errorf("the page shows %q, which is not in the example", line)
		}
	}
}

package run

import (
	"os"
	"testing"
)

// A command that is being started has an empty group. Another that starts at
// the same time must leave it alone, and must remove what is left of the past.
func TestSweepSparesGroupsInUse(t *testing.T) {
	g := &groups{dir: t.TempDir()}
	past := g.dir + "/exec-1-1"
	if err := os.Mkdir(past, 0o755); err != nil {
		t.Fatal(err)
	}
	first, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.dir.Name()); err != nil {
		t.Errorf("the group of the first command is gone: %v", err)
	}
	if _, err := os.Stat(past); err == nil {
		t.Error("a group of the past is still there")
	}
	first.close()
	second.close()
	left, err := os.ReadDir(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

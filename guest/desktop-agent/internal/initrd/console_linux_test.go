package initrd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// consoleVariable gives the test below, in a process of its own, the path of
// its console.
const consoleVariable = "VMETTE_TEST_CONSOLE"

func TestTakeConsole(t *testing.T) {
	if path := os.Getenv(consoleVariable); path != "" {
		takeConsole(path)
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		os.Exit(0)
	}
	run := func(path string) string {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestTakeConsole$")
		cmd.Env = append(os.Environ(), consoleVariable+"="+path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	const said = "out\nerr\n"
	console := filepath.Join(t.TempDir(), "console")
	if got := run(console); got != said {
		t.Errorf("without a console, the old output has %q, want %q", got, said)
	}
	if err := os.WriteFile(console, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(console); got != "" {
		t.Errorf("with a console, the old output has %q, want nothing", got)
	}
	if got, err := os.ReadFile(console); err != nil || string(got) != said {
		t.Errorf("the console has %q, %v, want %q", got, err, said)
	}
}

package qemu

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vmette/vmette-mcp/sandbox"
)

var update = flag.Bool("update", false, "rewrite golden files")

// lines returns arguments as text, an option and its value to a line.
func lines(args []string) string {
	var b strings.Builder
	for i, a := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(a, "-"):
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(a)
	}
	b.WriteByte('\n')
	return b.String()
}

func TestCommandLine(t *testing.T) {
	base := commandLine{cpus: 2, memoryMiB: 2048, memoryFD: 3, kernelFD: 4, initrdFD: 5, rootFD: 6, vsockArgs: (&userDoor{fd: 7, plug: newPlug(0, nil)}).args(true), qmpFD: 8, consoleFD: 9}
	with := func(i sandbox.Isolation, change func(*commandLine)) string {
		c := base
		c.isolation = i
		c.kernelArgs = kernelArgs(i)
		if change != nil {
			change(&c)
		}
		return lines(c.args())
	}
	got := &txtar.Archive{
		Comment: []byte("Arguments of QEMU. Rewrite with: go test -run TestCommandLine -update\n"),
		Files: []txtar.File{
			{Name: "emulated", Data: []byte(with(sandbox.IsolationEmulated, nil))},
			{Name: "resumed", Data: []byte(with(sandbox.IsolationEmulated, func(c *commandLine) {
				c.resumed = true
				c.vsockArgs = (&userDoor{fd: 7, plug: newPlug(0, nil)}).args(false)
			}))},
			{Name: "kvm", Data: []byte(with(sandbox.IsolationKVM, nil))},
			{Name: "vhost-large", Data: []byte(with(sandbox.IsolationKVM, func(c *commandLine) {
				c.cpus, c.memoryMiB = 8, 16384
				c.vsockArgs = (&kernelDoor{cid: 4711, fd: 7}).args(true)
			}))},
		},
	}
	const golden = "testdata/args.txtar"
	if *update {
		if err := os.WriteFile(golden, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// What must hold of the arguments whatever else changes in them.
func TestCommandLineIsConfined(t *testing.T) {
	for _, i := range []sandbox.Isolation{sandbox.IsolationEmulated, sandbox.IsolationKVM} {
		args := lines(commandLine{isolation: i, cpus: 1, memoryMiB: 256, kernelArgs: kernelArgs(i)}.args())
		for _, want := range []string{"-nodefaults", "-no-user-config", "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"} {
			if !strings.Contains(args, want+"\n") {
				t.Errorf("%s: arguments lack %s", i, want)
			}
		}
		for _, bad := range []string{"tcp", "telnet", "vnc", "-net", "server", "unix:", ",path="} {
			if strings.Contains(args, bad) {
				t.Errorf("%s: arguments hold %s:\n%s", i, bad, args)
			}
		}
	}
}

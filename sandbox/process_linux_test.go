package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// sleeper starts a process that lives until it is killed.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func TestKillRecorded(t *testing.T) {
	dir := t.TempDir()
	cmd := sleeper(t)
	if err := RecordProcess(dir, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, processFile)
	if err := killRecorded(record); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v, want SIGKILL", err)
	}
	if err := killRecorded(record); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
}

// A process that got the pid of another one, or a host that booted anew, is
// left alone.
func TestKillRecordedSparesOthers(t *testing.T) {
	cmd := sleeper(t)
	rec, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]func(*processRecord){
		"another start time": func(r *processRecord) { r.StartTime-- },
		"another boot":       func(r *processRecord) { r.BootID = "another" },
	}
	for name, change := range other {
		t.Run(name, func(t *testing.T) {
			r := rec
			change(&r)
			path := filepath.Join(t.TempDir(), processFile)
			if err := writeProcess(path, r); err != nil {
				t.Fatal(err)
			}
			if err := killRecorded(path); err != nil {
				t.Fatal(err)
			}
			if now, err := identify(cmd.Process.Pid); err != nil || now != rec {
				t.Errorf("the process is %+v, %v; want %+v", now, err, rec)
			}
		})
	}
}

func TestStartTime(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, name := range []string{"(qemu)", "(a b)", "(a) b) S 9"} {
		if got, err := startTime([]byte("42 " + name + ")" + rest)); err != nil || got != 4711 {
			t.Errorf("%s: got %d, %v; want 4711", name, got, err)
		}
	}
	for _, bad := range []string{"", "42 qemu S 1", "42 (qemu) S 1", "42 (qemu)" + " x x x x x x x x x x x x x x x x x x x x x"} {
		if got, err := startTime([]byte(bad)); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
	if _, err := identify(os.Getpid()); err != nil {
		t.Errorf("identify this process: %v", err)
	}
}

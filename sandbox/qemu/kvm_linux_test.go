package qemu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The probe must give an answer in its time whatever this host's KVM is like,
// and leave no process.
func TestIntegrationProbeKVM(t *testing.T) {
	binary, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Fatalf("%v: apt-get install qemu-system-x86", err)
	}
	const limit = 2 * time.Second
	start := time.Now()
	a := probeKVM(t.Context(), binary, nil, limit)
	took := time.Since(start)
	t.Logf("after %v: %+v", took, a)
	if took > 2*limit {
		t.Errorf("the probe took %v, its limit is %v", took, limit)
	}
	if a.Usable == (a.Reason != "") {
		t.Errorf("ability %+v: want either usable or a reason", a)
	}
}

// The same probe guest must end under TCG: otherwise a host whose KVM works
// would be told that it does not.
func TestIntegrationProbeGuestEnds(t *testing.T) {
	rom := filepath.Join(t.TempDir(), "rom")
	if err := os.WriteFile(rom, probeROM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "qemu-system-x86_64", append(probeArgs(rom), "-accel", "tcg", "-cpu", "max")...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != probeExit {
		t.Fatalf("probe guest: got %v, want status %d; qemu said %q", err, probeExit, out)
	}
}

func TestKVMAnswerIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", kvmMemory)
	if _, err := readAnswer(path); err == nil {
		t.Error("an answer was read from nowhere")
	}
	want := kvmAnswer{BootID: "b", QEMU: "q 7.2", User: 1000, KVM: Ability{Reason: "slow"}}
	for range 2 { // the second one replaces the first
		if err := writeAnswer(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAnswer(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files in the cache directory, want 1", len(left))
	}
}

func TestProbeKVMGivesUpWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Fatalf("%v: apt-get install qemu-system-x86", err)
	}
	if a := probeKVM(ctx, "qemu-system-x86_64", nil, time.Minute); a.Usable {
		t.Errorf("got %+v from a probe that was given up", a)
	}
}

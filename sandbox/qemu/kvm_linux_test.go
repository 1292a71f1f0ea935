package qemu

import (
	"context"
	"errors"
	"fmt"
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
	a, clear := probeKVM(t.Context(), binary, nil, limit)
	took := time.Since(start)
	t.Logf("after %v: %+v, clear: %v", took, a, clear)
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

// Only what KVM itself answered is worth remembering.
func TestProbeKVMKnowsWhatIsClear(t *testing.T) {
	tests := []struct {
		name, qemu    string
		usable, clear bool
	}{
		{"the guest ended", fmt.Sprintf("exit %d", probeExit), true, true},
		{"the guest was hardly run", "kill -STOP $$", false, false},
		{"QEMU failed", "echo no memory >&2; exit 1", false, false},
		{"QEMU was killed", "kill -KILL $$", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "qemu")
			writeScript(t, path, tt.qemu)
			got, clear := probeKVM(t.Context(), path, nil, time.Second)
			if got.Usable != tt.usable || got.Usable == (got.Reason != "") {
				t.Errorf("got %+v, want usable %v", got, tt.usable)
			}
			if clear != tt.clear {
				t.Errorf("%+v is clear: %v, want %v", got, clear, tt.clear)
			}
		})
	}
}

func TestLateProbeIsClearIfItRan(t *testing.T) {
	if isClear(100*time.Millisecond, 3*time.Second) {
		t.Error("a probe that hardly ran is held against KVM")
	}
	if !isClear(2*time.Second, 3*time.Second) {
		t.Error("a probe that ran for long is not held against KVM")
	}
}

func TestProbeKVMGivesUpWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Fatalf("%v: apt-get install qemu-system-x86", err)
	}
	if a, clear := probeKVM(ctx, "qemu-system-x86_64", nil, time.Minute); a.Usable || clear {
		t.Errorf("got %+v from a probe that was given up", a)
	}
}

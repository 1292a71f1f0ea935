package rootfs

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fixedTime() time.Time { return time.Unix(sourceDateEpoch, 0) }

func TestTracker(t *testing.T) {
	var got []float64
	tr := newTracker(func(p Progress) { got = append(got, p.Fraction) }, t.TempDir(), debianWeights)
	tr.now = fixedTime
	for _, p := range []Progress{
		{Phase: PhaseIndex},
		{Phase: PhaseBase, Done: 1, Total: 2},
		{Phase: PhaseBase}, // a phase that begins again does not go back
		{Phase: PhasePack, Done: 5, Total: 4},
		{Phase: PhaseSeal, Done: 1, Total: 1},
	} {
		tr.update(p)
	}
	want := []float64{0, 0.16, 0.16, 0.98, 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fractions (-want +got):\n%s", diff)
	}
}

func TestProgressIsShared(t *testing.T) {
	dir := t.TempDir()
	now := fixedTime()
	tr := newTracker(nil, dir, debianWeights)
	tr.now = func() time.Time { return now }
	shown := func() int64 {
		p, ok := readProgress(filepath.Join(dir, progressFile))
		if !ok {
			t.Fatal("no progress is there to read")
		}
		return p.Done
	}
	tr.update(Progress{Phase: PhaseInstall, Done: 1, Total: 9})
	tr.update(Progress{Phase: PhaseInstall, Done: 2, Total: 9})
	if got := shown(); got != 1 {
		t.Errorf("progress at once: %d, want 1", got)
	}
	now = now.Add(shareEvery)
	tr.update(Progress{Phase: PhaseInstall, Done: 3, Total: 9})
	if got := shown(); got != 3 {
		t.Errorf("progress later: %d, want 3", got)
	}
}

func TestBarPlain(t *testing.T) {
	var out bytes.Buffer
	b := NewBar(&out)
	b.now = fixedTime
	b.Update(Progress{Phase: PhaseDownload, Done: 0, Total: 100e6, Unit: "bytes", Fraction: 0.27})
	for i := range int64(100) {
		b.Update(Progress{Phase: PhaseDownload, Done: i * 1e6, Total: 100e6, Unit: "bytes", Detail: "xterm", Fraction: 0.27 + 0.0006*float64(i)})
	}
	b.Update(Progress{Phase: PhaseInstall, Fraction: 0.33})
	b.Close()
	want := ` 27% 0s downloading packages 0 of 100 MB
 30% 0s downloading packages 50 of 100 MB: xterm
 33% 0s installing packages
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestBarTerminal(t *testing.T) {
	var out bytes.Buffer
	b := NewBar(&out)
	b.now, b.width = fixedTime, func() int { return 60 }
	b.Update(Progress{Phase: PhaseInstall, Detail: "a-package-with-a-very-long-name", Fraction: 0.5})
	b.Update(Progress{Phase: PhaseInstall, Detail: "another", Fraction: 0.51}) // too soon to be drawn
	if n := strings.Count(out.String(), "\r"); n != 1 {
		t.Errorf("drawn %d times, want once", n)
	}
	b.Close()
	lines := strings.Split(out.String(), "\r")
	if got, want := lines[1], "[############------------]  50% 0s installing packages: a-p\x1b[K"; got != want {
		t.Errorf("drawn %q, want %q", got, want)
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Error("the line is not ended")
	}
}

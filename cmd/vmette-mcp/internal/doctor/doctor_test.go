package doctor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportOK(t *testing.T) {
	tests := []struct {
		verdicts []Verdict
		want     bool
	}{
		{nil, true},
		{[]Verdict{OK, Warn}, true},
		{[]Verdict{OK, Fail, Warn}, false},
	}
	for _, tt := range tests {
		var findings []Finding
		for _, v := range tt.verdicts {
			findings = append(findings, Finding{Name: "x", Verdict: v})
		}
		if got := NewReport("v1", findings).OK; got != tt.want {
			t.Errorf("%v: OK is %v, want %v", tt.verdicts, got, tt.want)
		}
	}
}

func TestPrint(t *testing.T) {
	r := NewReport("v1", []Finding{
		{Name: "qemu", Verdict: OK, Detail: "7.2", Remedy: "not shown when all is well"},
		{Name: "accel", Verdict: Warn, Detail: "emulated", Remedy: "enable KVM"},
		{Name: "disk", Verdict: Fail, Detail: "full"},
	})
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `ok    qemu   7.2
warn  accel  emulated
             -> enable KVM
fail  disk   full

This host cannot run desktops yet.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestMemory(t *testing.T) {
	tests := []struct {
		available int
		verdict   Verdict
		detail    string
	}{
		{8000, OK, "8000 MiB available: 3 desktops of 2048 MiB at once"},
		{2304, OK, "2304 MiB available: one desktop of 2048 MiB at once"},
		{2303, Fail, "2303 MiB available, too little for a desktop of 2048 MiB"},
	}
	for _, tt := range tests {
		f := Memory(tt.available, 2048)
		if f.Verdict != tt.verdict || f.Detail != tt.detail {
			t.Errorf("Memory(%d) = %s, %q; want %s, %q", tt.available, f.Verdict, f.Detail, tt.verdict, tt.detail)
		}
	}
}

func TestDisk(t *testing.T) {
	tests := []struct {
		free  uint64
		built bool
		want  Verdict
	}{
		{20e9, false, OK},
		{3e9, false, Fail},
		{3e9, true, OK},
		{1e8, true, Fail},
	}
	for _, tt := range tests {
		if got := Disk(tt.free, "/cache", tt.built).Verdict; got != tt.want {
			t.Errorf("Disk(%d, built %v) = %s, want %s", tt.free, tt.built, got, tt.want)
		}
	}
}

func TestAvailableMiB(t *testing.T) {
	got, err := AvailableMiB(strings.NewReader("MemTotal:       16 kB\nMemAvailable:    4096 kB\n"))
	if err != nil || got != 4 {
		t.Errorf("got %d, %v; want 4", got, err)
	}
	for _, bad := range []string{"", "MemAvailable: many kB\n"} {
		if _, err := AvailableMiB(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestTemplates(t *testing.T) {
	tests := map[string]struct {
		templates Templates
		want      Finding
	}{
		"there": {
			Templates{Image: "debian:bookworm", Count: 1, Bytes: 1_300_000_000, Free: 0, Largest: 2 << 30},
			Finding{Name: "templates", Verdict: OK, Detail: "1 of debian:bookworm, 1300 MB in all"},
		},
		"of another image": {
			Templates{Image: "debian:bookworm", Bytes: 1_300_000_000, Free: 2 << 30, Largest: 2 << 30},
			Finding{
				Name: "templates", Verdict: Warn,
				Detail: "none of debian:bookworm yet: the first desktop is booted, which takes much longer, and one is made then",
				Remedy: "vmette-mcp template build debian:bookworm",
			},
		},
		"no room": {
			Templates{Image: "debian:bookworm", Free: 2<<30 - 1, Largest: 2 << 30},
			Finding{
				Name: "templates", Verdict: Warn,
				Detail: "none of debian:bookworm, and with up to 2.1 GB one may not fit on the disk: desktops are booted, which takes much longer",
				Remedy: "free some space, or keep templates and images elsewhere: --cache-dir DIR",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.templates.Finding()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

package rootfs

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The output of a build, shortened to two packages of the base and one more.
const buildOutput = `I: running apt-get update...
Get:1 http://mirror.example/debian bookworm InRelease [151 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Need to get 29.7 MB of archives.
Get:2 http://mirror.example/debian bookworm/main amd64 libc6 amd64 2.36-9 [2759 kB]
Get:3 http://mirror.example/debian bookworm/main amd64 dash amd64 0.5.12-2 [92.8 kB]
I: extracting archives...
I: installing essential packages...
Unpacking libc6:amd64 (2.36-9) ...
Setting up libc6:amd64 (2.36-9) ...
Unpacking dash (0.5.12-2) ...
Setting up dash (0.5.12-2) ...
I: installing remaining packages inside the chroot...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Need to get 120 MB/129 MB of archives.
Get:1 http://mirror.example/debian bookworm/main amd64 xterm amd64 379-1 [129 MB]
Unpacking xterm (379-1) ...
Setting up xterm (379-1) ...
I: running --customize-hook in shell: sh -c 'one' exec /tmp/x
I: running --customize-hook in shell: sh -c 'two' exec /tmp/x
vmette: tree 1000 KiB
`

func TestAptProgress(t *testing.T) {
	var got []Progress
	a := &aptProgress{report: func(p Progress) { got = append(got, p) }}
	for line := range strings.Lines(buildOutput) {
		a.line(strings.TrimSuffix(line, "\n"))
	}
	if _, err := io.Copy(io.Discard, a.packing(strings.NewReader(strings.Repeat("x", 512000)))); err != nil {
		t.Fatal(err)
	}
	last := make(map[Phase]Progress)
	var order []Phase
	for _, p := range got {
		if _, seen := last[p.Phase]; !seen {
			order = append(order, p.Phase)
		}
		last[p.Phase] = p
	}
	if diff := cmp.Diff([]Phase{PhaseIndex, PhaseBase, PhaseDownload, PhaseInstall, PhaseConfigure, PhasePack}, order); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	want := map[Phase]Progress{
		PhaseIndex:     {Phase: PhaseIndex},
		PhaseBase:      {Phase: PhaseBase, Done: 6, Total: 6, Unit: "packages", Detail: "dash"},
		PhaseDownload:  {Phase: PhaseDownload, Done: 129e6, Total: 129e6, Unit: "bytes", Detail: "xterm"},
		PhaseInstall:   {Phase: PhaseInstall, Done: 2, Total: 2, Unit: "packages", Detail: "xterm"},
		PhaseConfigure: {Phase: PhaseConfigure},
		PhasePack:      {Phase: PhasePack, Done: 512000, Total: 1024000, Unit: "bytes"},
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("last report of each phase (-want +got):\n%s", diff)
	}
}

func FuzzAptProgress(f *testing.F) {
	for line := range strings.Lines(buildOutput) {
		f.Add(line)
	}
	f.Add("Need to get 9999999999 GB of archives.")
	f.Fuzz(func(t *testing.T, text string) {
		report := func(p Progress) {
			if p.Done < 0 || p.Total < 0 || p.Total > 0 && p.Done > p.Total {
				t.Errorf("progress %+v is no share of a whole", p)
			}
		}
		tr := &tracker{report: report, file: t.TempDir() + "/p", now: fixedTime}
		a := &aptProgress{report: tr.update}
		for line := range strings.Lines(buildOutput + text + buildOutput) {
			a.line(line)
		}
	})
}

package rootfs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Phase is one stretch of a build.
type Phase string

// The phases of a build, in the order they happen. A provider may leave some
// out.
const (
	PhaseWait      Phase = "wait"      // for another process that builds the same image
	PhaseKernel    Phase = "kernel"    // fetch the kernel, which is an own build
	PhaseFetch     Phase = "fetch"     // fetch an archive or layers
	PhaseRead      Phase = "read"      // see what is in them
	PhaseIndex     Phase = "index"     // fetch the lists of packages
	PhaseBase      Phase = "base"      // fetch and install the base system
	PhaseDownload  Phase = "download"  // fetch the other packages
	PhaseInstall   Phase = "install"   // install them
	PhaseConfigure Phase = "configure" // set the image up and take the kernel out
	PhasePack      Phase = "pack"      // compress the file system
	PhaseSeal      Phase = "seal"      // hash the files and put them in the store
)

// weights are shares of the time that a build takes. They make
// [Progress.Fraction] grow evenly.
type weights []struct {
	phase  Phase
	weight float64
}

// archiveWeights are for builds of archives and directories.
var archiveWeights = weights{
	{PhaseKernel, 15},
	{PhaseFetch, 40},
	{PhaseRead, 15},
	{PhasePack, 25},
	{PhaseSeal, 5},
}

// debianWeights were measured on two cores with a fast mirror.
var debianWeights = weights{
	{PhaseIndex, 5},
	{PhaseBase, 22},
	{PhaseDownload, 6},
	{PhaseInstall, 45},
	{PhaseConfigure, 8},
	{PhasePack, 12},
	{PhaseSeal, 2},
}

func weightsOf(r Recipe) weights {
	switch r.(type) {
	case *debianRecipe, *kernelRecipe:
		return debianWeights
	}
	return archiveWeights
}

// Progress says how far a build is.
type Progress struct {
	Phase    Phase   `json:"phase"`
	Done     int64   `json:"done"`               // of Total, in Unit
	Total    int64   `json:"total,omitempty"`    // 0 while it is not known
	Unit     string  `json:"unit,omitempty"`     // "bytes", "packages" or ""
	Detail   string  `json:"detail,omitempty"`   // such as the package at hand
	Fraction float64 `json:"fraction,omitempty"` // of the whole build, 0 to 1; it never falls
}

// share is the part of the phase that is done.
func (p Progress) share() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, float64(p.Done)/float64(p.Total))
}

// tracker completes what a provider reports with the fraction of the whole,
// and keeps the last report in a file for other processes that wait for the
// same build.
type tracker struct {
	report func(Progress)
	file   string
	parts  weights
	now    func() time.Time

	mu      sync.Mutex
	last    Progress
	written time.Time
}

// shareEvery is how often the report for other processes is renewed.
const shareEvery = 250 * time.Millisecond

func newTracker(report func(Progress), dir string, parts weights) *tracker {
	if report == nil {
		report = func(Progress) {}
	}
	return &tracker{report: report, file: filepath.Join(dir, progressFile), parts: parts, now: time.Now}
}

// update is the progress function that a provider gets. It may be called from
// several goroutines.
func (t *tracker) update(p Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.Fraction = max(t.last.Fraction, t.parts.fraction(p))
	changed := p.Phase != t.last.Phase
	t.last = p
	if now := t.now(); changed || now.Sub(t.written) >= shareEvery {
		t.written = now
		writeProgress(t.file, p)
	}
	t.report(p)
}

func (parts weights) fraction(p Progress) float64 {
	var before, total float64
	for _, w := range parts {
		if w.phase == p.Phase {
			before = total + w.weight*p.share()
		}
		total += w.weight
	}
	return before / total
}

// progressFile is the name of the last report in the staging directory.
const progressFile = "progress.json"

// writeProgress is best effort: a process that waits shows less, no more.
func writeProgress(file string, p Progress) {
	if b, err := json.Marshal(p); err == nil {
		tmp := file + ".new"
		if os.WriteFile(tmp, b, 0o600) == nil {
			_ = os.Rename(tmp, file)
		}
	}
}

// readProgress returns what another process last reported of its build.
func readProgress(file string) (Progress, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Progress{}, false
	}
	var p Progress
	if json.Unmarshal(b, &p) != nil {
		return Progress{}, false
	}
	return p, true
}

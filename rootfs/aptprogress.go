package rootfs

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// aptProgress turns the output of mmdebstrap, apt and dpkg into [Progress].
// Its methods may be called from several goroutines.
type aptProgress struct {
	mu     sync.Mutex
	report func(Progress)
	p      Progress
	rounds int   // times that apt has said what it will install
	count  int64 // packages of this round
	tree   int64 // bytes of the root file system, as the set-up script counted
}

var (
	aptCount  = regexp.MustCompile(`^\d+ upgraded, (\d+) newly installed`)
	aptNeed   = regexp.MustCompile(`^Need to get (?:[\d.,]+ k?[kMG]?B/)?([\d.,]+) ([kMG]?B) of archives`)
	aptGet    = regexp.MustCompile(`^Get:\d+ \S+ \S+ \S+ (\S+) \S+ \S+ \[([\d.,]+) ([kMG]?B)\]`)
	dpkgStep  = regexp.MustCompile(`^(?:Unpacking|Setting up) ([^ :]+)`)
	treeBytes = regexp.MustCompile(`^vmette: tree (\d+) KiB`)
)

// line takes one line of output.
func (a *aptProgress) line(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.p.Phase == PhasePack: // the line was overtaken by the file system
	case strings.HasPrefix(s, "I: running apt-get update"):
		a.enter(PhaseIndex, 0, "")
	case strings.HasPrefix(s, "I: running --customize-hook"):
		if a.p.Phase != PhaseConfigure {
			a.enter(PhaseConfigure, 0, "")
		}
	default:
		a.step(s)
	}
}

// step handles the lines that say how far apt and dpkg are. apt installs twice:
// first the base system, then the rest. The first is one phase, counted in
// steps of a package (fetch, unpack, set up); the second is two.
func (a *aptProgress) step(s string) {
	if m := aptCount.FindStringSubmatch(s); m != nil {
		a.rounds++
		a.count = parseInt(m[1])
		if a.rounds == 1 {
			a.enter(PhaseBase, 3*a.count, "packages")
		}
	} else if m := aptNeed.FindStringSubmatch(s); m != nil && a.rounds == 2 {
		a.enter(PhaseDownload, parseSize(m[1], m[2]), "bytes")
	} else if m := aptGet.FindStringSubmatch(s); m != nil {
		switch a.p.Phase {
		case PhaseBase:
			a.advance(1, m[1])
		case PhaseDownload:
			a.advance(parseSize(m[2], m[3]), m[1])
		}
	} else if m := dpkgStep.FindStringSubmatch(s); m != nil {
		if a.p.Phase == PhaseDownload {
			a.enter(PhaseInstall, 2*a.count, "packages")
		}
		if a.p.Phase == PhaseBase || a.p.Phase == PhaseInstall {
			a.advance(1, m[1])
		}
	} else if m := treeBytes.FindStringSubmatch(s); m != nil {
		a.tree = parseInt(m[1]) << 10
	}
}

func (a *aptProgress) enter(phase Phase, total int64, unit string) {
	a.p = Progress{Phase: phase, Total: total, Unit: unit}
	a.report(a.p)
}

func (a *aptProgress) advance(n int64, detail string) {
	a.p.Done += n
	if a.p.Total > 0 {
		a.p.Done = min(a.p.Done, a.p.Total)
	}
	a.p.Detail = detail
	a.report(a.p)
}

// packing returns r with its bytes counted as the pack phase.
func (a *aptProgress) packing(r io.Reader) io.Reader { return &packReader{r: r, a: a} }

type packReader struct {
	r io.Reader
	a *aptProgress
}

// Read implements [io.Reader].
func (p *packReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.a.mu.Lock()
		defer p.a.mu.Unlock()
		if p.a.p.Phase != PhasePack {
			p.a.enter(PhasePack, p.a.tree, "bytes")
		}
		p.a.advance(int64(n), "")
	}
	return n, err
}

// parseSize reads a size as apt writes it, such as "1,234 kB". What is not one
// counts as nothing: it is shown, not relied on.
func parseSize(number, unit string) int64 {
	f, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	if err != nil || f < 0 || f > 1e9 {
		return 0
	}
	switch unit {
	case "kB":
		f *= 1e3
	case "MB":
		f *= 1e6
	case "GB":
		f *= 1e9
	}
	return int64(f)
}

func parseInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

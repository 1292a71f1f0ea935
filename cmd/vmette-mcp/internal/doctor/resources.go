package doctor

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The host's resources that a desktop takes, beside its own memory.
const (
	hostOverheadMiB = 256         // of QEMU and the server, as a sandbox is reckoned
	buildBytes      = 4 << 30     // of disk that the build of the default image insists on
	runBytes        = 200_000_000 // of disk while desktops run
)

// Memory judges the memory that is available, in MiB, for desktops of
// perDesktop MiB.
func Memory(available, perDesktop int) Finding {
	f := Finding{Name: "memory", Verdict: OK}
	n := available / (perDesktop + hostOverheadMiB)
	f.Detail = fmt.Sprintf("%d MiB available: %d desktops of %d MiB at once", available, n, perDesktop)
	switch {
	case n == 1:
		f.Detail = fmt.Sprintf("%d MiB available: one desktop of %d MiB at once", available, perDesktop)
	case n == 0:
		f.Verdict = Fail
		f.Detail = fmt.Sprintf("%d MiB available, too little for a desktop of %d MiB", available, perDesktop)
		f.Remedy = "close other programs, or give desktops less: vmette-mcp serve --memory 1024"
	}
	return f
}

// Disk judges the free space, in bytes, of the file system that holds images.
func Disk(free uint64, dir string, imageBuilt bool) Finding {
	f := Finding{Name: "disk", Verdict: OK, Detail: fmt.Sprintf("%.1f GB free for %s", float64(free)/1e9, dir)}
	switch {
	case free < runBytes:
		f.Verdict = Fail
		f.Detail += ", too little to run a desktop"
		f.Remedy = "free some space, or keep images elsewhere: --cache-dir DIR"
	case free < buildBytes && !imageBuilt:
		f.Verdict = Fail
		f.Detail += fmt.Sprintf("; to build the image takes %.1f GB for a while", float64(buildBytes)/1e9)
		f.Remedy = "free some space, or keep images elsewhere: --cache-dir DIR"
	}
	return f
}

// AvailableMiB reads MemAvailable from what /proc/meminfo holds (proc(5)).
func AvailableMiB(meminfo io.Reader) (int, error) {
	lines := bufio.NewScanner(meminfo)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(rest, "kB")))
			if err != nil {
				return 0, fmt.Errorf("read available memory: %w", err)
			}
			return kib / 1024, nil
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read available memory: %w", err)
	}
	return 0, fmt.Errorf("read available memory: no MemAvailable")
}

// Templates is what there is of saved desktops, and room for more.
type Templates struct {
	Image   string // that desktops are to boot
	Count   int    // of templates of it
	Bytes   int64  // of all templates on the disk
	Free    uint64 // bytes of the disk
	Largest uint64 // bytes that one may take
}

// Finding judges whether new desktops can start from a template.
func (t Templates) Finding() Finding {
	f := Finding{Name: "templates", Verdict: OK, Detail: fmt.Sprintf("%d of %s, %d MB in all", t.Count, t.Image, t.Bytes/1e6)}
	switch {
	case t.Count > 0:
	case t.Free < t.Largest:
		f.Verdict = Warn
		f.Detail = fmt.Sprintf("none of %s, and with up to %.1f GB one may not fit on the disk: desktops are booted, which takes much longer", t.Image, float64(t.Largest)/1e9)
		f.Remedy = "free some space, or keep templates and images elsewhere: --cache-dir DIR"
	default:
		f.Verdict = Warn
		f.Detail = fmt.Sprintf("none of %s yet: the first desktop is booted, which takes much longer, and one is made then", t.Image)
		f.Remedy = "vmette-mcp template build " + t.Image
	}
	return f
}

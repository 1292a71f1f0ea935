package rootfs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Bar shows the [Progress] of a build to a person: one line that is drawn
// again on a terminal, and plain lines elsewhere, one for each phase and each
// tenth of the whole. Its methods may be called from several goroutines.
type Bar struct {
	w     io.Writer
	width func() int // of the terminal in columns; nil when w is none
	now   func() time.Time

	mu    sync.Mutex
	began time.Time
	drawn time.Time
	last  Progress
	tenth int
}

// redrawEvery keeps a terminal from being flooded.
const redrawEvery = 100 * time.Millisecond

// NewBar returns a bar that writes to w.
func NewBar(w io.Writer) *Bar {
	b := &Bar{w: w, now: time.Now}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}
	}
	return b
}

// Update shows p. It is what [Store.Build] takes as its progress function.
func (b *Bar) Update(p Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if b.began.IsZero() {
		b.began = now
	}
	changed := p.Phase != b.last.Phase
	b.last = p
	if b.width == nil {
		if tenth := int(p.Fraction * 10); changed || tenth > b.tenth {
			b.tenth = tenth
			fmt.Fprintln(b.w, b.text(now))
		}
		return
	}
	if changed || now.Sub(b.drawn) >= redrawEvery {
		b.drawn = now
		b.draw(now)
	}
}

// Close ends the line on a terminal. It does not close the writer.
func (b *Bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.width != nil && !b.began.IsZero() {
		b.draw(b.now())
		fmt.Fprintln(b.w)
	}
}

// draw replaces the terminal's line.
func (b *Bar) draw(now time.Time) {
	const barWidth = 24
	full := int(b.last.Fraction * barWidth)
	line := "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] " + b.text(now)
	if width := b.width() - 1; utf8.RuneCountInString(line) > width {
		line = string([]rune(line)[:max(width, 0)])
	}
	fmt.Fprintf(b.w, "\r%s\x1b[K", line)
}

// text says in words how far the build is.
func (b *Bar) text(now time.Time) string {
	p := b.last
	var s strings.Builder
	fmt.Fprintf(&s, "%3.0f%% %s %s", p.Fraction*100, now.Sub(b.began).Round(time.Second), p.Phase.Describe())
	switch {
	case p.Unit == "bytes" && p.Total > 0:
		fmt.Fprintf(&s, " %d of %d MB", p.Done/1e6, p.Total/1e6)
	case p.Unit == "bytes":
		fmt.Fprintf(&s, " %d MB", p.Done/1e6)
	}
	if p.Detail != "" {
		fmt.Fprintf(&s, ": %s", p.Detail)
	}
	return s.String()
}

// Describe returns what happens in the phase, in words for a person.
func (p Phase) Describe() string {
	switch p {
	case PhaseWait:
		return "waiting for another build of this image"
	case PhaseKernel:
		return "fetching the kernel"
	case PhaseFetch:
		return "downloading"
	case PhaseRead:
		return "reading the file system"
	case PhaseIndex:
		return "fetching package lists"
	case PhaseBase:
		return "installing the base system"
	case PhaseDownload:
		return "downloading packages"
	case PhaseInstall:
		return "installing packages"
	case PhaseConfigure:
		return "setting up the desktop and the kernel"
	case PhasePack:
		return "packing the file system"
	case PhaseSeal:
		return "checking the result"
	}
	return string(p)
}

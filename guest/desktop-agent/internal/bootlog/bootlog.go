// Package bootlog writes what happens while the guest starts, on one line each,
// to the serial console, where the host keeps the last of it:
//
//	vmette: phase=x11 ms=1930
//	vmette: panel tint2 ended with exit code 1; starting it again in 1s
//
// A phase line can be read by a program: ms counts from the start of the
// kernel, so that the lines of one boot are its profile.
package bootlog

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Log writes lines. Its methods may be called from several goroutines. The nil
// Log discards.
type Log struct {
	mu     sync.Mutex
	w      io.Writer
	uptime func() time.Duration
}

// New returns a Log that writes to w. What w refuses is lost: a boot does not
// fail because nobody reads of it.
func New(w io.Writer) *Log { return &Log{w: w, uptime: sinceKernelStart} }

// Phase writes that the boot has come to a point.
func (l *Log) Phase(name string) {
	if l == nil {
		return
	}
	l.line(fmt.Sprintf("phase=%s ms=%d", name, l.uptime().Milliseconds()))
}

// Printf writes a line for people.
func (l *Log) Printf(format string, args ...any) {
	if l == nil {
		return
	}
	l.line(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
}

func (l *Log) line(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	io.WriteString(l.w, "vmette: "+s+"\n")
}

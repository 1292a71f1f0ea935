package x11

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// busyWindow is how long processors must have rested on a quiet screen. The
// kernel counts their time in steps of 10 ms.
const busyWindow = 100 * time.Millisecond

// busyShare is the share of one processor above which the machine is at work.
// What goes on in the background of an idle desktop stays well below.
const busyShare = 0.4

// machine tells whether the processors are busy. A nil machine never is.
type machine struct{}

// load is what the processors had worked at a moment.
type load struct {
	known bool
	busy  time.Duration // of all processors together
	when  time.Time
}

func (m *machine) sample(now time.Time) load {
	if m == nil {
		return load{}
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return load{}
	}
	busy, ok := parseStat(stat)
	return load{known: ok, busy: busy, when: now}
}

// busySince reports whether the machine was at work between two samples.
func (l load) busySince(before load) bool {
	elapsed := l.when.Sub(before.when)
	return l.known && before.known && elapsed > 0 && float64(l.busy-before.busy) > busyShare*float64(elapsed)
}

// parseStat reads the first line of /proc/stat: "cpu", then the time in
// hundredths of a second in user, nice, system, idle, iowait, irq, softirq.
func parseStat(stat []byte) (busy time.Duration, ok bool) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 8 || string(fields[0]) != "cpu" {
		return 0, false
	}
	for _, i := range []int{1, 2, 3, 6, 7} {
		ticks, err := strconv.ParseUint(string(fields[i]), 10, 48)
		if err != nil {
			return 0, false
		}
		busy += time.Duration(ticks) * 10 * time.Millisecond
	}
	return busy, true
}

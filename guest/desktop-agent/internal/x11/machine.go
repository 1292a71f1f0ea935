package x11

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"

	"github.com/jezek/xgb/res"
)

const (
	// busyShare is the share of one processor that the processes must take
	// together to be at work. What goes on in the background of idle programs
	// stays well below.
	busyShare = 0.4
	// ownShare is what a process must take of that to have a part in it.
	ownShare = 0.1
	// restlessWork is how long a process must have taken part in work to be
	// taken for one that works by itself.
	restlessWork = 2 * time.Second
	// restlessRest is how long such a one must have rested to be waited for
	// again.
	restlessRest = time.Second
	// strangerLooks is how often a process is asked for its display: one that
	// was just forked may still get one.
	strangerLooks = 3
)

// machine tells which processes of the desktop are at work. The processes of
// the desktop are the X clients, those that were started with its display in
// their environment, and all that these have started; what else runs on the
// machine does not draw. The one who settles owns it.
//
// A process that is at work even when the time to settle is up, such as a
// browser that prepares windows nobody has asked for, is restless: it is waited
// for once, and not again until it has rested.
type machine struct {
	display   string       // its number
	still     func() []int // processes that stand still; nil when there are none
	server    int          // the X server, which is not of the desktop even when a client has started it; 0 when not known
	processes map[int]process
	strangers map[int]process // those that are not of the desktop
	when      time.Time       // of the last sample, zero before the first
}

// process is what is known of a process.
type process struct {
	born     string    // when it was started: numbers are used again
	work     work      // as of the last sample
	share    float64   // of a processor that it took, or wanted, before that
	since    time.Time // since when it takes its part; zero when it does not
	restless bool
	still    bool      // stands still, whatever it has to do
	rested   time.Time // since when it takes no part; zero when it does

	looks, awake int           // since the last sample: how often it was looked at, and had something to do just then
	used         time.Duration // as of the last look
}

// work is what a process has done since it was started.
type work struct {
	used   time.Duration // processor time of all its threads
	wanted time.Duration // how long its first thread, which in most programs answers the user, had to wait for a processor
}

// update takes a sample: current is what the processes have done until now.
func (m *machine) update(now time.Time, current map[int]process) {
	elapsed := now.Sub(m.when)
	for pid, p := range current {
		before, known := m.processes[pid]
		if !known || before.born != p.born {
			before = process{} // what it has done, it has done since then
		}
		if did := p.work.used - before.work.used + p.work.wanted - before.work.wanted; !m.when.IsZero() && elapsed > 0 {
			p.share = float64(did) / float64(elapsed)
		}
		if before.looks > 0 { // on a crowded machine a program gets little done
			p.share = max(p.share, float64(before.awake)/float64(before.looks))
		}
		if p.share > ownShare {
			p.since, p.restless = before.since, before.restless
			if p.since.IsZero() {
				p.since = m.when
			}
		} else {
			p.rested = before.rested
			if p.rested.IsZero() {
				p.rested = m.when
			}
			p.restless = before.restless && now.Sub(p.rested) < restlessRest
		}
		p.used = before.used
		current[pid] = p
	}
	m.processes, m.when = current, now
}

// look reports whether no process has run since the look before and none wants
// to run. used tells the processor time of a process, awake whether one of its
// threads runs or wants to.
func (m *machine) look(used func(pid int) time.Duration, awake func(pid int) bool) (pausing bool) {
	pausing = true
	for pid, p := range m.processes {
		if p.restless || p.still {
			continue
		}
		now, busy := used(pid), awake(pid)
		if busy || now != p.used {
			pausing = false
		}
		if p.used, p.looks = now, p.looks+1; busy {
			p.awake++
		}
		m.processes[pid] = p
	}
	return pausing
}

// standsAsBefore reports whether the same processes stand still as at the last sample.
func (m *machine) standsAsBefore() bool {
	still := make(map[int]bool)
	if m.still != nil {
		for _, pid := range m.still() {
			still[pid] = true
		}
	}
	for pid, p := range m.processes {
		if p.still != still[pid] {
			return false
		}
	}
	return true
}

// busy reports whether the processes were at work between the last two updates.
func (m *machine) busy() bool {
	share := 0.0
	for _, p := range m.processes {
		if !p.restless && !p.still {
			share += p.share
		}
	}
	return share > busyShare
}

// exhausted tells that processes have been waited for in vain.
func (m *machine) exhausted(now time.Time) {
	for pid, p := range m.processes {
		if !p.since.IsZero() && now.Sub(p.since) >= restlessWork {
			p.restless = true
			m.processes[pid] = p
		}
	}
}

// clients returns the other processes that have connections to the X server. It
// does not know them when the server cannot tell; when there is none, there is
// nothing to go by either.
func (d *Display) clients(ctx context.Context) (pids []int, known bool) {
	if !d.resources || ctx.Err() != nil {
		return nil, false
	}
	spec := []res.ClientIdSpec{{Mask: res.ClientIdMaskLocalClientPID}}
	reply, err := await(d, res.QueryClientIds(d.conn, 1, spec))
	if err != nil {
		return nil, false
	}
	for _, id := range reply.Ids {
		switch {
		case id.Spec.Client == 0: // the server itself
		case id.Spec.Mask&res.ClientIdMaskLocalClientPID == 0, len(id.Value) == 0:
			return nil, false
		case int(id.Value[0]) != os.Getpid():
			pids = append(pids, int(id.Value[0]))
		}
	}
	return pids, len(pids) > 0
}

// descendants returns roots and what they have started. The parents of all
// processes are given.
func descendants(roots []int, parents map[int]int) []int {
	children := make(map[int][]int, len(parents))
	for pid, parent := range parents {
		children[parent] = append(children[parent], pid)
	}
	seen := make(map[int]bool)
	var all []int
	for queue := roots; len(queue) > 0; {
		var next []int
		for _, pid := range queue {
			if _, exists := parents[pid]; exists && !seen[pid] {
				seen[pid] = true
				all = append(all, pid)
				next = append(next, children[pid]...)
			}
		}
		queue = next
	}
	return all
}

// parseStat reads /proc/PID/stat: the number, the name in parentheses, then
// from the third field on the state, the parent, and as the 22nd when it was
// started.
func parseStat(stat []byte) (parent int, born string, ok bool) {
	end := bytes.LastIndexByte(stat, ')') // a name may hold anything
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) < 20 {
		return 0, "", false
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 31)
	return int(n), string(fields[19]), err == nil
}

// parseSchedstat reads /proc/PID/schedstat: the nanoseconds that the first
// thread has run and has waited for a processor, and how often it has run.
func parseSchedstat(stat []byte) (waited time.Duration, ok bool) {
	fields := bytes.Fields(stat)
	if len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 63)
	return time.Duration(n), err == nil
}

package x11

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMachine(t *testing.T) {
	const ms = time.Millisecond
	type sample struct {
		after     time.Duration // since the sample before
		used      time.Duration // by the process, all in all
		wanted    time.Duration
		exhausted bool // whether a settle has then reached its limit
		want      bool // whether the process is waited for
	}
	tests := []struct {
		name    string
		samples []sample
	}{
		{"idle", []sample{{0, 500 * ms, 0, false, false}, {100 * ms, 500 * ms, 0, false, false}}},
		{"little", []sample{{0, 0, 0, false, false}, {100 * ms, 30 * ms, 0, false, false}}},
		{"at work", []sample{{0, 0, 0, false, false}, {100 * ms, 90 * ms, 0, false, true}, {100 * ms, 90 * ms, 0, false, false}}},
		{"kept from work", []sample{{0, 0, 0, false, false}, {100 * ms, 10 * ms, 80 * ms, false, true}}},
		{"at work for less than what makes it restless", []sample{
			{0, 0, 0, false, false}, {1000 * ms, 1000 * ms, 0, true, true}, {100 * ms, 1100 * ms, 0, false, true},
		}},
		{"not at work without a pause", []sample{
			{0, 0, 0, false, false}, {1000 * ms, 1000 * ms, 0, false, true}, {100 * ms, 1000 * ms, 0, false, false},
			{1500 * ms, 2500 * ms, 0, true, true}, {100 * ms, 2600 * ms, 0, false, true},
		}},
		{"restless until it rests", []sample{
			{0, 0, 0, false, false}, {1000 * ms, 1000 * ms, 0, false, true}, {2000 * ms, 3000 * ms, 0, true, true},
			{5000 * ms, 8000 * ms, 0, false, false}, {100 * ms, 8100 * ms, 0, false, false},
			{100 * ms, 8100 * ms, 0, false, false}, {100 * ms, 8200 * ms, 0, false, false},
			{1000 * ms, 8200 * ms, 0, false, false}, {100 * ms, 8300 * ms, 0, false, true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m machine
			now := time.Unix(1000, 0)
			for i, s := range tt.samples {
				now = now.Add(s.after)
				m.update(now, map[int]process{1: {born: "5", work: work{s.used, s.wanted}}, 2: {}})
				if got := m.busy(); got != s.want {
					t.Errorf("sample %d: it is waited for: %v, want %v", i+1, got, s.want)
				}
				if s.exhausted {
					m.exhausted(now)
				}
			}
		})
	}
}

func TestMachineOfANewProcess(t *testing.T) {
	const ms = time.Millisecond
	var m machine
	now := time.Unix(1000, 0)
	m.update(now, map[int]process{7: {born: "5", work: work{used: time.Hour}}})
	now = now.Add(100 * ms)
	m.update(now, map[int]process{7: {born: "6", work: work{used: 90 * ms}}})
	if !m.busy() {
		t.Error("a process that has the number of an earlier one is not seen to work")
	}
}

func TestDescendants(t *testing.T) {
	parents := map[int]int{1: 0, 10: 1, 20: 1, 21: 20, 22: 21, 30: 1, 40: 40}
	got := descendants([]int{20, 21, 40, 99}, parents)
	slices.Sort(got)
	if diff := cmp.Diff([]int{20, 21, 22, 40}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 0 -1 4194304 146 0 0 0 0 0 0 0 20 0 1 0 1153842 2998272\n"
	tests := []struct {
		stat   string
		parent int
		born   string
		ok     bool
	}{
		{"42 (xterm)" + tail, 1, "1153842", true},
		{"42 (a ) S 7 (b)" + tail, 1, "1153842", true},
		{"42 xterm" + tail, 0, "", false},
		{"42 (xterm) S 1 2", 0, "", false},
		{"42 (xterm) S -1 2 3 0 -1 4194304 146 0 0 0 0 0 0 0 20 0 1 0 1153842 1", 0, "", false},
		{"", 0, "", false},
	}
	for _, tt := range tests {
		parent, born, ok := parseStat([]byte(tt.stat))
		if ok != tt.ok || ok && (parent != tt.parent || born != tt.born) {
			t.Errorf("%q: parent %d, born %q, %v; want %d, %q, %v", tt.stat, parent, born, ok, tt.parent, tt.born, tt.ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (xterm) S 1 2 3 0 -1 4194304 146 0 0 0 0 0 0 0 20 0 1 0 1153842 2998272"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if parent, _, ok := parseStat(stat); ok && parent < 0 {
			t.Errorf("the parent is %d", parent)
		}
	})
}

func TestParseSchedstat(t *testing.T) {
	tests := []struct {
		stat   string
		waited time.Duration
		ok     bool
	}{
		{"1000 2000 3\n", 2000, true},
		{"1000", 0, false},
		{"1000 x 3", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		if waited, ok := parseSchedstat([]byte(tt.stat)); waited != tt.waited || ok != tt.ok {
			t.Errorf("%q: %v, %v; want %v, %v", tt.stat, waited, ok, tt.waited, tt.ok)
		}
	}
}

// What stands still is waited for no more than if it were not there. That it no longer
// does is news.
func TestMachineOfAProcessThatStandsStill(t *testing.T) {
	for _, still := range []bool{false, true} {
		stands := []int{1}
		m := machine{still: func() []int { return stands }}
		now := time.Unix(1000, 0)
		for used := range 2 {
			m.update(now, map[int]process{1: {born: "5", work: work{used: time.Duration(used) * time.Second}, still: still}})
			now = now.Add(time.Second)
		}
		awake := func(int) bool { return true }
		if got := m.look(func(int) time.Duration { return 0 }, awake); got != still {
			t.Errorf("still %v: nothing runs: %v", still, got)
		}
		if m.busy() == still {
			t.Errorf("still %v: it is waited for: %v", still, !still)
		}
		if got := m.standsAsBefore(); got != still {
			t.Errorf("still %v, and it stands still: as before: %v", still, got)
		}
		stands = nil
		if got := m.standsAsBefore(); got == still {
			t.Errorf("still %v, and it goes on: as before: %v", still, got)
		}
	}
}

package x11

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		stat string
		busy time.Duration
		ok   bool
	}{
		{"cpu  100 20 3 50000 700 4 5 0 0 0\ncpu0 1 2 3 4\n", 1320 * time.Millisecond, true},
		{"cpu 0 0 0 0 0 0 0", 0, true},
		{"", 0, false},
		{"cpu 1 2 3", 0, false},
		{"intr 1 2 3 4 5 6 7 8", 0, false},
		{"cpu a 0 0 0 0 0 0", 0, false},
		{"cpu -1 0 0 0 0 0 0", 0, false},
	}
	for _, tt := range tests {
		if busy, ok := parseStat([]byte(tt.stat)); busy != tt.busy || ok != tt.ok {
			t.Errorf("%q: busy %v, %v; want %v, %v", tt.stat, busy, ok, tt.busy, tt.ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("cpu  100 20 3 50000 700 4 5 0 0 0\n"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if busy, ok := parseStat(stat); ok && busy < 0 {
			t.Errorf("busy for %v", busy)
		}
	})
}

func TestBusySince(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(elapsed, busy time.Duration) load {
		return load{known: true, busy: busy, when: start.Add(elapsed)}
	}
	tests := []struct {
		name string
		now  load
		want bool
	}{
		{"idle", at(time.Second, 0), false},
		{"a little", at(time.Second, 300*time.Millisecond), false},
		{"one of the processors", at(time.Second, time.Second), true},
		{"all of the processors", at(time.Second, 2*time.Second), true},
		{"at once", at(0, 0), false},
		{"unknown", load{}, false},
	}
	for _, tt := range tests {
		if got := tt.now.busySince(at(0, 0)); got != tt.want {
			t.Errorf("%s: busy is %v, want %v", tt.name, got, tt.want)
		}
	}
	if (*machine)(nil).sample(start).busySince(load{}) {
		t.Error("a machine that is not looked at is busy")
	}
}

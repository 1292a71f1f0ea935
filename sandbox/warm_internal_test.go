package sandbox

import (
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

func TestMomentTellsThatTheHostSlept(t *testing.T) {
	begin := now()
	later := func(running, wall time.Duration) moment {
		return moment{begin.running.Add(running), begin.wall.Add(wall)}
	}
	for name, tt := range map[string]struct {
		now  moment
		want time.Duration
	}{
		"both went on":      {later(time.Hour, time.Hour), 0},
		"the host slept":    {later(time.Minute, time.Hour), 59 * time.Minute},
		"its clock was set": {later(time.Hour, time.Minute), -59 * time.Minute},
	} {
		if got := begin.strayed(tt.now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// A warm sandbox becomes one that reaches something else, but gets no network card and
// loses none.
func TestWarmSandboxServesOtherNetworks(t *testing.T) {
	a, b, off := Network{Mode: policy.Allow, Allow: "a.example"}, Network{Mode: policy.Allow, Allow: "b.example"}, Network{}
	for _, tt := range []struct {
		has, wants Network
		memory     int // that is wanted
		want       bool
	}{
		{a, a, 1024, true},
		{a, b, 1024, true},
		{a, Network{Mode: policy.Open}, 1024, true},
		{off, off, 1024, true},
		{a, off, 1024, false},
		{off, a, 1024, false},
		{a, b, 2048, false},
	} {
		if got := (Config{MemoryMiB: 1024, Network: tt.has}).serves(Config{MemoryMiB: tt.memory, Network: tt.wants}); got != tt.want {
			t.Errorf("one of %v for %v with %d MiB: %t", tt.has, tt.wants, tt.memory, got)
		}
	}
}

package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
)

func TestRefusalsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		refuse := func(name string) { r.add(audit.Entry{Kind: audit.DNS, Name: name, Verdict: audit.Blocked}) }
		r.add(audit.Entry{Kind: audit.TCP, Name: "fine.example", Verdict: audit.Allowed})
		r.add(audit.Entry{Kind: audit.Packet, Name: "a.example", Verdict: audit.Blocked})
		r.add(audit.Entry{Kind: audit.DNS, Verdict: audit.Blocked})
		r.add(audit.Entry{Kind: audit.TCP, Name: "later.example", Verdict: audit.Limited}) // trying again may be of use
		if got := r.take(); got != "" {
			t.Errorf("told of nothing that was refused: %q", got)
		}
		refuse("a.example")
		refuse("a.example")
		if got, want := r.take(), "The network of this desktop refused a.example: its policy does not allow that, so trying again is of no use."; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		refuse("a.example")
		if got := r.take(); got != "" {
			t.Errorf("told again: %q", got)
		}
		time.Sleep(retell)
		refuse("a.example")
		if got := r.take(); !strings.Contains(got, "a.example") {
			t.Errorf("not told again after %v: %q", retell, got)
		}
		for i := range 100 {
			refuse(fmt.Sprintf("n%d.example", i))
		}
		if got := r.take(); !strings.Contains(got, "n0.example, n1.example, n2.example and 29 more:") {
			t.Errorf("of many: %q", got)
		}
		if len(r.told) > maxPending {
			t.Errorf("%d are remembered", len(r.told))
		}
	})
}

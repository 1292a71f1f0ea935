package policy

import (
	"strings"
	"testing"
)

func TestNarrow(t *testing.T) {
	list := mustParse(t, Allow, "a.example", "*.b.example:*", "203.0.113.0/24:443", "10.0.0.1:80")
	open := mustParse(t, Open, "10.0.0.1:80")
	for _, tt := range []struct {
		name  string
		owner *Policy
		cfg   Config
		want  string // in the error; "" when it is within the owner's
	}{
		{"nothing", list, Config{}, ""},
		{"nothing of nothing", mustParse(t, None), Config{}, ""},
		{"something of nothing", mustParse(t, None), Config{Mode: Allow}, "permits no network"},
		{"the same", list, list.Config(), ""},
		{"less", list, Config{Mode: Allow, Allow: []string{"a.example:443", "x.b.example:22", "*.x.b.example", "203.0.113.8/30:443"}}, ""},
		{"more: all", list, Config{Mode: Open}, "more than the owner"},
		{"more: a port", list, Config{Mode: Allow, Allow: []string{"a.example:22"}}, `"a.example:22"`},
		{"more: UDP", list, Config{Mode: Allow, Allow: []string{"x.b.example:53/udp"}}, "more than the owner"},
		{"more: the name above", list, Config{Mode: Allow, Allow: []string{"b.example"}}, "more than the owner"},
		{"more: names below", list, Config{Mode: Allow, Allow: []string{"*.a.example"}}, "more than the owner"},
		{"more: a wider range", list, Config{Mode: Allow, Allow: []string{"203.0.112.0/23:443"}}, "more than the owner"},
		{"more: another address", list, Config{Mode: Allow, Allow: []string{"10.0.0.2:80"}}, "more than the owner"},
		{"not understood", list, Config{Mode: Allow, Allow: []string{"?"}}, "no host name"},
		{"of open: a list", open, Config{Mode: Allow, Allow: []string{"any.example:*", "203.0.113.0/24"}}, ""},
		{"of open: open", open, Config{Mode: Open}, ""},
		{"of open: what it permits beside", open, Config{Mode: Open, Allow: []string{"10.0.0.1:80"}}, ""},
		{"of open: what it refuses", open, Config{Mode: Open, Allow: []string{"10.0.0.2:80"}}, "more than the owner"},
		{"of open: metadata", open, Config{Mode: Allow, Allow: []string{"169.254.169.254"}}, "more than the owner"},
	} {
		_, err := tt.owner.Narrow(tt.cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// TestNarrowedPolicyAsksItsOwner holds where the entries alone would say more.
func TestNarrowedPolicyAsksItsOwner(t *testing.T) {
	p, err := mustParse(t, Open).Narrow(Config{Mode: Allow, Allow: []string{"203.0.113.80"}})
	if err != nil {
		t.Fatal(err)
	}
	d := tcp("203.0.113.80:443")
	if v := p.Connect(d); !v.Allowed || v.Rule != "203.0.113.80" {
		t.Errorf("a narrowed policy does not allow what both do: %+v", v)
	}
	d.Own = true
	if v := p.Connect(d); v.Allowed {
		t.Errorf("an entry of the narrowed policy opens an address of the host: %+v", v)
	}
	p, err = mustParse(t, Allow, "*.example.com", "203.0.113.0/24").Narrow(Config{Mode: Allow, Allow: []string{"www.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Connect(tcp("203.0.113.1:443", "www.example.com", "api.example.com")); !v.Allowed || len(v.Names) != 1 || v.Names[0] != "www.example.com" {
		t.Errorf("a narrowed policy allows other names: %+v", v)
	}
	if v := p.Connect(tcp("203.0.113.1:443")); v.Allowed {
		t.Errorf("a narrowed policy allows what only its owner does: %+v", v)
	}
	if p.Name("api.example.com").Allowed {
		t.Error("a narrowed policy has names answered that only its owner allows")
	}
}

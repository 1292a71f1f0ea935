package dnstest

import (
	"fmt"
	"testing"
)

func TestServer(t *testing.T) {
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Set("www.example", "alias web.example")
	s.Set("web.example", "203.0.113.1", "10.0.0.1")
	s.Set("loop.example", "alias loop.example")
	s.Set("six.example", "2001:db8::1")
	for _, tt := range []struct{ network, name, want string }{
		{"ip4", "www.example.", "[203.0.113.1]"},
		{"ip4", "WWW.example.", "[10.0.0.1]"},
		{"ip4", "web.example.", "[10.0.0.1]"},
		{"ip6", "web.example.", "[]"},
		{"ip6", "six.example.", "[2001:db8::1]"},
		{"ip4", "loop.example.", "[]"},
		{"ip4", "none.example.", "[]"},
	} {
		got, err := s.Resolver().LookupNetIP(t.Context(), tt.network, tt.name)
		if fmt.Sprint(got) != tt.want || (err == nil) != (len(got) > 0) {
			t.Errorf("%s %s: %v, %v; want %s", tt.network, tt.name, got, err, tt.want)
		}
	}
}

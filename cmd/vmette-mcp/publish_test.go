package main

import "testing"

func TestPublishFlag(t *testing.T) {
	for in, want := range map[string]publishFlag{
		"127.0.0.1:8080:80": {"127.0.0.1:8080", 80},
		"8080:80":           {"127.0.0.1:8080", 80},
		"0:80":              {"127.0.0.1:0", 80}, // any port that is free
		"[::1]:8080:80":     {"[::1]:8080", 80},
		"0.0.0.0:8080:80":   {"0.0.0.0:8080", 80}, // which nobody gets who has not written it
		"localhost:8080:80": {"localhost:8080", 80},
		":8080:80":          {},
		"8080":              {},
		"":                  {},
		"a:b:c":             {},
		"127.0.0.1:8080:0":  {},
		"127.0.0.1::80":     {},
		"127.0.0.1:80:http": {},
		"1:65536:80":        {},
		"::1:8080:80":       {},
		"127.0.0.1:1:1:1":   {},
	} {
		var got publishFlag
		err := got.UnmarshalText([]byte(in))
		if got != want || (err == nil) != (want != publishFlag{}) {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
}

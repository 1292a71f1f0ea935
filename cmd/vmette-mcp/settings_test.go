package main

import (
	"strings"
	"testing"
)

// Whatever is in a file, each setting has a line of it and each error begins with
// one.
func FuzzSettings(f *testing.F) {
	f.Add("http = \"127.0.0.1:0\"\n\n[a]\nb = [1, 2]\n")
	f.Add("a.b.c = 1979-05-27\n\"quoted key\" = '''\nx'''\nidle = inf")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseSettings([]byte(text))
		if err != nil {
			if n := strings.IndexByte(err.Error(), ':'); n < 1 || strings.Trim(err.Error()[:n], "0123456789") != "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, e := range entries {
			if e.line < 1 || e.line > strings.Count(text, "\n")+1 {
				t.Errorf("%q: %s is in line %d", text, e.name, e.line)
			}
		}
	})
}

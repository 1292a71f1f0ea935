package repotest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckGo(t *testing.T) {
	tests := []struct {
		name, path, data string
		want             []string
	}{
		{"clean", "a.go", "package a\n", nil},
		{"too long", "a.go", "package a\n" + strings.Repeat("\n", MaxLines) + "var X int\n", []string{
			"a.go: 602 lines are more than 600: split it",
			"a.go: is not formatted: run gofmt -w",
		}},
		{"unformatted", "a.go", "package a\nvar  x int\n", []string{"a.go: is not formatted: run gofmt -w"}},
		{"vague name", "util/a.go", "package util\n", []string{"util/a.go: package name util says nothing: name it after what is in it"}},
		{"vague name of a test", "util/a_test.go", "package helpers_test\n", []string{"util/a_test.go: package name helpers_test says nothing: name it after what is in it"}},
		{"unfinished", "a.go", "package a\n\n// TO" + "DO later\n", []string{"a.go: line 3: TO" + "DO in a comment: finish it"}},
		{"sleep", "a.go", "package a\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n", []string{"a.go: line 5: time.Sleep: wait for the event itself"}},
		{"sleep as a value", "a.go", "package a\n\nimport \"time\"\n\nvar f = time.Sleep\n", []string{"a.go: line 5: time.Sleep: wait for the event itself"}},
		{"sleep in a test", "a_test.go", "package a\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n", []string{"a_test.go: line 5: time.Sleep: wait for the event itself"}},
		{"sleep on a fake clock", "a_test.go", "package a\n\nimport (\n\t\"testing/synctest\"\n\t\"time\"\n)\n\nvar _ = synctest.Wait\n\nfunc f() { time.Sleep(1) }\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, CheckGo(File{tt.path, []byte(tt.data)})); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckDocs(t *testing.T) {
	got := CheckDocs([]Package{
		{ImportPath: Module + "/a", Name: "a", Doc: "Package a is."},
		{ImportPath: Module + "/b", Name: "b"},
		{ImportPath: "example.org/c", Name: "c"},
	})
	want := []string{"b: the package has no comment that says what it is"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("complaints (-want +got):\n%s", diff)
	}
}

func TestCheckText(t *testing.T) {
	tests := []struct {
		line string
		bad  bool
	}{
		{"cd /wo" + "rk/main && make", true},
		{"path = \"/Us" + "ers/ada/vm\"", true},
		{"see /tm" + "p/brief/x", true},
		{"the folder internal/work/queue", false},
		{"https://example.org/work/shop", false},
		{"the guest keeps it in /run/vmette", false},
	}
	for _, tt := range tests {
		if got := CheckText(File{"a.md", []byte(tt.line)}); (len(got) > 0) != tt.bad {
			t.Errorf("%q: complaints %v, want some: %v", tt.line, got, tt.bad)
		}
	}
}

func TestCheckLinks(t *testing.T) {
	exists := func(p string) bool { return p == "docs/there.md" || p == "LICENSE" }
	f := File{"docs/a.md", []byte("[a](there.md#part) [b](../LICENSE) [c](#here) [d](https://example.org/x) [e](gone.md)")}
	want := []string{"docs/a.md: the link to gone.md leads nowhere"}
	if diff := cmp.Diff(want, CheckLinks(f, exists)); diff != "" {
		t.Errorf("complaints (-want +got):\n%s", diff)
	}
}

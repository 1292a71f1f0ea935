package repotest

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDarwin(t *testing.T) {
	for _, goarch := range []string{"arm64", "amd64"} {
		t.Run(goarch, func(t *testing.T) {
			bad, checked, err := CheckDarwin(t.Context(), root, goarch, nil, "./...")
			if err != nil {
				t.Fatal(err)
			}
			report(t, bad)
			if checked < 5 {
				t.Fatalf("%d packages were checked: the test looks at the wrong place", checked)
			}
		})
	}
}

// TestCheckDarwin plants files in the backend that runs on macOS alone. What is
// wrong with them nothing that is built on Linux would tell.
func TestCheckDarwin(t *testing.T) {
	const backend = "sandbox/vz"
	const head = "//go:build cgo\n\npackage vz\n\nimport \"github.com/Code-Hex/vz/v3\"\n\n"
	const onlySilicon = "var _ = (*vz.VirtualMachine).SaveMachineStateToPath"
	tests := []struct {
		goarch string
		plant  map[string]string // code by file name
		want   []string          // names of the files that are complained of
	}{
		{
			goarch: "arm64",
			plant: map[string]string{
				"planted_right_darwin.go":     "var _ = vz.VirtualMachineStateStopped",
				"planted_silicon_darwin.go":   onlySilicon,
				"planted_argument_darwin.go":  "var _, _ = vz.NewLinuxBootLoader(1)",
				"planted_constant_darwin.go":  "var _ = vz.VirtualMachineStateRestarted",
				"planted_interface_darwin.go": "var _ vm = (*vz.VirtualMachine)(nil)",
				"planted_unused_darwin.go":    "func f() { var unused vz.NSError }",
				"planted_darwin_test.go":      "var _ int = vz.ErrUnsupportedOSVersion",
				"planted_syntax_darwin.go":    "var",
			},
			want: []string{
				"planted_argument_darwin.go", "planted_constant_darwin.go", "planted_darwin_test.go",
				"planted_interface_darwin.go", "planted_syntax_darwin.go", "planted_unused_darwin.go",
			},
		},
		{
			goarch: "amd64",
			plant: map[string]string{
				"planted_right_darwin.go":   "var _ = vz.VirtualMachineStateStopped",
				"planted_silicon_darwin.go": onlySilicon,
			},
			want: []string{"planted_silicon_darwin.go"},
		},
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	planted := regexp.MustCompile(`planted\w*\.go`)
	for _, tt := range tests {
		t.Run(tt.goarch, func(t *testing.T) {
			overlay := make(map[string][]byte)
			for name, code := range tt.plant {
				overlay[filepath.Join(dir, backend, name)] = []byte(head + code + "\n")
			}
			bad, _, err := CheckDarwin(t.Context(), root, tt.goarch, overlay, "./"+backend)
			if err != nil {
				t.Fatal(err)
			}
			got := planted.FindAllString(strings.Join(bad, "\n"), -1)
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, slices.Compact(got)); diff != "" {
				t.Errorf("files complained of (-want +got):\n%s\nall complaints:\n%s", diff, strings.Join(bad, "\n"))
			}
		})
	}
}

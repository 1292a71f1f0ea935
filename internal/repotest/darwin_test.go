package repotest

import (
	"go/build"
	"path"
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
			for _, file := range builtOnDarwin(t, goarch) {
				if !slices.Contains(checked, file) {
					t.Errorf("%s was not checked", file)
				}
			}
		})
	}
}

// builtOnDarwin returns the absolute paths of all files of Go in the repository that
// are for macOS: those of which build tags, names and folders do not say that they
// are not.
func builtOnDarwin(t *testing.T, goarch string) []string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags = "darwin", goarch, true, darwinTags
	var built []string
	for _, f := range files(t) {
		folder, name := path.Split(f.Path)
		if path.Ext(name) != ".go" || strings.Contains("/"+folder, "/testdata/") || isLinuxOnly(Module+"/"+path.Clean(folder)) {
			continue
		}
		ok, err := c.MatchFile(filepath.Join(dir, folder), name)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			built = append(built, filepath.Join(dir, f.Path))
		}
	}
	if len(built) == 0 {
		t.Fatal("no file is built on macOS: the test looks at the wrong place")
	}
	return built
}

// TestCheckDarwin plants files in the backend that runs on macOS alone, and in the
// library for C. What is wrong with them nothing that is built on Linux would tell.
func TestCheckDarwin(t *testing.T) {
	heads := map[string]string{ // of what is planted, by folder
		"sandbox/vz": "//go:build cgo\n\npackage vz\n\nimport \"github.com/Code-Hex/vz/v3\"\n\n",
		"capi":       "//go:build cgo && libvmette\n\npackage main\n\nimport \"C\"\n\nimport \"" + Module + "/capi/internal/oneshot\"\n\n",
	}
	const onlySilicon = "var _ = (*vz.VirtualMachine).SaveMachineStateToPath"
	tests := []struct {
		goarch string
		plant  map[string]string // code by path
		want   []string          // names of the files that are complained of
	}{
		{
			goarch: "arm64",
			plant: map[string]string{
				"sandbox/vz/planted_right_darwin.go":     "var _ = vz.VirtualMachineStateStopped",
				"sandbox/vz/planted_silicon_darwin.go":   onlySilicon,
				"sandbox/vz/planted_argument_darwin.go":  "var _, _ = vz.NewLinuxBootLoader(1)",
				"sandbox/vz/planted_constant_darwin.go":  "var _ = vz.VirtualMachineStateRestarted",
				"sandbox/vz/planted_interface_darwin.go": "var _ vm = (*vz.VirtualMachine)(nil)",
				"sandbox/vz/planted_unused_darwin.go":    "func f() { var unused vz.NSError }",
				"sandbox/vz/planted_darwin_test.go":      "var _ int = vz.ErrUnsupportedOSVersion",
				"sandbox/vz/planted_syntax_darwin.go":    "var",
				"capi/planted_exports.go":                "func f(n C.int) (c oneshot.Config) { c.CPUs = uint32(n); return }",
				"capi/planted_field.go":                  "func g(n C.int) (c oneshot.Config) { c.Processors = uint32(n); return }",
				"capi/planted_type.go":                   "func h() (c oneshot.Config) { c.CPUs = \"two\"; return }",
			},
			want: []string{
				"planted_argument_darwin.go", "planted_constant_darwin.go", "planted_darwin_test.go", "planted_field.go",
				"planted_interface_darwin.go", "planted_syntax_darwin.go", "planted_type.go", "planted_unused_darwin.go",
			},
		},
		{
			goarch: "amd64",
			plant: map[string]string{
				"sandbox/vz/planted_right_darwin.go":   "var _ = vz.VirtualMachineStateStopped",
				"sandbox/vz/planted_silicon_darwin.go": onlySilicon,
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
				overlay[filepath.Join(dir, name)] = []byte(heads[path.Dir(name)] + code + "\n")
			}
			bad, _, err := CheckDarwin(t.Context(), root, tt.goarch, overlay, "./sandbox/vz", "./capi")
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

package repotest

import (
	"path/filepath"
	"strings"
	"testing"
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

// TestCheckDarwin plants mistakes in the backend that runs on macOS alone. Each is
// one that nothing built on Linux would tell of.
func TestCheckDarwin(t *testing.T) {
	const backend = "sandbox/vz"
	const head = "//go:build cgo\n\npackage vz\n\nimport \"github.com/Code-Hex/vz/v3\"\n\n"
	tests := []struct {
		name   string
		file   string
		code   string
		goarch string
		want   string // "" means no complaint
	}{
		{"nothing wrong", "planted_darwin.go", "var _ = vz.VirtualMachineStateStopped", "arm64", ""},
		{"argument of a wrong type", "planted_darwin.go", "var _, _ = vz.NewLinuxBootLoader(1)", "arm64", "planted_darwin.go:7:"},
		{"a constant that there is not", "planted_darwin.go", "var _ = vz.VirtualMachineStateRestarted", "arm64", "VirtualMachineStateRestarted"},
		{"in a test", "planted_darwin_test.go", "var _ int = vz.ErrUnsupportedOSVersion", "arm64", "planted_darwin_test.go:7:"},
		{"an interface of ours that is not met", "planted_darwin.go", "var _ vm = (*vz.VirtualMachine)(nil)", "arm64", "does not implement vm"},
		{"what only Apple silicon has, there", "planted_darwin.go", "var _ = (*vz.VirtualMachine).SaveMachineStateToPath", "arm64", ""},
		{"what only Apple silicon has, on Intel", "planted_darwin.go", "var _ = (*vz.VirtualMachine).SaveMachineStateToPath", "amd64", "SaveMachineStateToPath"},
		{"a file that does not parse", "planted_darwin.go", "var", "amd64", "planted_darwin.go:7:"},
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			overlay := map[string][]byte{filepath.Join(dir, backend, tt.file): []byte(head + tt.code + "\n")}
			bad, _, err := CheckDarwin(t.Context(), root, tt.goarch, overlay, "./"+backend)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(bad, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("complaints %q, want %q", got, tt.want)
			}
		})
	}
}

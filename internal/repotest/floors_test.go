package repotest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckFloors(t *testing.T) {
	tests := []struct {
		name    string
		folder  string
		imports []string
		want    []string
	}{
		{
			name:    "arrows that go down",
			folder:  "cmd/vmette-mcp",
			imports: []string{"os", Module + "/mcp", Module + "/sandbox/qemu", "github.com/alecthomas/kong"},
		},
		{
			name:    "within a floor",
			folder:  "guest/desktop-agent/internal/serve",
			imports: []string{Module + "/guest/desktop-agent/internal/x11", Module + "/desktop"},
		},
		{
			name:    "an arrow that climbs",
			folder:  "sandbox",
			imports: []string{Module + "/mcp"},
			want:    []string{"sandbox imports " + Module + "/mcp: sandbox may import of ours only [sandbox/egress desktop]"},
		},
		{
			name:    "a backend that knows another",
			folder:  "sandbox/qemu",
			imports: []string{Module + "/sandbox/vz"},
			want:    []string{"sandbox/qemu imports " + Module + "/sandbox/vz: sandbox/qemu may import of ours only [sandbox sandbox/vhostvsock desktop]"},
		},
		{
			name:    "the server that knows a backend",
			folder:  "mcp",
			imports: []string{Module + "/sandbox/qemu"},
			want:    []string{"mcp imports " + Module + "/sandbox/qemu: mcp may import of ours only [mcp/auth mcp/guard mcp/quota mcp/mcpgo mcp/rpc mcp/transport mcp/picture sandbox desktop]"},
		},
		{
			name:    "the agent that knows the host",
			folder:  "guest/desktop-agent",
			imports: []string{Module + "/sandbox"},
			want:    []string{"guest/desktop-agent imports " + Module + "/sandbox: guest/desktop-agent may import of ours only [desktop]"},
		},
		{
			name:    "the protocol with a dependency",
			folder:  "desktop",
			imports: []string{"encoding/json", "golang.org/x/sys/unix"},
			want:    []string{"desktop imports golang.org/x/sys/unix: desktop imports the standard library alone"},
		},
		{
			name:    "a library outside its home",
			folder:  "cmd/vmette-mcp",
			imports: []string{"github.com/mark3labs/mcp-go/client"},
			want:    []string{"cmd/vmette-mcp imports github.com/mark3labs/mcp-go/client: it is imported in mcp and test/conformance alone"},
		},
		{
			name:    "cgo",
			folder:  "sandbox/vz",
			imports: []string{"C"},
			want:    []string{"sandbox/vz imports C: no package but capi has cgo of its own"},
		},
		{
			name:   "a package on no floor",
			folder: "pkg/stuff",
			want:   []string{"pkg/stuff stands on no floor: add its folder to Floors"},
		},
		{
			name:    "a name that merely begins alike",
			folder:  "desktopish",
			imports: []string{Module + "/desktop"},
			want:    []string{"desktopish stands on no floor: add its folder to Floors"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := CheckFloors([]Package{{ImportPath: Module + "/" + tt.folder, Imports: tt.imports}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckFloorsIgnoresOtherModules(t *testing.T) {
	got := CheckFloors([]Package{{ImportPath: "example.org/x", Imports: []string{Module + "/mcp"}}})
	if len(got) != 0 {
		t.Errorf("complaints about another module: %v", got)
	}
}

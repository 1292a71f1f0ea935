package rootfs

import (
	"os"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/rootfs/internal/probe"
)

// TestIntegrationImageBoots boots the images and looks at what is in them
// with the eyes of a program inside.
func TestIntegrationImageBoots(t *testing.T) {
	for _, tt := range []struct {
		spec  string
		steps []probe.Step
		want  map[string]string // step and what its output must contain
	}{
		{
			spec: MinimalSpec,
			steps: []probe.Step{
				{Name: "user", Run: "id && ls -A / && cat /etc/hostname && sudo -n true; echo sudo $?"},
				{Name: "fonts", Run: "fc-cache -v /usr/share/fonts | head -3; fc-list | wc -l"},
				{Name: "modprobe", Run: "modprobe -a fuse ext4 virtio_net loop erofs && echo loaded", Root: true},
				{Name: "xserver", Run: "Xvnc :7 -displayfd 3 3>&1 -SecurityTypes None -rfbport -1 -ac 2>/tmp/xlog & n=$!; sleep 20; cat /tmp/xlog; kill $n"},
			},
		},
	} {
		t.Run(tt.spec, func(t *testing.T) {
			s, err := Open(os.Getenv("STORE"))
			if err != nil {
				t.Fatal(err)
			}
			img, err := s.Build(t.Context(), tt.spec, nil)
			if err != nil {
				t.Fatal(err)
			}
			results, err := probe.Boot(t.Context(), probe.Machine{Kernel: img.Kernel, Modules: img.Modules, Root: img.Root},
				probe.Plan{Type: img.RootFormat, Steps: tt.steps})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				t.Logf("%s %.2fs %s\n%s", r.Name, r.Seconds, r.Error, strings.TrimSpace(r.Output))
			}
		})
	}
}

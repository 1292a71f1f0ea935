package rootfs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs/internal/probe"
)

// BenchmarkRootFormat packs the tree of the default image in several ways and
// measures how a guest without KVM reads each from a cold cache: the programs
// of the desktop, and Chromium up to the moment it has loaded a page. It needs
// root, the image in the store, and a quiet machine:
//
//	go test ./rootfs -run '^$' -bench RootFormat -benchtime 1x -timeout 60m
func BenchmarkRootFormat(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("unpacking an image with its owners needs root")
	}
	store, err := Open("")
	if err != nil {
		b.Fatal(err)
	}
	img, err := store.Get(b.Context(), DefaultSpec)
	if err != nil {
		b.Fatal(err)
	}
	tree := filepath.Join(b.TempDir(), "tree")
	command(b, "unsquashfs", "-n", "-d", tree, img.Root)
	for _, f := range []struct{ name, kind, options string }{
		{"squashfs/none/128K", "squashfs", "-noI -noD -noF -noX -b 128K"},
		{"squashfs/lz4/64K", "squashfs", "-comp lz4 -b 64K"},
		{"squashfs/lz4/128K", "squashfs", "-comp lz4 -b 128K"},
		{"squashfs/lz4hc/64K", "squashfs", "-comp lz4 -Xhc -b 64K"},
		{"squashfs/lz4hc/128K", "squashfs", "-comp lz4 -Xhc -b 128K"},
		{"squashfs/lz4hc/256K", "squashfs", "-comp lz4 -Xhc -b 256K"},
		{"squashfs/zstd3/128K", "squashfs", "-comp zstd -Xcompression-level 3 -b 128K"},
		{"squashfs/zstd15/128K", "squashfs", "-comp zstd -Xcompression-level 15 -b 128K"},
		{"squashfs/gzip/128K", "squashfs", "-comp gzip -b 128K"},
		{"erofs/none", "erofs", ""},
		{"erofs/lz4", "erofs", "-zlz4"},
		{"erofs/lz4hc", "erofs", "-zlz4hc"},
		{"erofs/lz4hc/64K", "erofs", "-zlz4hc -C65536"},
	} {
		b.Run(f.name, func(b *testing.B) {
			for range b.N {
				measureFormat(b, tree, img.Kernel, f.kind, strings.Fields(f.options))
			}
		})
	}
}

func measureFormat(b *testing.B, tree, kernel, kind string, options []string) {
	root := filepath.Join(b.TempDir(), "root."+kind)
	defer os.Remove(root)
	began := time.Now()
	if kind == "squashfs" {
		command(b, "mksquashfs", append([]string{tree, root, "-quiet", "-no-progress"}, options...)...)
	} else {
		command(b, "mkfs.erofs", append(append([]string{"--quiet"}, options...), root, tree)...)
	}
	b.ReportMetric(time.Since(began).Seconds(), "pack-s")
	fi, err := os.Stat(root)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(fi.Size())/(1<<20), "MiB")

	results, err := probe.Boot(b.Context(), probe.Machine{Kernel: kernel, Modules: modulesFor(b, tree, kind), Root: root}, probe.Plan{
		Type: kind,
		Steps: []probe.Step{
			{Name: "desktop-s", Read: []string{
				"/usr/bin/Xtigervnc", "/usr/bin/openbox", "/usr/bin/tint2", "/usr/bin/xterm", "/usr/bin/dbus-daemon",
				"/usr/lib/x86_64-linux-gnu/lib[a-hm-z]*.so.[0-9]", "/usr/share/X11/xkb/*/*", "/usr/share/fonts/truetype/dejavu/*",
				"/etc/fonts/conf.d/*", "/var/cache/fontconfig/*",
			}},
			{Name: "chromium-s", Run: "timeout 300 chromium --headless --dump-dom 'data:text/html,<p>loaded</p>' 2>/dev/null | grep -c loaded"},
			{Name: "read-s", Read: []string{"/usr/lib/chromium/*", "/usr/share/fonts/*/noto/*"}},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range results {
		if r.Error != "" {
			b.Fatalf("%s: %s\n%s", r.Name, r.Error, r.Output)
		}
		switch r.Name {
		case "kernel", "root":
		default:
			b.ReportMetric(r.Seconds, r.Name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// modulesFor makes the archive of modules that a root of kind needs.
func modulesFor(b *testing.B, tree, kind string) string {
	archive := filepath.Join(b.TempDir(), "modules.tar")
	command(b, "tar", "-C", filepath.Join(tree, "usr/lib/modules"), "-cf", archive, ".")
	f, err := os.Open(archive)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	_, modules, err := selectModules(f, append([]string{kind}, bootModules...))
	if err != nil {
		b.Fatal(err)
	}
	out, err := os.Create(filepath.Join(b.TempDir(), modulesFile))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if err := writeArchive(out, moduleArchive(modules)); err != nil {
		b.Fatal(err)
	}
	return out.Name()
}

func command(tb testing.TB, name string, args ...string) {
	tb.Helper()
	if out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

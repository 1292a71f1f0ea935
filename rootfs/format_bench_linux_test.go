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
// counts the instructions that an emulated guest needs to read each from a cold
// cache: the programs of the desktop, and Chromium with the large fonts. The
// counts are in billions, and do not depend on what else the host does. It
// needs root and the image in the store:
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
		{"squashfs-none", "squashfs", "-noI -noD -noF -noX -b 128K"},
		{"squashfs-lz4", "squashfs", "-comp lz4 -b 128K"},
		{"squashfs-lz4hc-256K", "squashfs", "-comp lz4 -Xhc -b 256K"},
		{"squashfs-zstd3", "squashfs", "-comp zstd -Xcompression-level 3 -b 128K"},
		{"squashfs-gzip", "squashfs", "-comp gzip -b 128K"},
		{"erofs-none", "erofs", ""},
		{"erofs-lz4", "erofs", "-zlz4"},
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

	plan := probe.Plan{Type: kind, Steps: []probe.Step{
		{Name: "desktop", Read: []string{
			"/usr/bin/Xtigervnc", "/usr/bin/openbox", "/usr/bin/tint2", "/usr/bin/xterm", "/usr/bin/dbus-daemon",
			"/usr/lib/x86_64-linux-gnu/lib[a-hm-z]*.so.[0-9]", "/usr/share/X11/xkb/*/*", "/usr/share/fonts/truetype/dejavu/*",
			"/etc/fonts/conf.d/*", "/var/cache/fontconfig/*",
		}},
		{Name: "chromium", Read: []string{"/usr/lib/chromium/*.pak", "/usr/lib/chromium/*.so", "/usr/lib/chromium/*.dat", "/usr/lib/chromium/chromium", "/usr/share/fonts/*/noto/*"}},
	}}
	machine := probe.Machine{Kernel: kernel, Modules: modulesFor(b, tree, kind), Root: root, Count: true}
	results, err := probe.Boot(b.Context(), machine, plan)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range results {
		switch {
		case r.Error != "":
			b.Fatalf("%s: %s", r.Name, r.Error)
		case r.Bytes > 0:
			b.ReportMetric(r.Busy, r.Name+"-Ginstr")
			b.ReportMetric(float64(r.Bytes)/(1<<20), r.Name+"-MiB")
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
	modules, err := selectModules(f, append([]string{kind}, bootModules...), nil)
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

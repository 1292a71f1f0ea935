package rootfs

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
)

const someDeps = `kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio-pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/fs/overlay.ko:
kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/net/core/failover.ko:
`

func TestModuleOrder(t *testing.T) {
	deps, err := parseModulesDep(strings.NewReader(someDeps))
	if err != nil {
		t.Fatal(err)
	}
	got, err := deps.order([]string{"virtio_pci", "overlay", "virtio"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kernel/drivers/virtio/virtio_ring.ko", "kernel/drivers/virtio/virtio.ko",
		"kernel/drivers/virtio/virtio-pci.ko", "kernel/fs/overlay.ko",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestModuleOrderRefuses(t *testing.T) {
	for _, tt := range []struct{ deps, name, want string }{
		{"a.ko:\n", "b", "no module b"},
		{"a.ko: b.ko\nb.ko: a.ko\n", "a", "needs itself"},
		{"a.ko: b.ko\n", "a", "b.ko is not listed"},
	} {
		deps, err := parseModulesDep(strings.NewReader(tt.deps))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := deps.order([]string{tt.name}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("order of %q: %v, want %q", tt.deps, err, tt.want)
		}
	}
	if _, err := parseModulesDep(strings.NewReader("no colon\n")); err == nil {
		t.Error("a line without a module is taken")
	}
}

func FuzzModulesDep(f *testing.F) {
	f.Add(someDeps, "virtio_pci")
	f.Add("a.ko: b.ko\nb.ko: a.ko\n", "a")
	f.Fuzz(func(t *testing.T, text, name string) {
		deps, err := parseModulesDep(strings.NewReader(text))
		if err != nil {
			return
		}
		order, err := deps.order([]string{name})
		if err != nil {
			return
		}
		for i, p := range order {
			for _, need := range deps[p] {
				if at := slices.Index(order, need); at < 0 || at > i {
					t.Errorf("%s comes before %s, which it needs", p, need)
				}
			}
		}
	})
}

// TestSelectModules goes from a tar archive of /usr/lib/modules to the cpio
// archive that the kernel unpacks.
func TestSelectModules(t *testing.T) {
	files := map[string]string{
		"modules/6.1.0-cloud/modules.dep":                          someDeps,
		"modules/6.1.0-cloud/kernel/drivers/virtio/virtio.ko":      "virtio",
		"modules/6.1.0-cloud/kernel/drivers/virtio/virtio_ring.ko": "ring",
		"modules/6.1.0-cloud/kernel/fs/overlay.ko":                 "overlay",
		"modules/6.1.0-cloud/kernel/drivers/net/virtio_net.ko":     "card",
		"modules/6.1.0-cloud/kernel/net/core/failover.ko":          "failover",
	}
	modules, err := selectModules(tarOf(t, files), []string{"virtio", "overlay"}, []string{"virtio_net"})
	if err != nil {
		t.Fatal(err)
	}
	if modules.version != "6.1.0-cloud" {
		t.Errorf("kernel version is %q", modules.version)
	}
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := writeArchive(w, moduleArchive(modules)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same modules differ")
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(a.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	console, ok := archive.Get("dev/console")
	if !ok || console.Mode != cpio.S_IFCHR|0o600 || console.Rmajor != 5 || console.Rminor != 1 {
		t.Errorf("dev/console is %v", console.Info)
	}
	list := "lib/modules/virtio_ring.ko\nlib/modules/virtio.ko\nlib/modules/overlay.ko\n"
	want := map[string]string{
		desktop.ModulesFile: list, "lib/modules/virtio_ring.ko": "ring",
		"lib/modules/virtio.ko": "virtio", "lib/modules/overlay.ko": "overlay",
		desktop.DriversFile:       "virtio_net: lib/modules/failover.ko lib/modules/virtio_net.ko\n",
		"lib/modules/failover.ko": "failover", "lib/modules/virtio_net.ko": "card",
	}
	if diff := cmp.Diff(want, regularFiles(t, archive)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

func TestSelectModulesRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no list":        {"modules/x/kernel/a.ko": ""},
		"missing module": {"modules/x/modules.dep": "kernel/virtio.ko:\n"},
	} {
		if _, err := selectModules(tarOf(t, files), []string{"virtio"}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := selectModules(bytes.NewReader(make([]byte, 100)), nil, nil); err == nil {
		t.Error("half a tar block: no error")
	}
}

func tarOf(t testing.TB, files map[string]string) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, contents := range files {
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: int64(len(contents))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(contents)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

func regularFiles(t testing.TB, archive *cpio.Archive) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for name, r := range archive.Files {
		if r.Mode&cpio.S_IFMT == cpio.S_IFREG {
			b := make([]byte, r.FileSize)
			if _, err := r.ReadAt(b, 0); err != nil && len(b) > 0 {
				t.Fatal(err)
			}
			files[name] = string(b)
		}
	}
	return files
}

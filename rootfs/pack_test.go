package rootfs

import (
	"archive/tar"
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// TestPack has the packer itself read what is hard to say in a tar archive, and
// another program read what it made of that.
func TestPack(t *testing.T) {
	long := strings.Repeat("n", 255)
	young := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "bin/sudo", Typeflag: tar.TypeReg, Mode: 0o4755},
		{Name: "bin/again", Typeflag: tar.TypeLink, Linkname: "bin/sudo"},
		{Name: "bin/ping", Typeflag: tar.TypeReg, Mode: 0o755, Uid: 3_000_000_000, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		}},
		{Name: "a\nb/" + long, Typeflag: tar.TypeReg, Mode: 0o600},
		{Name: "ü/\xff", Typeflag: tar.TypeSymlink, Linkname: "../a\nb/" + long},
		{Name: "p", Typeflag: tar.TypeFifo, Mode: 0o644},
		{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: young},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	merged, err := tree.Merge(t.Context(), tree.Limits{}, &tree.Archive{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	same := func(r io.Reader) io.Reader { return r }
	if err := pack(t.Context(), dir, dir, merged.Newest(), same, merged.WriteTar); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, rootFile)
	again := t.TempDir()
	if err := pack(t.Context(), again, again, merged.Newest(), same, merged.WriteTar); err != nil {
		t.Fatal(err)
	}
	one, err1 := hashFile(dir, rootFile)
	two, err2 := hashFile(again, rootFile)
	if err1 != nil || err2 != nil || one != two {
		t.Errorf("packed twice: %v, %v and %v, %v", one, err1, two, err2)
	}
	if err := checkSquashfs(root); err != nil {
		t.Error(err)
	}
	out, err := exec.CommandContext(t.Context(), "unsquashfs", "-UTC", "-lln", root).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.ReplaceAll(strings.TrimSuffix(string(out), "\n"), long, "LONG"), "\n")
	for i, line := range got {
		// Sizes are padded, and of no interest.
		if f := strings.Fields(line); len(f) > 5 && len(f[0]) == 10 {
			got[i] = f[0] + " " + f[1] + " " + f[3][:4] + " " + strings.Join(f[5:], " ")
		}
	}
	want := []string{
		"-rw------- 0/0 1970 squashfs-root/a", "-rwsr-xr-x 0/0 1970 squashfs-root/bin/again", "-rwsr-xr-x 0/0 1970 squashfs-root/bin/sudo",
		"-rwxr-xr-x 3000000000/0 1970 squashfs-root/bin/ping",
		"b", "b/LONG", "b/LONG", // what follows the newline
		"drwxr-xr-x 0/0 2025 squashfs-root", "drwxr-xr-x 0/0 1970 squashfs-root/a", "drwxr-xr-x 0/0 1970 squashfs-root/bin",
		"drwxr-xr-x 0/0 1970 squashfs-root/ü", "drwxrwxrwt 0/0 2025 squashfs-root/tmp",
		"lrwxrwxrwx 0/0 1970 squashfs-root/ü/\xff -> a", "prw-r--r-- 0/0 1970 squashfs-root/p",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
}

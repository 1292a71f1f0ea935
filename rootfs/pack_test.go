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

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// TestPack has the packer itself read what is hard to say in a tar archive, and
// another program read what it made of that.
func TestPack(t *testing.T) {
	long := strings.Repeat("n", 255)
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
		{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777},
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
	if err := pack(t.Context(), dir, dir, same, merged.WriteTar); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, rootFile)
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
			got[i] = f[0] + " " + f[1] + " " + strings.Join(f[5:], " ")
		}
	}
	slices.Sort(got)
	want := []string{
		"-rw------- 0/0 squashfs-root/a", "-rwsr-xr-x 0/0 squashfs-root/bin/again", "-rwsr-xr-x 0/0 squashfs-root/bin/sudo",
		"-rwxr-xr-x 3000000000/0 squashfs-root/bin/ping",
		"b", "b/LONG", "b/LONG", // what follows the newline
		"drwxr-xr-x 0/0 squashfs-root", "drwxr-xr-x 0/0 squashfs-root/a", "drwxr-xr-x 0/0 squashfs-root/bin",
		"drwxr-xr-x 0/0 squashfs-root/ü", "drwxrwxrwt 0/0 squashfs-root/tmp",
		"lrwxrwxrwx 0/0 squashfs-root/ü/\xff -> a", "prw-r--r-- 0/0 squashfs-root/p",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
}

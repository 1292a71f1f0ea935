package tree

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		layers [][]tar.Header
		want   []string
	}{
		{
			name:   "a later layer replaces files and keeps the rest of a directory",
			layers: [][]tar.Header{{dir("d"), file("d/a"), file("d/b")}, {dir("d"), symlink("d/b", "a"), file("d/c")}},
			want:   []string{"d/", "d/a: contents of d/a", "d/b -> a", "d/c: contents of d/c"},
		},
		{
			name:   "a whiteout removes what earlier layers have",
			layers: [][]tar.Header{{file("d/a"), file("d/b"), file("e/f/g")}, {file("d/.wh.a"), file(".wh.e")}},
			want:   []string{"d/", "d/b: contents of d/b"},
		},
		{
			name:   "a whiteout spares its own layer, wherever it stands in it",
			layers: [][]tar.Header{{file("d/old"), file("d/a")}, {file("d/a"), file(".wh.d"), file("d/b")}},
			want:   []string{"d/", "d/a: contents of d/a", "d/b: contents of d/b"},
		},
		{
			name:   "an opaque whiteout empties a directory of what earlier layers have",
			layers: [][]tar.Header{{file("d/a"), file("d/e/f")}, {file("d/b"), file("d/.wh..wh..opq")}},
			want:   []string{"d/", "d/b: contents of d/b"},
		},
		{
			name:   "whiteouts of what is not there do nothing",
			layers: [][]tar.Header{{file("a")}, {file("d/.wh.a"), file("x/.wh..wh..opq"), file(".wh..wh.aufs")}},
			want:   []string{"a: contents of a"},
		},
		{
			name:   "a file below a link to a directory goes where the link leads",
			layers: [][]tar.Header{{dir("usr/bin"), symlink("bin", "usr/bin")}, {file("bin/sh")}},
			want:   []string{"bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/sh: contents of bin/sh"},
		},
		{
			name:   "a hard link reaches a file of an earlier layer",
			layers: [][]tar.Header{{file("a")}, {link("b", "./a"), link("0", "/b")}},
			want:   []string{"0: contents of a", "a = 0", "b = 0"},
		},
		{
			name:   "a name of a file with several can be replaced alone",
			layers: [][]tar.Header{{file("a"), link("b", "a")}, {file("a")}},
			want:   []string{"a: contents of a", "b: contents of a"},
		},
		{
			name:   "a pipe and a link to a link",
			layers: [][]tar.Header{{{Name: "p", Typeflag: tar.TypeFifo}, symlink("s", "p"), link("t", "s")}},
			want:   []string{"p|", "s -> p", "t -> p"},
		},
		{
			name: "capabilities of programs are kept",
			layers: [][]tar.Header{{{Name: "ping", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{
				"SCHILY.xattr.security.capability": "cap", "SCHILY.xattr.security.selinux": "x",
			}}}},
			want: []string{"ping: contents of ping security.capability=cap"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sources []Source
			for _, l := range tt.layers {
				sources = append(sources, layer(archive(t, l...)))
			}
			stream, err := merge(t, Limits{}, sources...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, listing(t, stream)); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlainArchive has a file that would be a whiteout in a layer.
func TestPlainArchive(t *testing.T) {
	b := archive(t, file("a"), file(".wh.a"))
	plain := &Archive{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
	stream, err := merge(t, Limits{}, plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{".wh.a: contents of .wh.a", "a: contents of a"}, listing(t, stream)); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

// TestAttributes keeps what makes a system work in a guest, where root is root.
func TestAttributes(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	stream, err := merge(t, Limits{}, layer(archive(t,
		tar.Header{Name: "sudo", Typeflag: tar.TypeReg, Mode: 0o4755, ModTime: at},
		tar.Header{Name: "mail", Typeflag: tar.TypeDir, Mode: 0o2775, Uid: 70_000, Gid: 8, ModTime: time.Unix(-5, 0)},
		tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: time.Unix(1<<40, 0)},
	)))
	if err != nil {
		t.Fatal(err)
	}
	type attributes struct {
		Mode     int64
		UID, GID int
		ModTime  int64
	}
	got := make(map[string]attributes)
	for r := tar.NewReader(bytes.NewReader(stream)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = attributes{h.Mode, h.Uid, h.Gid, h.ModTime.Unix()}
	}
	want := map[string]attributes{
		"sudo":  {0o4755, 0, 0, at.Unix()},
		"mail/": {0o2775, 70_000, 8, 0},
		"tmp/":  {0o1777, 0, 0, 1<<32 - 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestCompressions(t *testing.T) {
	plain := archive(t, dir("d"), file("d/a"), file("b"))
	packed, err := os.ReadFile("testdata/small.tar.xz")
	if err != nil {
		t.Fatal(err)
	}
	want, err := merge(t, Limits{}, layer(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"gzip": gzipped(t, plain), "zstd": zstded(t, plain), "xz": packed} {
		got, err := merge(t, Limits{}, layer(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(listing(t, want), listing(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDigest(t *testing.T) {
	b := archive(t, file("a"))
	sum := sha256.Sum256(b)
	a := layer(gzipped(t, b)).(*Archive)
	a.Digest = hex.EncodeToString(sum[:])
	if _, err := merge(t, Limits{}, a); err != nil {
		t.Errorf("the right digest: %v", err)
	}
	a.Digest = strings.Repeat("0", 64)
	if _, err := merge(t, Limits{}, a); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("another digest: %v", err)
	}
}

// TestChanged exchanges an archive after it has been looked at.
func TestChanged(t *testing.T) {
	for name, after := range map[string][]byte{
		"larger file":    archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 100}),
		"other contents": bytes.Replace(archive(t, file("a")), []byte("contents of a"), []byte("contents of b"), 1),
		"fewer files":    archive(t, dir("d")),
	} {
		t.Run(name, func(t *testing.T) {
			b := archive(t, file("a"))
			tr, err := Merge(t.Context(), Limits{}, &Archive{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }})
			if err != nil {
				t.Fatal(err)
			}
			b = after
			if err := tr.WriteTar(t.Context(), io.Discard); !errors.Is(err, errChanged) {
				t.Errorf("WriteTar: %v, want %v", err, errChanged)
			}
		})
	}
}

func TestDirectory(t *testing.T) {
	top := t.TempDir()
	outside := t.TempDir()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644))
	check(os.Mkdir(filepath.Join(top, "d"), 0o750))
	check(os.WriteFile(filepath.Join(top, "d", "a"), []byte("one"), 0o640))
	check(os.Link(filepath.Join(top, "d", "a"), filepath.Join(top, "d", "b")))
	check(os.Symlink(outside, filepath.Join(top, "out")))
	check(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(top, "f")))
	check(syscall.Mkfifo(filepath.Join(top, "p"), 0o600))
	stream, err := merge(t, Limits{}, &Directory{Path: top})
	check(err)
	want := []string{
		"d/", "d/a: one", "d/b = d/a", "f -> " + filepath.Join(outside, "secret"), "out -> " + outside, "p|",
	}
	if diff := cmp.Diff(want, listing(t, stream)); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
	for r := tar.NewReader(bytes.NewReader(stream)); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d, want root", h.Name, h.Uid, h.Gid)
		}
	}
	if _, err := merge(t, Limits{}, &Directory{Path: filepath.Join(top, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// FuzzMerge merges two layers that come from anywhere. What is written must be
// fit for the next reader: see listing.
func FuzzMerge(f *testing.F) {
	f.Add(archive(f, dir("d"), file("d/a"), link("b", "d/a"), symlink("s", "d")), archive(f, file("s/.wh.a"), file("s/c")))
	f.Add(sparse(f, 1000), gzipped(f, archive(f, file("d/.wh..wh..opq"))))
	f.Add([]byte("\xfd7zXZ\x00"), []byte("\x28\xb5\x2f\xfd"))
	small := Limits{Entries: 1000, Metadata: 1 << 16, Bytes: 1 << 20, Ratio: 100, Slack: 1 << 16}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		stream, err := merge(t, small, layer(one), layer(two))
		if err != nil {
			return
		}
		listing(t, stream)
		again, err := merge(t, small, layer(one), layer(two))
		if err != nil || !bytes.Equal(stream, again) {
			t.Errorf("a second time: another stream, %v", err)
		}
	})
}

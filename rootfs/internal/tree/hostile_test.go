package tree

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// TestHostileArchives has an attack in each row. Each runs beside a directory of
// the host, VICTIM, with a file in it that holds "secret". Afterwards that
// directory must be as it was, and what is packed must neither hold the secret
// nor a name that leads out of the tree.
func TestHostileArchives(t *testing.T) {
	tests := []struct {
		attack string
		layers [][]tar.Header // VICTIM stands for the directory's path
		refuse string         // why it is refused; empty when it is harmless
		want   []string       // what is packed then
	}{
		{
			attack: "climb out of the tree by the name of a file",
			layers: [][]tar.Header{{file("../../../../../../../../../../VICTIM/file")}},
			refuse: `".." in it`,
		},
		{
			attack: "climb out after a step into the tree",
			layers: [][]tar.Header{{dir("a"), file("a/../../VICTIM/file")}},
			refuse: `".." in it`,
		},
		{
			attack: "write to an absolute path",
			layers: [][]tar.Header{{file("VICTIM/file")}},
			want:   []string{"VICTIM/file: contents of VICTIM/file"},
		},
		{
			attack: "write through a symbolic link to a directory of the host",
			layers: [][]tar.Header{{symlink("out", "VICTIM"), file("out/file")}},
			want:   []string{"VICTIM/file: contents of out/file", "out -> VICTIM"},
		},
		{
			attack: "write through a symbolic link that climbs",
			layers: [][]tar.Header{{symlink("a/out", "../../../../../../../../VICTIM"), file("a/out/file")}},
			want:   []string{"VICTIM/file: contents of a/out/file", "a/out -> ../../../../../../../../VICTIM"},
		},
		{
			attack: "write through two links, each of them harmless",
			layers: [][]tar.Header{{dir("d"), symlink("d/up", ".."), symlink("up", "d/up/.."), file("up/VICTIM/file")}},
			want:   []string{"VICTIM/file: contents of up/VICTIM/file", "d/up -> ..", "up -> d/up/.."},
		},
		{
			attack: "put a link where a directory was announced, then write into it",
			layers: [][]tar.Header{{dir("d"), symlink("d", "VICTIM"), file("d/file")}},
			want:   []string{"VICTIM/file: contents of d/file", "d -> VICTIM"},
		},
		{
			attack: "write to a file that is a symbolic link",
			layers: [][]tar.Header{{symlink("f", "VICTIM/file"), file("f")}},
			want:   []string{"f: contents of f"},
		},
		{
			attack: "set the mode of a link's target",
			layers: [][]tar.Header{{symlink("d", "VICTIM"), {Name: "d", Typeflag: tar.TypeDir, Mode: 0o777}}},
			want:   []string{"d/"},
		},
		{
			attack: "read a file of the host by a hard link to its path",
			layers: [][]tar.Header{{link("f", "VICTIM/file")}},
			refuse: "does not have",
		},
		{
			attack: "read it by a hard link that climbs",
			layers: [][]tar.Header{{file("x"), link("f", "../../../../../../VICTIM/file")}},
			refuse: `".." in it`,
		},
		{
			attack: "read it by a hard link through a symbolic link",
			layers: [][]tar.Header{{symlink("out", "VICTIM"), link("f", "out/file")}},
			refuse: "does not have",
		},
		{
			attack: "read it by a hard link to a symbolic link, written to afterwards",
			layers: [][]tar.Header{{symlink("out", "VICTIM/file"), link("f", "out"), file("f")}},
			want:   []string{"f: contents of f", "out -> VICTIM/file"},
		},
		{
			attack: "make a loop of directories with a hard link",
			layers: [][]tar.Header{{dir("d"), link("d/d", "d")}},
			refuse: "is a directory",
		},
		{
			attack: "send the reader around in a loop of links",
			layers: [][]tar.Header{{symlink("a", "b"), symlink("b", "a"), file("a/file")}},
			refuse: "symbolic links",
		},
		{
			attack: "remove a file of the host with a whiteout that climbs",
			layers: [][]tar.Header{{file("x")}, {file("../../../../../../VICTIM/.wh.file")}},
			refuse: `".." in it`,
		},
		{
			attack: "remove it with a whiteout through a symbolic link",
			layers: [][]tar.Header{{symlink("out", "VICTIM"), file("x")}, {file("out/.wh.file")}},
			want:   []string{"out -> VICTIM", "x: contents of x"},
		},
		{
			attack: "empty a directory of the host with an opaque whiteout through a link",
			layers: [][]tar.Header{{symlink("out", "VICTIM")}, {file("out/.wh..wh..opq"), file("y")}},
			want:   []string{"out -> VICTIM", "y: contents of y"},
		},
		{
			attack: "remove the parent directory with a whiteout",
			layers: [][]tar.Header{{file("d/x")}, {file("d/.wh...")}},
			refuse: "removes no file",
		},
		{
			attack: "remove the directory itself with a whiteout",
			layers: [][]tar.Header{{file("d/x")}, {file("d/.wh..")}},
			refuse: "removes no file",
		},
		{
			attack: "remove everything with a whiteout without a name",
			layers: [][]tar.Header{{file("d/x")}, {file("d/.wh.")}},
			refuse: "removes no file",
		},
		{
			attack: "bring a device that reads the host's memory or disk",
			layers: [][]tar.Header{{
				{Name: "dev/sda", Typeflag: tar.TypeBlock, Mode: 0o666, Devmajor: 8},
				{Name: "dev/mem", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 1},
			}},
			want: []string{"dev/"},
		},
		{
			attack: "hide a file from the guest with the device that overlayfs takes for a whiteout",
			layers: [][]tar.Header{{file("etc/a"), {Name: "etc/b", Typeflag: tar.TypeChar}}},
			want:   []string{"etc/", "etc/a: contents of etc/a"},
		},
		{
			attack: "redirect the guest's overlay with an extended attribute",
			layers: [][]tar.Header{{{Name: "d", Typeflag: tar.TypeDir, Mode: 0o755, PAXRecords: map[string]string{
				"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.note": "kept",
			}}}},
			want: []string{"d/ user.note=kept"},
		},
		{
			attack: "make the root something else than a directory",
			layers: [][]tar.Header{{symlink("./", "VICTIM"), file("file")}},
			refuse: "root is not a directory",
		},
		{
			attack: "put a file below a file",
			layers: [][]tar.Header{{file("f"), file("f/g")}},
			refuse: "is not a directory",
		},
		{
			attack: "say two things under one name",
			layers: [][]tar.Header{{file("f"), dir("f"), file("f/g"), symlink("f", "VICTIM")}},
			want:   []string{"f -> VICTIM"},
		},
		{
			attack: "say one name in several ways",
			layers: [][]tar.Header{{symlink("d", "VICTIM"), dir("./d/"), file("//d//./file")}},
			want:   []string{"d/", "d/file: contents of //d//./file"},
		},
		{
			attack: "break the lists of tools with a newline in a name",
			layers: [][]tar.Header{{file("a\n../b")}},
			want:   []string{"a\n../b: contents of a\n../b"},
		},
		{
			attack: "give a file to nobody that a system knows",
			layers: [][]tar.Header{{{Name: "f", Typeflag: tar.TypeReg, Uid: -1}}},
			refuse: "not a user",
		},
	}
	for _, tt := range tests {
		t.Run(tt.attack, func(t *testing.T) {
			victim := t.TempDir()
			if err := os.WriteFile(filepath.Join(victim, "file"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			in := strings.NewReplacer("VICTIM", victim)
			out := strings.NewReplacer(victim, "VICTIM", victim[1:], "VICTIM")
			var sources []Source
			for _, l := range tt.layers {
				l = slices.Clone(l)
				for i := range l {
					l[i].Name, l[i].Linkname = in.Replace(l[i].Name), in.Replace(l[i].Linkname)
				}
				sources = append(sources, layer(archive(t, l...)))
			}
			stream, err := merge(t, Limits{}, sources...)
			switch {
			case tt.refuse == "" && err != nil:
				t.Fatal(err)
			case tt.refuse != "" && (err == nil || !strings.Contains(err.Error(), tt.refuse)):
				t.Errorf("error is %v, want one with %q", err, tt.refuse)
			case tt.refuse == "":
				var got []string
				for _, l := range listing(t, stream) {
					if l = out.Replace(l); !strings.HasPrefix(victim[1:]+"/", strings.TrimSuffix(l, "/")+"/") {
						got = append(got, l)
					}
				}
				slices.Sort(got)
				if diff := cmp.Diff(withParents(tt.want, got), got); diff != "" {
					t.Errorf("packed (-want +got):\n%s", diff)
				}
			}
			if bytes.Contains(stream, []byte("secret")) {
				t.Error("the host's secret is packed")
			}
			entries, err := os.ReadDir(victim)
			if err != nil || len(entries) != 1 {
				t.Fatalf("the host's directory holds %v, %v", entries, err)
			}
			info, err := entries[0].Info()
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("the host's file is %v, %v", info, err)
			}
			if b, err := os.ReadFile(filepath.Join(victim, "file")); err != nil || string(b) != "secret" {
				t.Errorf("the host's file holds %q, %v", b, err)
			}
		})
	}
}

// TestBombs has archives that would take more than the limits allow. None of
// them may be read to its end.
func TestBombs(t *testing.T) {
	small := Limits{Entries: 100, Metadata: 10_000, Bytes: 1 << 20, Path: 200, Ratio: 10, Slack: 1000}
	zeros := file("zeros")
	zeros.Size = 1 << 19
	var many, deep []tar.Header
	for i := range 101 {
		many = append(many, dir(strings.Repeat("x", i+1)))
	}
	for range 3 {
		deep = append(deep, dir(strings.Repeat("d/", 90)))
	}
	for name, tt := range map[string]struct {
		source Source
		want   string
	}{
		"gzip of zeros":         {layer(gzipped(t, archive(t, zeros))), "compressed bytes become"},
		"zstd of zeros":         {layer(zstded(t, archive(t, zeros))), "compressed bytes become"},
		"sparse file":           {layer(sparse(t, 1<<50)), "more than 1048576 bytes"},
		"sparse file, within":   {layer(sparse(t, 1<<19)), "compressed bytes become"},
		"many entries":          {layer(archive(t, many...)), "more than 100 entries"},
		"directories of a path": {layer(archive(t, append(deep, dir(strings.Repeat("e/", 90)))...)), "more than 100 entries"},
		"long path":             {layer(archive(t, dir(strings.Repeat("long/", 50)))), "too long"},
		"long name":             {layer(archive(t, file(strings.Repeat("n", 199)), file(strings.Repeat("n", 201)))), "too long"},
		"large attributes": {layer(archive(t, tar.Header{Name: "f", Typeflag: tar.TypeReg, PAXRecords: map[string]string{
			"SCHILY.xattr.user.a": strings.Repeat("a", 10_000),
		}})), "names and attributes"},
		"what follows the archive": {layer(gzipped(t, append(archive(t, file("f")), make([]byte, 1<<20)...))), "compressed bytes become"},
		"path through links": {layer(archive(t, symlink("l", strings.Repeat("./", 99)+"m"), symlink("m", strings.Repeat("./", 99)+"l"), file("l/f"))),
			"symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := merge(t, small, tt.source)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestXZMemory has an archive whose first block asks for a dictionary of 4 GiB.
func TestXZMemory(t *testing.T) {
	block := []byte{2, 0, 0x21, 1, 40, 0, 0, 0} // its header: 12 bytes, one filter, LZMA2, dictionary size
	b := []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46")
	b = append(b, block...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(block))
	if _, err := merge(t, Limits{}, layer(append(b, make([]byte, 1000)...))); !errors.Is(err, xz.ErrMemlimit) {
		t.Errorf("error is %v, want %v", err, xz.ErrMemlimit)
	}
}

func TestNoArchive(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":     {},
		"web page":  []byte(strings.Repeat("<!DOCTYPE html>", 100)),
		"cut short": archive(t, file("a"), file("b"))[:1540],
		"empty tar": make([]byte, 1024),
		"half gzip": gzipped(t, archive(t, file("a")))[:40],
	} {
		if _, err := merge(t, Limits{}, layer(b)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func file(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}
}
func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
func symlink(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}
func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
}

// archive returns an archive of the headers. A regular file without a size says
// what it is the contents of, others are full of zeros.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		var contents []byte
		switch {
		case h.Typeflag != tar.TypeReg:
		case h.Size > 0:
			contents = make([]byte, h.Size)
		default:
			contents = []byte("contents of " + h.Name)
			h.Size = int64(len(contents))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(contents); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sparse returns an archive with a file of one hole, in version 1.0 of GNU
// tar's format, which package tar reads but does not write: the records of
// another header are exchanged.
func sparse(t testing.TB, size int64) []byte {
	t.Helper()
	out := archive(t, tar.Header{
		Name: "hole", Typeflag: tar.TypeReg, Size: 512, PAXRecords: map[string]string{"VMETTE.note": "x"},
	})
	var records strings.Builder
	for _, r := range []string{
		"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=hole", fmt.Sprint("GNU.sparse.realsize=", size),
	} {
		fmt.Fprintf(&records, "%d %s\n", len(r)+4, r)
	}
	header, body := out[:512], out[512:1024]
	clear(body)
	copy(body, records.String())
	copy(header[124:136], fmt.Sprintf("%011o", records.Len()))
	copy(header[148:156], "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	copy(out[1536:], "0\n") // the map of its data: nothing
	return out
}

func layer(b []byte) Source {
	return &Archive{Layer: true, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func merge(t testing.TB, limits Limits, sources ...Source) ([]byte, error) {
	t.Helper()
	tr, err := Merge(t.Context(), limits, sources...)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = tr.WriteTar(t.Context(), &b)
	return b.Bytes(), err
}

// listing describes the entries of a stream, sorted, and fails when one of
// them is not what the next reader may rely on.
func listing(t testing.TB, stream []byte) []string {
	t.Helper()
	var list []string
	kinds := map[string]byte{".": tar.TypeDir}
	for r := tar.NewReader(bytes.NewReader(stream)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(list)
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		p := strings.TrimSuffix(h.Name, "/")
		if !filepath.IsLocal(p) || path.Clean(p) != p || p == "." {
			t.Errorf("the stream has the name %q", h.Name)
		}
		if _, twice := kinds[p]; twice {
			t.Errorf("the stream has the name %q twice", h.Name)
		}
		if kinds[path.Dir(p)] != tar.TypeDir {
			t.Errorf("the stream has %q before its directory", h.Name)
		}
		kinds[p] = h.Typeflag
		line := h.Name
		switch h.Typeflag {
		case tar.TypeReg:
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			line += ": " + string(b)
		case tar.TypeSymlink:
			line += " -> " + h.Linkname
		case tar.TypeLink:
			if kinds[h.Linkname] != tar.TypeReg {
				t.Errorf("the stream has a link to %q, which is no file before it", h.Linkname)
			}
			line += " = " + h.Linkname
		case tar.TypeFifo:
			line += "|"
		case tar.TypeDir:
		default:
			t.Errorf("the stream has %q of type %q", h.Name, h.Typeflag)
		}
		for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if name, ok := strings.CutPrefix(k, xattrRecord); ok {
				line += " " + name + "=" + h.PAXRecords[k]
			}
		}
		list = append(list, line)
	}
}

// withParents adds to want the directories in got that are only there because
// something is in them.
func withParents(want, got []string) []string {
	all := slices.Clone(want)
	for _, l := range got {
		if strings.HasSuffix(l, "/") && !slices.Contains(all, l) &&
			slices.ContainsFunc(got, func(o string) bool { return o != l && strings.HasPrefix(o, l) }) {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// home returns a Disk whose home directory is empty.
func home(t *testing.T) Disk {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Disk{Home: dir}
}

// put writes a file below the home directory.
func (d Disk) put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(d.Home, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (d Disk) get(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d.Home, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantError checks the code of an error and a part of its message.
func wantError(t *testing.T, err error, code desktop.Code, part string) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a *desktop.Error", err)
	}
	if e.Code != code || !strings.Contains(e.Message, part) {
		t.Errorf("error %v, want the code %s and %q", e, code, part)
	}
}

func TestRead(t *testing.T) {
	d := home(t)
	d.put(t, "ten", "0123456789")
	d.put(t, "empty", "")
	d.put(t, "~tilde", "literal")
	d.put(t, "binary", "\x00\xff\xfe")
	if err := os.Symlink("ten", filepath.Join(d.Home, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		read desktop.ReadFile
		want string
		file string // where it is
		size int64
	}{
		{"whole", desktop.ReadFile{Path: "ten"}, "0123456789", "ten", 10},
		{"of the home directory", desktop.ReadFile{Path: "~/ten"}, "0123456789", "ten", 10},
		{"absolute", desktop.ReadFile{Path: d.Home + "/ten"}, "0123456789", "ten", 10},
		{"a tilde that is part of a name", desktop.ReadFile{Path: "~tilde"}, "literal", "~tilde", 7},
		{"through a symlink", desktop.ReadFile{Path: "link"}, "0123456789", "ten", 10},
		{"empty", desktop.ReadFile{Path: "empty"}, "", "empty", 0},
		{"no text", desktop.ReadFile{Path: "binary"}, "\x00\xff\xfe", "binary", 3},
		{"from an offset on", desktop.ReadFile{Path: "ten", Offset: 7}, "789", "ten", 10},
		{"a part", desktop.ReadFile{Path: "ten", Offset: 2, Length: 3}, "234", "ten", 10},
		{"over the end", desktop.ReadFile{Path: "ten", Offset: 8, Length: 100}, "89", "ten", 10},
		{"behind the end", desktop.ReadFile{Path: "ten", Offset: 11, Length: 1}, "", "ten", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, data, err := d.Read(t.Context(), tt.read)
			if err != nil {
				t.Fatal(err)
			}
			if string(data) != tt.want {
				t.Errorf("read %q, want %q", data, tt.want)
			}
			if file.Name != filepath.Join(d.Home, tt.file) || file.Size != tt.size || file.Type != desktop.FileRegular {
				t.Errorf("read from %+v, want %s of %d bytes", file, tt.file, tt.size)
			}
		})
	}
}

// The kernel says that files in /proc have no bytes.
func TestReadAFileOfUnknownSize(t *testing.T) {
	want, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	file, data, err := home(t).Read(t.Context(), desktop.ReadFile{Path: "/proc/self/cmdline"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) || file.Size != int64(len(want)) {
		t.Errorf("read %q of %d bytes, want %q", data, file.Size, want)
	}
}

func TestReadHoldsNoMoreThanAsked(t *testing.T) {
	d := home(t)
	path := d.put(t, "large", "")
	const size = desktop.MaxFile + 4096
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	file, data, err := d.Read(t.Context(), desktop.ReadFile{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != desktop.MaxFile || cap(data) > desktop.MaxFile || file.Size != size {
		t.Errorf("read %d bytes into %d of a file of %d", len(data), cap(data), file.Size)
	}
	_, data, err = d.Read(t.Context(), desktop.ReadFile{Path: path, Length: 100})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 100 || cap(data) > 200 {
		t.Errorf("read %d bytes into %d", len(data), cap(data))
	}
}

func TestReadIsCancelled(t *testing.T) {
	d := home(t)
	d.put(t, "ten", "0123456789")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := d.Read(ctx, desktop.ReadFile{Path: "ten"})
	wantError(t, err, desktop.CodeCancelled, "stopped")
}

// Nothing but a regular file is opened: a pipe would block, and a device could do
// anything.
func TestReadRefuses(t *testing.T) {
	d := home(t)
	d.put(t, "file", "x")
	for _, err := range []error{
		os.Mkdir(filepath.Join(d.Home, "dir"), 0o755),
		unix.Mkfifo(filepath.Join(d.Home, "pipe"), 0o644),
		os.Symlink("circle", filepath.Join(d.Home, "circle")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, part := range map[string]string{
		"none":          "list_files of " + fmt.Sprintf("%q", d.Home),
		"none/at/all":   "list_files of " + fmt.Sprintf("%q", d.Home),
		"dir":           "list_files lists it",
		"pipe":          "is a pipe",
		"/dev/zero":     "is a device",
		"file/below":    "not a directory",
		"circle":        "in a circle",
		d.Home + "/dir": "list_files lists it",
	} {
		_, _, err := d.Read(t.Context(), desktop.ReadFile{Path: path})
		wantError(t, err, desktop.CodeInvalid, part)
	}
}

func TestWrite(t *testing.T) {
	old := func(t *testing.T, d Disk) {
		if err := os.Chmod(d.put(t, "old", "0123456789"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		write   desktop.WriteFile
		file    string
		content string
		mode    int
	}{
		{"new", desktop.WriteFile{Path: "new", Data: []byte("a\x00b")}, "new", "a\x00b", 0o644},
		{"empty", desktop.WriteFile{Path: "new"}, "new", "", 0o644},
		{"of a mode", desktop.WriteFile{Path: "~/new", Mode: 0o777, Data: []byte("x")}, "new", "x", 0o777},
		{"over an old one", desktop.WriteFile{Path: "old", Data: []byte("x")}, "old", "x", 0o750},
		{"over an old one with a mode", desktop.WriteFile{Path: "old", Mode: 0o600, Data: []byte("x")}, "old", "x", 0o600},
		{"below new directories", desktop.WriteFile{Path: "a/b/new", Parents: true, Data: []byte("x")}, "a/b/new", "x", 0o644},
		{"through a symlink", desktop.WriteFile{Path: "link", Data: []byte("x")}, "old", "x", 0o750},
		{"through a symlink to nothing", desktop.WriteFile{Path: "dangling", Data: []byte("x")}, "new", "x", 0o644},
		{"the beginning", desktop.WriteFile{Path: "old", Offset: new(int64), Data: []byte("ab")}, "old", "ab23456789", 0o750},
		{"the middle", desktop.WriteFile{Path: "old", Offset: new(int64(4)), Data: []byte("ab")}, "old", "0123ab6789", 0o750},
		{"over the end", desktop.WriteFile{Path: "old", Offset: new(int64(9)), Data: []byte("ab")}, "old", "012345678ab", 0o750},
		{"at the end", desktop.WriteFile{Path: "old", Offset: new(int64(10)), Mode: 0o700, Data: []byte("ab")}, "old", "0123456789ab", 0o700},
		{"a part through a symlink", desktop.WriteFile{Path: "link", Offset: new(int64(1)), Data: []byte("a")}, "old", "0a23456789", 0o750},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := home(t)
			old(t, d)
			for link, to := range map[string]string{"link": "old", "dangling": "./new"} {
				if err := os.Symlink(to, filepath.Join(d.Home, link)); err != nil {
					t.Fatal(err)
				}
			}
			file, err := d.Write(tt.write)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.get(t, tt.file); got != tt.content {
				t.Errorf("content %q, want %q", got, tt.content)
			}
			me, err := user.Current()
			if err != nil {
				t.Fatal(err)
			}
			want := desktop.File{Name: filepath.Join(d.Home, tt.file), Type: desktop.FileRegular, Size: int64(len(tt.content)), Mode: tt.mode, Owner: me.Username}
			if diff := cmp.Diff(want, file, cmpopts.IgnoreFields(desktop.File{}, "Modified")); diff != "" {
				t.Error(diff)
			}
			for _, link := range []string{"link", "dangling"} {
				if _, err := os.Readlink(filepath.Join(d.Home, link)); err != nil {
					t.Errorf("a symlink is gone: %v", err)
				}
			}
			left, err := filepath.Glob(filepath.Join(d.Home, ".write_file-*"))
			if err != nil || left != nil {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// Whoever has a file open goes on with the old one: it is never half the new one.
func TestWriteReplacesAtOnce(t *testing.T) {
	d := home(t)
	f, err := os.Open(d.put(t, "file", "old"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := d.Write(desktop.WriteFile{Path: "file", Data: []byte("new content")}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := f.Read(b)
	if err != nil || string(b[:n]) != "old" {
		t.Errorf("the old file now holds %q, %v", b[:n], err)
	}
}

func TestWriteRefuses(t *testing.T) {
	d := home(t)
	d.put(t, "file", "0123456789")
	for _, err := range []error{
		os.Mkdir(filepath.Join(d.Home, "dir"), 0o755),
		unix.Mkfifo(filepath.Join(d.Home, "pipe"), 0o644),
		os.Symlink("circle", filepath.Join(d.Home, "circle")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	x := []byte("x")
	for _, tt := range []struct {
		name  string
		write desktop.WriteFile
		part  string
	}{
		{"a directory", desktop.WriteFile{Path: "dir", Data: x}, "is a directory"},
		{"what is named like a directory", desktop.WriteFile{Path: "new/", Data: x}, "is a directory"},
		{"a pipe", desktop.WriteFile{Path: "pipe", Data: x}, "is a pipe"},
		{"part of a pipe", desktop.WriteFile{Path: "pipe", Offset: new(int64), Data: x}, "is a pipe"},
		{"a device", desktop.WriteFile{Path: "/dev/null", Data: x}, "is a device"},
		{"a circle", desktop.WriteFile{Path: "circle", Data: x}, "in a circle"},
		{"below nothing", desktop.WriteFile{Path: "none/new", Data: x}, "send parents"},
		{"below a file", desktop.WriteFile{Path: "file/new", Parents: true, Data: x}, "not a directory"},
		{"part of nothing", desktop.WriteFile{Path: "none", Offset: new(int64), Data: x}, "leave out offset"},
		{"behind the end", desktop.WriteFile{Path: "file", Offset: new(int64(11)), Data: x}, "has 10 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Write(tt.write)
			wantError(t, err, desktop.CodeInvalid, tt.part)
			if got := d.get(t, "file"); got != "0123456789" {
				t.Errorf("another file is now %q", got)
			}
		})
	}
}

func TestList(t *testing.T) {
	d := home(t)
	d.put(t, "b", "12")
	d.put(t, ".hidden", "")
	for _, err := range []error{
		os.Mkdir(filepath.Join(d.Home, "a"), 0o755),
		os.Symlink("b", filepath.Join(d.Home, "c")),
		unix.Mkfifo(filepath.Join(d.Home, "d"), 0o644),
		os.WriteFile(filepath.Join(d.Home, "caf\xe9 \\"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.List(desktop.ListFiles{Path: "~"})
	if err != nil {
		t.Fatal(err)
	}
	want := desktop.Listing{Total: 6, Files: []desktop.File{
		{Name: ".hidden", Type: desktop.FileRegular},
		{Name: "a", Type: desktop.FileDirectory},
		{Name: "b", Type: desktop.FileRegular, Size: 2},
		{Name: "c", Type: desktop.FileSymlink, Target: "b"},
		{Name: `caf\xe9 \\`, Type: desktop.FileRegular},
		{Name: "d", Type: desktop.FileOther},
	}}
	ignore := cmpopts.IgnoreFields(desktop.File{}, "Modified", "Mode", "Owner")
	if diff := cmp.Diff(want, sized(got), ignore); diff != "" {
		t.Error(diff)
	}
	rest, err := d.List(desktop.ListFiles{Path: d.Home, Offset: 4})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(desktop.Listing{Total: 6, Files: want.Files[4:]}, sized(rest), ignore); diff != "" {
		t.Error(diff)
	}
	if none, err := d.List(desktop.ListFiles{Path: d.Home, Offset: 7}); err != nil || none.Files != nil || none.Total != 6 {
		t.Errorf("behind the end: %+v, %v", none, err)
	}
}

// sized keeps the sizes of files alone: those of directories and symlinks are the
// file system's own.
func sized(l desktop.Listing) desktop.Listing {
	for i, f := range l.Files {
		if f.Type != desktop.FileRegular {
			l.Files[i].Size = 0
		}
	}
	return l
}

// However long its names are, an answer fits into a response, and the next one
// goes on where it ended.
func TestListInParts(t *testing.T) {
	d := home(t)
	const files = 1500
	for i := range files {
		name := fmt.Sprintf("%04d%s", i, strings.Repeat("\x01\xff", 120))
		if err := os.WriteFile(filepath.Join(d.Home, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for seen < files {
		l, err := d.List(desktop.ListFiles{Path: "~", Offset: seen})
		if err != nil {
			t.Fatal(err)
		}
		header, err := desktop.Marshal(desktop.Response{OK: true, Listing: &l})
		if err != nil {
			t.Fatal(err)
		}
		if len(header) > desktop.MaxHeader || len(l.Files) == 0 {
			t.Fatalf("%d files in %d bytes", len(l.Files), len(header))
		}
		for _, f := range l.Files {
			if !strings.HasPrefix(f.Name, fmt.Sprintf("%04d", seen)) {
				t.Fatalf("file %d is %q", seen, f.Name)
			}
			seen++
		}
	}
}

func TestListRefuses(t *testing.T) {
	d := home(t)
	d.put(t, "file", "")
	if err := unix.Mkfifo(filepath.Join(d.Home, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, part := range map[string]string{
		"none":       "does not exist",
		"file":       "read_file reads a file",
		"pipe":       "is not a directory",
		"file/below": "not a directory",
	} {
		_, err := d.List(desktop.ListFiles{Path: path})
		wantError(t, err, desktop.CodeInvalid, part)
	}
}

package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestMatch(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", "/home/me")
	for _, tt := range []struct{ spec, want string }{
		{"debian:bookworm", "debian:bookworm"},
		{"debian:bookworm/minimal", "debian:bookworm/minimal"},

		{"/srv/root", "dir:/srv/root"},
		{"/srv//root/../root/", "dir:/srv/root"},
		{"./root", "dir:" + filepath.Join(here, "root")},
		{"..", "dir:" + filepath.Dir(here)},
		{"~/root", "dir:/home/me/root"},
		{"dir:root", "dir:" + filepath.Join(here, "root")},

		{"tar+file:///srv/root.tar.gz", "tar+file:///srv/root.tar.gz"},
		{"tar+file:root.tar#1", "tar+file://" + filepath.Join(here, "root.tar#1")},
		{"tar+https://host.example/a.tar.zst?b=c#frag", "tar+https://host.example/a.tar.zst?b=c"},
		{"tar+http://host.example:8080/a#sha256=" + someDigest, "tar+http://host.example:8080/a#sha256=" + someDigest},
		{"squashfs+file:~/a.squashfs", "squashfs+file:///home/me/a.squashfs"},
		{"squashfs+https://host.example/a#sha256=" + someDigest, "squashfs+https://host.example/a#sha256=" + someDigest},

		{"oci://alpine", "oci://index.docker.io/library/alpine:latest"},
		{"alpine:3", "oci://index.docker.io/library/alpine:3"},
		{"docker.io/library/debian:sid", "oci://index.docker.io/library/debian:sid"},
		{"registry.example/me/desktop:v1", "oci://registry.example/me/desktop:v1"},
		{"localhost:5000/a@sha256:" + someDigest, "oci://localhost:5000/a@sha256:" + someDigest},
	} {
		r, err := match(Providers(), tt.spec)
		if err != nil {
			t.Errorf("match(%q): %v", tt.spec, err)
			continue
		}
		if r.Name() != tt.want {
			t.Errorf("match(%q) = %q, want %q", tt.spec, r.Name(), tt.want)
		}
		if again, err := match(Providers(), r.Name()); err != nil || again.Name() != r.Name() {
			t.Errorf("the name %q is not a spec of the same: %v, %v", r.Name(), again, err)
		}
	}
	for _, spec := range []string{
		"", "debian:", "debian:sid", "debian:bookworm/", "debian:bookworm/full", "debian:bookworm/minimal/",
		"debian:../x", "Debian:bookworm", "kernel:debian/bookworm", "ftp://host.example/x", "oci://", "oci://UPPER",
		"dir:", "tar+file:", "tar+file://host/path", "tar+ftp://host.example/x", "tar+/path", "tar+https://", "squashfs+",
		"tar+https://me:secret@host.example/x", "tar+file:/x#sha256=abc", "tar+file:/x#sha256=" + strings.ToUpper(someDigest),
		"tar+http://[::1/x",
	} {
		_, err := match(Providers(), spec)
		if !errors.Is(err, ErrUnknownSpec) {
			t.Errorf("match(%q): %v, want ErrUnknownSpec", spec, err)
		} else if s := err.Error(); !strings.Contains(s, "use ") && !strings.Contains(s, "write ") && !strings.Contains(s, "such as ") {
			t.Errorf("match(%q): %q does not say what to use", spec, err)
		} else if strings.Contains(s, "secret") {
			t.Errorf("match(%q): %q holds a secret", spec, err)
		}
	}
}

func TestRecipeHash(t *testing.T) {
	hash := func(spec string) string {
		r, err := match(Providers(), spec)
		if err != nil {
			t.Fatal(err)
		}
		return r.Hash()
	}
	if first, again := hash(DefaultSpec), hash(DefaultSpec); first != again {
		t.Error("the hash of one recipe is not always the same")
	}
	if hash(DefaultSpec) == hash(MinimalSpec) {
		t.Error("two variants have one hash")
	}
	with := func(name, value string) (changed bool) {
		before := hash(DefaultSpec)
		t.Setenv(name, value)
		return hash(DefaultSpec) != before
	}
	if with(MirrorEnv, "http://mirror.example/debian") {
		t.Error("the mirror changes the hash")
	}
}

// TestRecipeHashHoldsTheArguments changes what mmdebstrap is told.
func TestRecipeHashHoldsTheArguments(t *testing.T) {
	r := newDebianRecipe("bookworm", variants[0])
	before := r.Hash()
	r.variant.exclude = append(r.variant.exclude, "/usr/share/nothing")
	if r.Hash() == before {
		t.Error("another argument gives the same hash")
	}
	k := newKernelRecipe()
	before = k.Hash()
	k.suite = "trixie"
	if k.Hash() == before {
		t.Error("another release gives the same hash of the kernel")
	}
}

// TestSourceHash has sources on the host change. An image is outdated exactly
// when its source has.
func TestSourceHash(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "file")
	write := func(contents string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(contents), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	for _, spec := range []string{"dir:" + dir, "tar+file:" + file, "squashfs+file:" + file} {
		r, err := match(Providers(), spec)
		if err != nil {
			t.Fatal(err)
		}
		before := r.Hash()
		if r.Hash() != before || before == "" {
			t.Errorf("%s: the hash is not always the same", spec)
		}
		write("longer than one")
		if r.Hash() == before {
			t.Errorf("%s: the hash is the same after a change", spec)
		}
		write("one")
	}
	pinned, err := match(Providers(), "tar+file:"+file+"#sha256="+someDigest)
	if err != nil {
		t.Fatal(err)
	}
	before := pinned.Hash()
	write("another")
	if pinned.Hash() != before {
		t.Error("the hash of a pinned file changes with the file")
	}
	if err := os.RemoveAll(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	gone, err := match(Providers(), "tar+file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if h := gone.Hash(); h != "" {
		t.Errorf("the hash of a file that is gone is %q, want none", h)
	}
	if pinned.Hash() != before {
		t.Error("the hash of a pinned file changes when it is gone")
	}
}

func FuzzMatch(f *testing.F) {
	for _, spec := range []string{"debian:bookworm", "dir:x", "tar+file:x#sha256=0", "oci://a/b:c", "a@sha256:0", "squashfs+http://h/p"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := match(Providers(), spec)
		if err != nil {
			return
		}
		again, err := match(Providers(), r.Name())
		if err != nil || again.Name() != r.Name() {
			t.Errorf("the name %q of %q is not a spec of the same: %v", r.Name(), spec, err)
		}
	})
}

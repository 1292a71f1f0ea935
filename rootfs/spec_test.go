package rootfs

import (
	"errors"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct{ spec, want string }{
		{"debian:bookworm", "debian:bookworm"},
		{"debian:bookworm/minimal", "debian:bookworm/minimal"},
	} {
		r, err := match(providers(), tt.spec)
		if err != nil {
			t.Errorf("match(%q): %v", tt.spec, err)
		} else if r.Name() != tt.want {
			t.Errorf("match(%q) = %q, want %q", tt.spec, r.Name(), tt.want)
		}
	}
	for _, spec := range []string{
		"", "debian", "debian:", "debian:sid", "debian:bookworm/", "debian:bookworm/full", "debian:bookworm/minimal/",
		"debian:../x", "Debian:bookworm", "ubuntu:noble", "/some/dir",
	} {
		_, err := match(providers(), spec)
		if !errors.Is(err, ErrUnknownSpec) {
			t.Errorf("match(%q): %v, want ErrUnknownSpec", spec, err)
		} else if !strings.Contains(err.Error(), "use ") {
			t.Errorf("match(%q): %q does not say what to use", spec, err)
		}
	}
}

func TestRecipeHash(t *testing.T) {
	hash := func(spec string) string {
		r, err := match(providers(), spec)
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
	t.Setenv(MirrorEnv, "http://mirror.example/debian")
	with := hash(DefaultSpec)
	t.Setenv(MirrorEnv, "")
	if with != hash(DefaultSpec) {
		t.Error("the mirror changes the hash")
	}
}

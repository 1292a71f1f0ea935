package rootfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeTools puts programs in front of the PATH that stand for mmdebstrap and
// mksquashfs. The first performs the hooks that bring files out, the second
// stores its input.
func fakeTools(t *testing.T, mmdebstrap string) {
	t.Helper()
	bin := t.TempDir()
	meta := tarOf(t, map[string]string{
		".vmette/vmlinuz":  "kernel",
		".vmette/packages": "Package: xterm\nVersion: 379-1\nArchitecture: amd64\nSHA256: " + sumA + "\n",
	})
	files := map[string]string{"modules/6.1/modules.dep": ""}
	for _, m := range slices.Concat(bootModules, driverModules) {
		files["modules/6.1/modules.dep"] += "kernel/" + m + ".ko:\n"
		files["modules/6.1/kernel/"+m+".ko"] = m
	}
	for name, contents := range map[string]io.Reader{
		"meta.tar":    meta,
		"modules.tar": tarOf(t, files),
		"mksquashfs":  strings.NewReader("#!/bin/sh\nexec cat > \"$2\"\n"),
		"unshare":     strings.NewReader("#!/bin/sh\n"),
		"newuidmap":   strings.NewReader("#!/bin/sh\n"),
		"mmdebstrap": strings.NewReader(`#!/bin/sh
set -eu
for a; do
	case $a in
	*"tar-out /.vmette '"*) to=${a#*\'}; cp "${0%/*}/meta.tar" "${to%\'}" ;;
	*"tar-out /usr/lib/modules '"* | *"tar-out /.modules/lib/modules '"*) to=${a#*\'}; cp "${0%/*}/modules.tar" "${to%\'}" ;;
	*"tar-in '"*) from=${a#*\'}; tar -tf "${from%%\'*}" > /dev/null ;;
	esac
done
echo "I: running apt-get update..." >&2
` + mmdebstrap),
	} {
		b, err := io.ReadAll(contents)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	keyring := debianKeyring
	t.Cleanup(func() { debianKeyring = keyring })
	debianKeyring = filepath.Join(bin, "mmdebstrap")
}

func TestDebianBuild(t *testing.T) {
	fakeTools(t, "echo tree")
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var phases []Phase
	img, err := s.Build(t.Context(), MinimalSpec, func(p Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// The tree, on another pipe, may overtake the line that begins the index.
	phases = slices.DeleteFunc(phases, func(p Phase) bool { return p == PhaseIndex })
	if diff := cmp.Diff([]Phase{PhasePack, PhaseSeal}, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{img.Kernel: "kernel", img.Root: "tree\n"} {
		if b, err := os.ReadFile(file); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(file), b, err, want)
		}
	}
	m, _, err := readManifest(filepath.Dir(img.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Package{{"xterm", "379-1", "amd64", sumA}}, m.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if m.KernelVersion != "6.1" || m.Name != MinimalSpec || len(m.Modules) != len(bootModules) {
		t.Errorf("manifest is %+v", m)
	}
	if left := names(t, filepath.Join(s.Dir(), "staging")); len(left) > 0 {
		t.Errorf("staging holds %v", left)
	}
}

func TestDebianBuildFails(t *testing.T) {
	fakeTools(t, "echo 'E: no such mirror' >&2; exit 25")
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Build(t.Context(), MinimalSpec, nil)
	var te *ToolError
	if !errors.As(err, &te) || te.Tool != "mmdebstrap" || !strings.Contains(err.Error(), "E: no such mirror") {
		t.Errorf("Build: %v, want the error of mmdebstrap", err)
	}
	for _, d := range []string{"staging", "images"} {
		if left := names(t, filepath.Join(s.Dir(), d)); len(left) > 0 {
			t.Errorf("%s holds %v", d, left)
		}
	}
}

func TestDebianPackingFails(t *testing.T) {
	fakeTools(t, "exec yes")
	if err := os.WriteFile(filepath.Join(strings.Split(os.Getenv("PATH"), ":")[0], "mksquashfs"),
		[]byte("#!/bin/sh\necho disk is full; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Build(t.Context(), MinimalSpec, nil)
	var te *ToolError
	if !errors.As(err, &te) || te.Tool != "mksquashfs" || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Build: %v, want the error of mksquashfs", err)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	keyring := debianKeyring
	defer func() { debianKeyring = keyring }()
	debianKeyring = "/nonexistent"
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Build(t.Context(), MinimalSpec, nil)
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("Build: %v, want a MissingError", err)
	}
	if want := "sudo apt-get install mmdebstrap squashfs-tools debian-archive-keyring"; !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
}

func TestOverlay(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := writeOverlay(w, []string{"common", "desktop"}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same files differ")
	}
	files := make(map[string]bool)
	for r := tar.NewReader(&a); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = true
		if h.Uid != 0 || h.Mode&0o022 != 0 {
			t.Errorf("%s has owner %d and mode %o", h.Name, h.Uid, h.Mode)
		}
		if strings.Contains(h.Name, "sudoers") {
			t.Errorf("%s: who may use sudo is not the image's to say", h.Name)
		}
	}
	for _, want := range []string{"etc/xdg/openbox/rc.xml", "etc/skel/.config/user-dirs.dirs", "etc/chromium/policies/managed/vmette.json"} {
		if !files[want] {
			t.Errorf("%s is not in the archive", want)
		}
	}
}

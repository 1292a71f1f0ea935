//go:build cgo

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// TestIntegrationLibrary builds the library, and programs in C that use it.
func TestIntegrationLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the library and boots a guest, which -short leaves out")
	}
	lib := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", filepath.Join(lib, "libvmette.so"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	t.Run("Header", func(t *testing.T) { testHeader(t, lib) })
	t.Run("Misuse", func(t *testing.T) { testMisuse(t, lib) })
	t.Run("Run", func(t *testing.T) { testRun(t, lib) })
	t.Run("Everything", func(t *testing.T) { testEverything(t, lib) })
}

// compile compiles a program of testdata against vmette.h and the library.
func compile(t *testing.T, lib, source string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	args := append(flags, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I.", "-o", out,
		filepath.Join("testdata", source), "-L"+lib, "-lvmette", "-Wl,-rpath,"+lib)
	if said, err := exec.CommandContext(t.Context(), "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return out
}

// testMisuse runs a program that gives the library what it should not get, under
// AddressSanitizer.
func testMisuse(t *testing.T, lib string) {
	cmd := exec.CommandContext(t.Context(), compile(t, lib, "misuse.c", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"))
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// testHeader compares what vmette.h declares with what the library has.
func testHeader(t *testing.T, lib string) {
	header, err := os.ReadFile("vmette.h")
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := exec.CommandContext(t.Context(), "nm", "-D", "--defined-only", filepath.Join(lib, "libvmette.so")).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := func(pattern, text string) []string {
		var all []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	declared := names(`(?m)^[a-z][^*/\n]*[ *](vmette_\w+)\(`, string(header))
	if diff := cmp.Diff(names(` T (vmette_\w+)`, string(symbols)), declared); diff != "" || len(declared) < 20 {
		t.Errorf("vmette.h declares %d functions (-library +header):\n%s", len(declared), diff)
	}
}

// testRun has a program in C boot a guest and exit as its command does, on roots of
// each kind.
func testRun(t *testing.T, lib string) {
	program := compile(t, lib, "run.c")
	cfg := testimage.Minimal(t)
	dir := busyboxRoot(t)
	for _, tt := range []struct {
		name, root string
		flags      []string
		want       int
		writes     bool // to the root on the host
	}{
		{"image", cfg.Root.Path, nil, 42, false},
		{"directory", dir, nil, 42, false},
		{"directory to write to", dir, []string{"rw"}, 42, true},
		{"image to write to", cfg.Root.Path, []string{"rw"}, 201, false},
		{"no such root", filepath.Join(t.TempDir(), "nowhere"), nil, 208, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{cfg.Kernel, cfg.Initramfs, tt.root, `echo "$GREETING" | tee /written; exit 42`}, tt.flags...)
			cmd := exec.CommandContext(t.Context(), program, args...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != tt.want || tt.want == 42 && string(out) != "from C\n" {
				t.Errorf("%v, stdout %q, stderr %q; want exit status %d", err, out, &stderr, tt.want)
			}
			written := filepath.Join(dir, "written")
			if _, err := os.Stat(written); (err == nil) != tt.writes {
				t.Errorf("what the command wrote: %v; want it on the host: %v", err, tt.writes)
			}
			if err := os.Remove(written); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		})
	}
}

// busyboxRoot returns a directory with a root file system that has a shell.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("%v: install busybox-static (make test does)", err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "busybox"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "tee", "df"} {
		if err := os.Symlink("busybox", filepath.Join(bin, applet)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Dir(bin)
}

// testEverything has a program in C run commands on a directory for a root, with a
// share, a disk and a scratch disk: one that looks for them all, and one that does not
// end in time.
func testEverything(t *testing.T, lib string) {
	root, share := busyboxRoot(t), t.TempDir()
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, append([]byte("from the host\n"), make([]byte, 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testimage.Minimal(t)
	cmd := exec.CommandContext(t.Context(), compile(t, lib, "everything.c"), cfg.Kernel, cfg.Initramfs, root, share, disk, `
		read -r line </dev/vda && echo "$line" >/mnt/here/disk
		df -m / | { read -r header; read -r device size rest; echo "$size" >/mnt/here/size; }
		exit 42`)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "VMETTE_DEBUG=1")
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 42 || !strings.Contains(stderr.String(), "status 6") {
		t.Errorf("%v, stderr %q; want exit status 42, and status 6 of the second run", err, &stderr)
	}
	if got, err := os.ReadFile(filepath.Join(share, "disk")); string(got) != "from the host\n" {
		t.Errorf("the command read %q from the disk, %v", got, err)
	}
	// What is written to the root goes to the scratch disk of 64 MiB, not to memory.
	got, err := os.ReadFile(filepath.Join(share, "size"))
	if size, _ := strconv.Atoi(strings.TrimSpace(string(got))); size < 32 || size > 64 {
		t.Errorf("the root has room for %q MiB, %v; want nearly 64", got, err)
	}
}

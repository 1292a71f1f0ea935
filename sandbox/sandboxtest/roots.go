package sandboxtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/erofs/go-erofs"

	"github.com/vmette/vmette-mcp/sandbox"
)

// testRoots runs a program from root file systems of other kinds than cfg's.
func testRoots(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Root = sandbox.RootfsBlock{}
	cfg.Exec.Args = []string{"/program"}
	const read = "/file has from the host\n"

	t.Run("EROFS", func(t *testing.T) {
		cfg := cfg
		cfg.Root = sandbox.RootfsBlock{Path: filepath.Join(t.TempDir(), "root.erofs"), Format: "erofs"}
		writeErofs(t, cfg.Root.Path, rootDirectory(t, t.TempDir()))
		runRoot(t, b, cfg, read)
	})
	for name, writable := range map[string]bool{"Share": false, "WritableShare": true} {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "secret")
			put(t, secret, "of the host")
			dir := rootDirectory(t, t.TempDir())
			relative, err := filepath.Rel(dir, secret)
			if err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{"absolute": secret, "relative": relative} {
				if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			cfg := cfg
			cfg.RootShare = sandbox.RootfsShare{Path: dir, Writable: writable}
			runRoot(t, b, cfg, read)

			file, created := "from the host", false
			if writable {
				file, created = "from the guest", true
			}
			if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != file {
				t.Errorf("afterwards the file has %q, %v; want %q", got, err, file)
			}
			if _, err := os.Stat(filepath.Join(dir, "new")); (err == nil) != created {
				t.Errorf("what the guest made: %v; want it there: %v", err, created)
			}
			if got, err := os.ReadFile(secret); err != nil || string(got) != "of the host" {
				t.Errorf("a file outside of the root has %q, %v", got, err)
			}
		})
	}
}

// runRoot runs the program of a root, which has to print this.
func runRoot(t *testing.T, b sandbox.Backend, cfg sandbox.Config, want string) {
	t.Helper()
	out, err := sandbox.Run(t.Context(), b, cfg)
	if err != nil || out.ExitCode != 42 || string(out.Stdout) != want {
		t.Errorf("exit code %d, stdout %q, stderr %q, %v; want 42 and %q\nconsole:\n%s", out.ExitCode, out.Stdout, out.Stderr, err, want, out.Console)
	}
}

// rootDirectory puts a root file system into dir, which it returns.
func rootDirectory(t *testing.T, dir string) string {
	t.Helper()
	put(t, filepath.Join(dir, "file"), "from the host")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "program"), "github.com/vmette/vmette-mcp/sandbox/sandboxtest/rootguest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return dir
}

func writeErofs(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := erofs.Create(f)
	if err := w.CopyFrom(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

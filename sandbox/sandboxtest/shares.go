package sandboxtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
)

// testShares has a guest's root write to a directory of the host, try to write to
// another, try to get out of both, and to make a device of the host.
func testShares(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	put(t, secret, "of the host")
	both := t.TempDir()
	written, read := filepath.Join(both, "written"), filepath.Join(both, "read")
	for _, dir := range []string{written, read} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "file"), "from the host")
		for name, target := range map[string]string{"absolute": secret, "relative": "../../" + filepath.Base(outside) + "/secret"} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Shares = []sandbox.ShareMount{{Tag: "rw", Path: written}, {Tag: "ro", Path: read, ReadOnly: true}}
	cfg.Exec.Args = sandbox.ShellCommand(`cd /mnt
echo "$(cat rw/file), $(cat ro/file)"
cat r?/absolute r?/relative rw/../secret 2>/dev/null
mount -o remount,rw ro && echo remounted
for f in new file; do echo guest >ro/$f; done 2>/dev/null && echo written
rm ro/file 2>/dev/null && echo removed
mknod rw/disk b 8 0 2>/dev/null && echo device
ln rw/file rw/link && ln -s /etc/passwd rw/outside && mkdir rw/dir && echo guest >rw/new && echo done`)
	out, err := sandbox.Run(t.Context(), b, cfg)
	const want = "from the host, from the host\nremounted\ndone\n"
	if err != nil || string(out.Stdout) != want {
		t.Fatalf("stdout %q, stderr %q, %v; want %q\nconsole:\n%s", out.Stdout, out.Stderr, err, want, out.Console)
	}
	if got, err := os.ReadFile(filepath.Join(written, "new")); err != nil || string(got) != "guest\n" {
		t.Errorf("the guest wrote %q, %v", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(read, "file")); err != nil || string(got) != "from the host" {
		t.Errorf("what is read-only has %q, %v", got, err)
	}
	if left, err := os.ReadDir(read); err != nil || len(left) != 3 {
		t.Errorf("what is read-only has %v, %v", left, err)
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "of the host" {
		t.Errorf("a file outside of the shares has %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "new")); !os.IsNotExist(err) {
		t.Errorf("the guest wrote outside of the shares: %v", err)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

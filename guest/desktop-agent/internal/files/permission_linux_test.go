package files

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// nobody is a user who owns nothing.
const nobody = 65534

// What a file's mode forbids is refused. Root may do everything, and where the
// tests run as root, this one's thread acts on files as another user.
func TestPermissionIsTheKernels(t *testing.T) {
	t.Run("of a user", func(t *testing.T) {
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // for good: the thread ends with the test
			if err := unix.Setfsuid(nobody); err != nil {
				t.Fatal(err)
			}
		}
		d := home(t)
		path := d.put(t, "mine", "x")
		if _, _, err := d.Read(t.Context(), desktop.ReadFile{Path: "mine"}); err != nil {
			t.Fatalf("read before it is forbidden: %v", err)
		}
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		_, _, err := d.Read(t.Context(), desktop.ReadFile{Path: "mine"})
		wantError(t, err, desktop.CodeInvalid, "sudo")
		_, err = d.Write(desktop.WriteFile{Path: "mine", Data: []byte("y")})
		wantError(t, err, desktop.CodeInvalid, "sudo")
	})
}

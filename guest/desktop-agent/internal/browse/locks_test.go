package browse

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMoveLocksTakesThoseOfTheOldName(t *testing.T) {
	home := t.TempDir()
	tests := []struct{ browser, lock, want string }{
		{"chromium", "old-412", "new-412"},
		{"google-chrome", "older-412", "older-412"},
		{"other", "elsewhere-old-7", "elsewhere-old-7"},
	}
	for _, tt := range tests {
		dir := filepath.Join(home, ".config", tt.browser)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(tt.lock, filepath.Join(dir, "SingletonLock")); err != nil {
			t.Fatal(err)
		}
	}
	if err := MoveLocks(home, "old", "new"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if got, err := os.Readlink(filepath.Join(home, ".config", tt.browser, "SingletonLock")); err != nil || got != tt.want {
			t.Errorf("lock of %s is %q, %v; want %q", tt.browser, got, err, tt.want)
		}
	}
}

func TestMoveLocksNeedsNoBrowser(t *testing.T) {
	if err := MoveLocks(t.TempDir(), "old", "new"); err != nil {
		t.Error(err)
	}
}

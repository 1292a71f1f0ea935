package machine

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMachineIDIsNewEveryTime(t *testing.T) {
	root := tree(t, "-- etc/machine-id --\n0123456789abcdef0123456789abcdef\n-- var/lib/dbus/machine-id --\n0123456789abcdef0123456789abcdef\n")
	seen := map[string]bool{"0123456789abcdef0123456789abcdef\n": true}
	for range 3 {
		if err := NewMachineID(root); err != nil {
			t.Fatal(err)
		}
		a, err := os.ReadFile(filepath.Join(root, "etc/machine-id"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(root, "var/lib/dbus/machine-id"))
		if err != nil || string(a) != string(b) {
			t.Errorf("D-Bus has %q, the machine %q: %v", b, a, err)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}\n$`).Match(a) || seen[string(a)] {
			t.Errorf("machine id is %q", a)
		}
		seen[string(a)] = true
	}
}

func TestHostnameIsFoundInEtc(t *testing.T) {
	root := tree(t, "-- etc/hosts --\n10.0.0.1 builder\n")
	if err := writeHostname(root, "d1"); err != nil {
		t.Fatal(err)
	}
	hosts, err := os.ReadFile(filepath.Join(root, "etc/hosts"))
	if err != nil || !strings.Contains(string(hosts), "127.0.1.1 d1\n") || strings.Contains(string(hosts), "builder") {
		t.Errorf("hosts: %q, %v", hosts, err)
	}
}

func TestClockIsNeverSetBack(t *testing.T) {
	if err := AdvanceClock(time.Unix(0, 0)); err != nil {
		t.Error(err)
	}
	if time.Now().Before(time.Unix(1<<30, 0)) {
		t.Fatal("the clock was set back")
	}
}

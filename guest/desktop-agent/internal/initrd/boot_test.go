package initrd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmette/vmette-mcp/desktop"
)

const bootJSON = `{"token":"s3cret","port":1024,"hostname":"d1","root":{"device":"/dev/vda","type":"squashfs"},"screen":[1280,800],"unix_time":1}`

func TestTakeBootReadsOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "boot.json")
	if err := os.WriteFile(name, []byte(bootJSON), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := takeBoot(name)
	if err != nil {
		t.Fatal(err)
	}
	want := desktop.Boot{
		Token: "s3cret", Port: 1024, Hostname: "d1",
		Root:   desktop.Root{Device: "/dev/vda", Type: "squashfs"},
		Screen: desktop.Size{Width: 1280, Height: 800}, UnixTime: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the boot file with its secret is still there: %v", err)
	}
}

func TestTakeBootRefusesAHugeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "boot.json")
	if err := os.WriteFile(name, make([]byte, maxBoot+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := takeBoot(name); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("takeBoot: %v, want it to be too large", err)
	}
}

func TestParseBootIsStrict(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown field", `"port"`, `"sport":1,"port"`, "sport"},
		{"another case", `"port"`, `"Port"`, "Port"},
		{"twice", `"port":1024`, `"port":1024,"port":1024`, "port"},
		{"trailing data", `"unix_time":1}`, `"unix_time":1}{}`, ""},
		{"no token", `"s3cret"`, `""`, "token is empty"},
		{"no port", `1024`, `0`, "port is 0"},
		{"no hostname", `"d1"`, `""`, "hostname"},
		{"hostname with a line", `"d1"`, `"d1\n127.0.0.1 example.com"`, "hostname"},
		{"hostname that ends in a hyphen", `"d1"`, `"d1-"`, "hostname"},
		{"device elsewhere", `/dev/vda`, `/etc/passwd`, "root device"},
		{"device with a detour", `/dev/vda`, `/dev/../etc/passwd`, "root device"},
		{"file system that writes", `squashfs`, `ext4`, "root type"},
		{"writable device", `squashfs"`, `squashfs","writable":true`, "cannot be written to"},
		{"tag with a path", `"squashfs"`, `"virtiofs"`, "not a tag"},
		{"no screen", `[1280,800]`, `[0,800]`, "screen"},
		{"fraction", `[1280,800]`, `[1280.5,800]`, "size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := strings.Replace(bootJSON, tt.old, tt.new, 1)
			if in == bootJSON {
				t.Fatal("the case changes nothing")
			}
			_, err := parseBoot([]byte(in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parseBoot: %v, want an error with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func FuzzParseBoot(f *testing.F) {
	f.Add([]byte(bootJSON))
	f.Fuzz(func(t *testing.T, b []byte) {
		boot, err := parseBoot(b)
		if err == nil && checkBoot(boot) != nil {
			t.Errorf("parseBoot(%q) let %+v pass", b, boot)
		}
	})
}

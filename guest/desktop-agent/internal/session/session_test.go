package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
)

func put(t *testing.T, root, name, text string, mode os.FileMode) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFindPrefersTheFirstName(t *testing.T) {
	root := t.TempDir()
	put(t, root, "usr/bin/twm", "", 0o755)
	put(t, root, "usr/bin/openbox", "", 0o644) // not executable
	if err := os.Mkdir(filepath.Join(root, "usr/bin/xfwm4"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := find(root, windowManagers...)
	if err != nil || got != "/usr/bin/twm" {
		t.Errorf("find: %q, %v; want /usr/bin/twm", got, err)
	}
	put(t, root, "usr/local/bin/marco", "", 0o755)
	if got, _ = find(root, windowManagers...); got != "/usr/local/bin/marco" {
		t.Errorf("find: %q, want the better /usr/local/bin/marco", got)
	}
	if _, err := find(root, xServers...); err == nil || !strings.Contains(err.Error(), "Xvfb") {
		t.Errorf("find: %v, want an error that says what would do", err)
	}
}

func TestLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "C.UTF-8",
		"LANG=en_US.UTF-8\n":            "en_US.UTF-8",
		"# set\nLANG=\"de_DE.utf8\"\n":  "de_DE.utf8",
		"LANG=en_US.ISO-8859-1\n":       "C.UTF-8",
		"LANGUAGE=en_US.UTF-8\nLANG=C ": "C.UTF-8",
	} {
		root := t.TempDir()
		put(t, root, "etc/default/locale", text, 0o644)
		if got := language(root); got != want {
			t.Errorf("language with %q is %q, want %q", text, got, want)
		}
	}
}

func TestEnvironmentHasNoDoublesAndNoEmptyValues(t *testing.T) {
	u := machine.User{Name: "user", UID: 1000, GID: 1000, Home: "/home/user", Shell: "/bin/bash"}
	seen := make(map[string]bool)
	for _, kv := range environment(t.TempDir(), u, pathsIn("/run/user/1000")) {
		k, v, _ := strings.Cut(kv, "=")
		if v == "" || seen[k] {
			t.Errorf("%q is empty or there twice", kv)
		}
		seen[k] = true
	}
	for _, k := range []string{"HOME", "USER", "LANG", "DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "PATH", "SHELL"} {
		if !seen[k] {
			t.Errorf("%s is missing", k)
		}
	}
}

func TestXServerListensOnNoNetwork(t *testing.T) {
	screen := desktop.Size{Width: 1280, Height: 800}
	for _, path := range []string{"/usr/bin/Xvnc", "/usr/bin/Xtigervnc", "/usr/bin/Xvfb"} {
		args := xServerArgs(path, screen, "d1", false, pathsIn("/run/user/1000"))
		pair := func(k, v string) bool {
			i := slices.Index(args, k)
			return i >= 0 && i+1 < len(args) && args[i+1] == v
		}
		if !pair("-nolisten", "tcp") || !pair("-auth", "/run/user/1000/Xauthority") {
			t.Errorf("%s is open to others: %q", path, args)
		}
		if strings.HasSuffix(path, "vnc") && (!pair("-rfbport", "-1") || !pair("-rfbunixmode", "384")) {
			t.Errorf("the view of %s is open to others: %q", path, args)
		}
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "1280x800") }); i < 0 {
			t.Errorf("%s is not told the size of the screen: %q", path, args)
		}
	}
}

func TestOpenGLOnlyOnARealProcessor(t *testing.T) {
	for model, want := range map[string]bool{
		"AMD EPYC 7763 64-Core Processor": false,
		"QEMU TCG CPU version 2.5+":       true,
	} {
		root := t.TempDir()
		put(t, root, "proc/cpuinfo", "processor\t: 0\nmodel name\t: "+model+"\n", 0o644)
		got := emulated(root)
		if got != want {
			t.Errorf("emulated on %q is %v", model, got)
		}
		args := xServerArgs("/usr/bin/Xvnc", desktop.Size{Width: 1280, Height: 800}, "d1", got, pathsIn("/run/user/1000"))
		if slices.Contains(args, "GLX") != want {
			t.Errorf("on %q: %q", model, args)
		}
	}
}

func TestXauthorityEntry(t *testing.T) {
	got := xauthority("0", []byte{1, 2, 3})
	want := "\xff\xff" + "\x00\x00" + "\x00\x010" + "\x00\x12MIT-MAGIC-COOKIE-1" + "\x00\x03\x01\x02\x03"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

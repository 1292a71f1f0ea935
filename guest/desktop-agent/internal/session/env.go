package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
)

// Display is the X display of the desktop.
const Display = ":0"

const defaultPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/usr/local/sbin:/usr/sbin:/sbin"

// paths are the places of a session's own files.
type paths struct {
	runtime    string // XDG_RUNTIME_DIR
	xauthority string
	rfb        string // socket on which Xvnc shows the screen
	bus        string // socket of the session's D-Bus
}

func pathsIn(runtime string) paths {
	return paths{
		runtime:    runtime,
		xauthority: filepath.Join(runtime, "Xauthority"),
		rfb:        filepath.Join(runtime, "rfb"),
		bus:        filepath.Join(runtime, "bus"),
	}
}

// environment is what every program of the desktop finds. root is "/" but in
// tests.
func environment(root string, u machine.User, p paths) []string {
	return []string{
		"HOME=" + u.Home,
		"USER=" + u.Name,
		"LOGNAME=" + u.Name,
		"SHELL=" + u.Shell,
		"PATH=" + defaultPath,
		"LANG=" + language(root),
		"DISPLAY=" + Display,
		"XAUTHORITY=" + p.xauthority,
		"XDG_RUNTIME_DIR=" + p.runtime,
		"XDG_SESSION_TYPE=x11",
		"XDG_SESSION_CLASS=user",
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + p.bus,
	}
}

// language is the locale that the image is set to, or else the one that every
// C library has. Without UTF-8, programs could not show what is typed.
func language(root string) string {
	for _, name := range []string{"etc/default/locale", "etc/locale.conf"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			value, ok := strings.CutPrefix(strings.TrimSpace(line), "LANG=")
			value = strings.Trim(value, `"'`)
			if ok && strings.Contains(strings.ToUpper(value), "UTF") {
				return value
			}
		}
	}
	return "C.UTF-8"
}

// find returns the path of the first of these programs that the image has.
func find(root string, names ...string) (path string, err error) {
	for _, name := range names {
		if filepath.IsAbs(name) {
			if executable(filepath.Join(root, name)) {
				return name, nil
			}
			continue
		}
		for _, dir := range filepath.SplitList(defaultPath) {
			if p := filepath.Join(dir, name); executable(filepath.Join(root, p)) {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("the image has none of %s", strings.Join(names, ", "))
}

func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

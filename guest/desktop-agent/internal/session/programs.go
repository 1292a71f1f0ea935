package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// Programs that can take a part, best first.
var (
	xServers = []string{"Xvnc", "Xtigervnc", "Xvfb"}

	windowManagers = []string{
		"openbox", "xfwm4", "marco", "metacity", "fluxbox", "icewm", "jwm", "fvwm3", "fvwm", "twm",
		"x-window-manager", "/etc/alternatives/x-window-manager",
	}

	// silentManagers are those that do not follow the Extended Window Manager
	// Hints, so that nobody can know when they are ready.
	silentManagers = []string{"twm", "x-window-manager"}

	// busManagers cannot start without D-Bus.
	busManagers = []string{"xfwm4", "marco", "metacity"}

	// serverNice has the X server go first. All programs wait for it now and
	// then, and it seldom has much to do, but beside the threads of a browser it
	// would get a small share of the processors.
	serverNice = -10

	// managerEnviron is what a window manager has in its environment beside what
	// all have. openbox reads the table of composed characters each time the
	// keymap changes, half a megabyte that it has no use for.
	managerEnviron = []string{"XCOMPOSEFILE=/dev/null"}

	panels = []string{"tint2", "xfce4-panel", "lxqt-panel", "lxpanel", "mate-panel"}
)

// What an X server leaves behind when it is killed, and makes anew.
const (
	lockFile   = "/tmp/.X0-lock"
	socketFile = "/tmp/.X11-unix/X0"
)

// xServerArgs is the command line of the X server at path. On an emulated
// processor it goes without OpenGL, whose software renderer takes seconds to
// load there and would be too slow to be of use.
func xServerArgs(path string, screen desktop.Size, hostname string, emulated bool, p paths) []string {
	args := []string{
		path, Display,
		"-auth", p.xauthority,
		"-displayfd", "3", // says when it is ready
		"-nolisten", "tcp",
		"-noreset", // or the keymap is lost with the last client
		"-dpi", "96",
		"-s", "0", // no screen saver
	}
	if emulated {
		args = append(args, "-extension", "GLX")
	}
	if filepath.Base(path) == "Xvfb" {
		return append(args, "-screen", "0", screen.String()+"x24")
	}
	return append(args,
		"-geometry", screen.String(),
		"-depth", "24",
		"-desktop", hostname,
		// Whoever may open the socket may look: it is the user's own.
		"-rfbport", "-1",
		"-rfbunixpath", p.rfb,
		"-rfbunixmode", fmt.Sprint(0o600),
		"-SecurityTypes", "None",
		"-AcceptSetDesktopSize=0", // coordinates stay what they were
		"-Log", "*:stderr:30",
	)
}

// emulated reports whether the processor is QEMU's translator, which names
// itself so.
func emulated(root string) bool {
	b, err := os.ReadFile(filepath.Join(root, "proc/cpuinfo"))
	return err == nil && strings.Contains(string(b), ": QEMU TCG CPU")
}

// sessionBusArgs and systemBusArgs start the two message buses of a desktop.
func sessionBusArgs(path string, p paths) []string {
	return []string{path, "--session", "--nofork", "--nopidfile", "--nosyslog", "--address=unix:path=" + p.bus, "--print-address=3"}
}

func systemBusArgs(path string) []string {
	return []string{path, "--system", "--nofork", "--nopidfile", "--nosyslog"}
}

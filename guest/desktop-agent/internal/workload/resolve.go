package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Exit codes for commands that did not run, as shells have them.
const (
	exitCannot  = 126
	exitMissing = 127
)

// environment returns that of the command: what every program may rely on, and
// over it what the host says.
func environment(w desktop.Workload, u machine.User, hostname string) []string {
	env := []string{"PATH=" + defaultPath, "HOME=" + u.Home, "HOSTNAME=" + hostname}
	if w.Terminal != nil {
		env = append(env, "TERM=xterm")
	}
	for _, e := range w.Env {
		name, _, _ := strings.Cut(e, "=")
		env = set(env, name, e)
	}
	return env
}

// set puts the entry of a variable into env, in the place of one that is there.
func set(env []string, name, entry string) []string {
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = entry
			return env
		}
	}
	return append(env, entry)
}

// value returns that of a variable.
func value(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// notRun is why a command did not run.
type notRun struct {
	code int
	err  error
}

func (e *notRun) Error() string { return e.err.Error() }

// lookup returns the path of the program in the system at root; the path is as
// that system sees it. dir is the working directory. The error is a *notRun.
func lookup(root, name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !path.IsAbs(file) {
			file = path.Join(dir, file)
		}
		if err := executable(filepath.Join(root, file)); err != nil {
			return "", err
		}
		return file, nil
	}
	var denied error
	for _, d := range filepath.SplitList(value(env, "PATH")) {
		if d == "" {
			d = "."
		}
		if !path.IsAbs(d) {
			d = path.Join(dir, d)
		}
		file := path.Join(d, name)
		err := executable(filepath.Join(root, file))
		if err == nil {
			return file, nil
		}
		var e *notRun
		if errors.As(err, &e) && e.code == exitCannot {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &notRun{exitMissing, fmt.Errorf("there is no program %q in PATH", name)}
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &notRun{exitMissing, err}
	case err != nil:
		return &notRun{exitCannot, err}
	case !info.Mode().IsRegular():
		return &notRun{exitCannot, fmt.Errorf("%s is not a file", file)}
	case info.Mode()&0o111 == 0:
		return &notRun{exitCannot, fmt.Errorf("%s is not executable", file)}
	}
	return nil
}

package browse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// restLimit is how long the kernel may take until all processes stand still.
const restLimit = 5 * time.Second

// rest is what is known of the browsers' control group, in which they are frozen. See
// "cgroup.freeze" in the kernel's Documentation/admin-guide/cgroup-v2.rst.
type rest struct {
	turn   sync.Mutex
	asked  bool // to stand still until Wake
	paused bool // until Continue
	thawed bool // for certain
}

// group opens the control group that browsers are started in, nil if there is none.
func (b *Browser) group() (*os.File, error) {
	if b.Cgroup == "" {
		return nil, nil
	}
	if err := os.Mkdir(b.groupPath(), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	return os.Open(b.groupPath())
}

func (b *Browser) groupPath() string { return filepath.Join(b.Cgroup, "browser") }

// Rest has the browsers that this Browser has started stand still, with all that they
// have started, and returns when they do. Its errors are *desktop.Error.
func (b *Browser) Rest(ctx context.Context) error {
	if b.Cgroup == "" {
		return desktop.Errorf(desktop.CodeUnavailable, "a browser cannot stand still here: it has no control group")
	}
	if _, err := os.Stat(b.groupPath()); err != nil {
		return desktop.Errorf(desktop.CodeUnavailable, "no browser was started that could stand still")
	}
	b.turn.Lock()
	defer b.turn.Unlock()
	b.asked, b.thawed = true, false
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	if err := freeze(ctx, b.groupPath()); err != nil {
		return desktop.Errorf(desktop.CodeUnavailable, "the browser could not be made to stand still: %v", errors.Join(err, b.wake()))
	}
	return nil
}

// Wake lets the browsers go on. It costs nothing when they do.
func (b *Browser) Wake() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	return b.wake()
}

func (b *Browser) wake() error {
	b.asked = false
	return b.goOn()
}

// Pause has the browsers stand still until Continue or Wake, if that can be had. It
// does not wait until they do.
func (b *Browser) Pause() {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.Cgroup == "" || b.asked {
		return
	}
	b.paused, b.thawed = true, false
	b.setFrozen("1") // without a group there is no browser
}

// Continue lets browsers go on that have been paused, unless they were put to rest
// before.
func (b *Browser) Continue() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.asked {
		return nil
	}
	return b.goOn()
}

// Still returns the processes of the browsers when they stand still.
func (b *Browser) Still() (pids []int) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if !b.asked && !b.paused {
		return nil
	}
	list, _ := os.ReadFile(filepath.Join(b.groupPath(), "cgroup.procs"))
	for line := range strings.Lines(string(list)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// goOn thaws the control group. The caller holds turn.
func (b *Browser) goOn() error {
	b.paused = false
	if b.thawed || b.Cgroup == "" {
		return nil
	}
	if err := b.setFrozen("0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.thawed = true
	return nil
}

func (b *Browser) setFrozen(value string) error {
	return writeTo(filepath.Join(b.groupPath(), "cgroup.freeze"), value)
}

// writeTo writes to a file that is there already, unlike os.WriteFile.
func writeTo(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// freeze has the processes of a control group stand still, and returns when all do:
// each first ends the system call that it is in, unless it sleeps there.
func freeze(ctx context.Context, group string) error {
	events := filepath.Join(group, "cgroup.events")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch %s: %w", events, err)
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	defer watch.Close()
	if _, err := unix.InotifyAddWatch(fd, events, unix.IN_MODIFY); err != nil {
		return fmt.Errorf("watch %s: %w", events, err)
	}
	defer context.AfterFunc(ctx, func() { watch.SetReadDeadline(time.Unix(1, 0)) })()
	if err := writeTo(filepath.Join(group, "cgroup.freeze"), "1"); err != nil {
		return err
	}
	var news [4096]byte
	for {
		state, err := os.ReadFile(events)
		if err != nil {
			return err
		}
		if bytes.Contains(state, []byte("frozen 1")) {
			return nil
		}
		if _, err := watch.Read(news[:]); err != nil {
			return fmt.Errorf("wait until its processes stand still: %w", err)
		}
	}
}

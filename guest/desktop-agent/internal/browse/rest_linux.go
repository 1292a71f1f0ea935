package browse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// restLimit is how long the kernel may take until all processes stand still.
const restLimit = 5 * time.Second

// rest is what is known of the browsers' control group. See "cgroup.freeze" in the
// kernel's Documentation/admin-guide/cgroup-v2.rst.
type rest struct {
	turn  sync.Mutex
	awake bool // for certain
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
		return desktop.Errorf(desktop.CodeUnavailable, "no browser runs that could stand still")
	}
	b.turn.Lock()
	defer b.turn.Unlock()
	b.awake = false
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	if err := freeze(ctx, b.groupPath()); err != nil {
		return desktop.Errorf(desktop.CodeUnavailable, "the browser could not be made to stand still: %v", errors.Join(err, b.thaw()))
	}
	return nil
}

// Wake lets the browsers go on. It costs nothing when they have not been put to rest
// since.
func (b *Browser) Wake() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.awake || b.Cgroup == "" {
		return nil
	}
	return b.thaw()
}

// thaw lets the browsers go on. The caller holds turn.
func (b *Browser) thaw() error {
	err := os.WriteFile(filepath.Join(b.groupPath(), "cgroup.freeze"), []byte("0"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.awake = true
	return nil
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
	if err := os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte("1"), 0); err != nil {
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

package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// Names inside a state directory:
//
//	lock                       held while servers come, so that they come one by one
//	server-RANDOM/lock         held by a server for as long as it lives
//	server-RANDOM/sandbox-N/   the own directory of each of its machines
//	    process                the machine's process, see [RecordProcess]
//	server-RANDOM/suspended-N/ a suspended sandbox; one with a keptFile outlives the server
//	kept-RANDOM/               one that has, and waits for a server that takes it back
//
// The locks are the kernel's (flock), so they end with their holder, however it
// dies: a server directory whose lock can be had belongs to nobody.
const (
	lockFile        = "lock"
	serverPrefix    = "server-"
	suspendedPrefix = "suspended-"
	keptPrefix      = "kept-"
)

// keptFor is how long a suspended sandbox waits for a server.
const keptFor = 7 * 24 * time.Hour

// stateDir is one server's share of a state directory.
type stateDir struct {
	parent string
	dir    string
	lock   *os.File
	kept   []string // directories of sandboxes that were taken over from dead servers
}

// openStateDir removes what dead servers left in parent and makes a directory
// there for this one. What belongs to live servers is left alone. Sandboxes that were
// to outlive their servers are moved into the new directory, if they are to be taken.
func openStateDir(parent string, take bool, log *slog.Logger) (*stateDir, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	gate, err := waitLock(filepath.Join(parent, lockFile))
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	defer gate.Close()

	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, fmt.Errorf("read state directory: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), serverPrefix) {
			continue
		}
		if err := reap(filepath.Join(parent, e.Name()), log); err != nil {
			log.Warn("remove what a dead server left", "dir", e.Name(), "err", err)
		}
	}
	dir, err := durable.MkdirTemp(parent, serverPrefix)
	if err == nil {
		err = durable.SyncDir(parent) // what is suspended in it is to be found again
	}
	if err != nil {
		return nil, fmt.Errorf("make server directory: %w", err)
	}
	lock, err := waitLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock server directory: %w", err), os.RemoveAll(dir))
	}
	s := &stateDir{parent: parent, dir: dir, lock: lock}
	if err := s.findKept(take, log); err != nil {
		return nil, errors.Join(fmt.Errorf("take sandboxes back: %w", err), lock.Close()) // the next server finds them
	}
	return s, nil
}

// OpenState removes what dead processes left in the state directory parent, as
// [NewManager] does, and makes a directory in it for the sandboxes of this one, to be
// their [StartOptions.Dir]. close removes that once none runs any more; what is left
// if this process dies before, another one removes.
func OpenState(parent string, log *slog.Logger) (dir string, close func() error, err error) {
	s, err := openStateDir(parent, false, log)
	if err != nil {
		return "", nil, err
	}
	return s.dir, s.close, nil
}

// findKept moves the sandboxes that wait for a server into the directory of this one,
// if it is to take them, and removes those that have waited for too long. The caller
// has locked the parent, so that nobody else takes them.
func (s *stateDir) findKept(take bool, log *slog.Logger) error {
	found, err := filepath.Glob(filepath.Join(s.parent, keptPrefix+"*"))
	if err != nil {
		return err
	}
	for _, from := range found {
		info, err := os.Stat(filepath.Join(from, keptFile))
		if err != nil || time.Since(info.ModTime()) > keptFor {
			log.Warn("removing a suspended sandbox that nobody took back", "dir", filepath.Base(from))
			if err := discardKept(from); err != nil {
				log.Warn("cannot remove it", "dir", filepath.Base(from), "err", err)
			}
			continue
		}
		if !take {
			continue
		}
		to := filepath.Join(s.dir, suspendedPrefix+rand.Text())
		if err := durable.Rename(from, to); err != nil {
			log.Warn("cannot take a suspended sandbox back", "dir", filepath.Base(from), "err", err)
			continue
		}
		s.kept = append(s.kept, to)
	}
	return nil
}

// leave moves a suspended sandbox to where any server finds it.
func (s *stateDir) leave(from string) (to string, err error) { return leaveIn(s.parent, from) }

func leaveIn(parent, from string) (to string, err error) {
	to = filepath.Join(parent, keptPrefix+rand.Text())
	return to, durable.Rename(from, to)
}

// rescue has the suspended sandboxes outlive the server of dir that were to.
func rescue(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, suspendedPrefix+"*", keptFile))
	if err != nil {
		return err
	}
	for _, f := range found {
		if _, err := leaveIn(filepath.Dir(dir), filepath.Dir(f)); err != nil {
			return err
		}
	}
	return nil
}

// reap removes the directory of a server that is dead, and what still runs of
// it. One whose server lives is left alone.
func reap(dir string, log *slog.Logger) error {
	lock, err := tryLock(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	log.Info("removing what a dead server left", "dir", filepath.Base(dir))
	records, err := filepath.Glob(filepath.Join(dir, "*", processFile))
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := killRecorded(r); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("end a process that a dead server left", "err", err)
		}
	}
	if err := rescue(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// close removes the directory and gives its lock back.
func (s *stateDir) close() error {
	return errors.Join(os.RemoveAll(s.dir), s.lock.Close())
}

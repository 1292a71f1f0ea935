package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Names inside a state directory:
//
//	lock                       held while servers come, so that they come one by one
//	server-RANDOM/lock         held by a server for as long as it lives
//	server-RANDOM/sandbox-N/   the own directory of each of its machines
//	    process                the machine's process, see [RecordProcess]
//
// The locks are the kernel's (flock), so they end with their holder, however it
// dies: a server directory whose lock can be had belongs to nobody.
const (
	lockFile     = "lock"
	serverPrefix = "server-"
)

// stateDir is one server's share of a state directory.
type stateDir struct {
	dir  string
	lock *os.File
}

// openStateDir removes what dead servers left in parent and makes a directory
// there for this one. What belongs to live servers is left alone.
func openStateDir(parent string, log *slog.Logger) (*stateDir, error) {
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
	dir, err := os.MkdirTemp(parent, serverPrefix)
	if err != nil {
		return nil, fmt.Errorf("make server directory: %w", err)
	}
	lock, err := waitLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock server directory: %w", err), os.RemoveAll(dir))
	}
	return &stateDir{dir: dir, lock: lock}, nil
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
	return os.RemoveAll(dir)
}

// close removes the directory and gives its lock back.
func (s *stateDir) close() error {
	return errors.Join(os.RemoveAll(s.dir), s.lock.Close())
}

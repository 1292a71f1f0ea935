// Package durable changes a disk in steps, each of which is there whole or not at
// all after the process or the host has ended at any moment.
//
// It is for things that are made of several files and one that says that they are
// whole: write the others, write that one, then [SyncDir], or [Rename] all of it to
// where it is looked for. To remove them, [Remove] that one first.
//
// A disk that is full is an error that matches [ErrFull] and says what to do.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// ErrFull reports a disk, or somebody's share of it, that is full.
var ErrFull = errors.New("no room on the disk")

// Op is what a step does.
type Op string

// The steps.
const (
	OpMkdir   Op = "make directory"
	OpCreate  Op = "create"
	OpWrite   Op = "write"
	OpSync    Op = "sync"
	OpSyncDir Op = "sync directory"
	OpRename  Op = "rename"
	OpRemove  Op = "remove"
)

var hook atomic.Pointer[func(op Op, name string) error]

// SetHook has f called before each step with the name that it is about to change. A
// step for which f returns an error is not done, and fails with that. It is for tests;
// nil ends it.
func SetHook(f func(op Op, name string) error) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}

// step does one step.
func step(op Op, name string, do func() error) error {
	if f := hook.Load(); f != nil {
		if err := (*f)(op, name); err != nil {
			return explain(name, err)
		}
	}
	return explain(name, do())
}

// WriteFile makes a file that only its owner may read, and returns when what write
// wrote into it is on the disk. Its name is there only after [SyncDir].
func WriteFile(name string, write func(*os.File) error) error {
	var f *os.File
	err := step(OpCreate, name, func() (err error) {
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = step(OpWrite, name, func() error { return write(f) })
	if err == nil {
		err = step(OpSync, name, f.Sync)
	}
	return errors.Join(err, f.Close())
}

// Mkdir makes a directory that only its owner may look into.
func Mkdir(name string) error {
	return step(OpMkdir, name, func() error { return os.Mkdir(name, 0o700) })
}

// MkdirTemp is like Mkdir for one with a new name; see [os.MkdirTemp].
func MkdirTemp(dir, pattern string) (name string, err error) {
	err = step(OpMkdir, filepath.Join(dir, pattern), func() (err error) {
		name, err = os.MkdirTemp(dir, pattern)
		return err
	})
	return name, err
}

// SyncDir returns when the names in a directory are on the disk.
func SyncDir(name string) error {
	return step(OpSyncDir, name, func() error {
		d, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}

// Rename moves a file or directory to a name that is free, and returns when that is
// on the disk.
func Rename(from, to string) error {
	if err := step(OpRename, to, func() error { return os.Rename(from, to) }); err != nil {
		return err
	}
	err := SyncDir(filepath.Dir(to))
	if filepath.Dir(from) != filepath.Dir(to) {
		err = errors.Join(err, SyncDir(filepath.Dir(from)))
	}
	return err
}

// Remove removes a file, which may be gone already, and returns when that is on the
// disk.
func Remove(name string) error {
	err := step(OpRemove, name, func() error { return os.Remove(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// fullError is an ErrFull.
type fullError struct {
	name string
	err  error
}

// Error leaves out where the file is, as that is nothing for a client of the server.
func (e *fullError) Error() string {
	return ErrFull.Error() + " for " + filepath.Base(e.name) + ": free some of it"
}

func (e *fullError) Unwrap() []error { return []error{ErrFull, e.err} }

// explain says what to do when a disk is full.
func explain(name string, err error) error {
	var known *fullError
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fullError{name, err}
	}
	return err
}

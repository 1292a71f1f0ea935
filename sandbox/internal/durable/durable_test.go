package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record notes each step until the test ends, and has the one named by fail fail.
func record(t *testing.T, fail Op, with error) *[]string {
	t.Helper()
	var steps []string
	SetHook(func(op Op, name string) error {
		steps = append(steps, string(op)+" "+filepath.Base(name))
		if op == fail {
			return with
		}
		return nil
	})
	t.Cleanup(func() { SetHook(nil) })
	return &steps
}

func hello(f *os.File) error {
	_, err := io.WriteString(f, "hello")
	return err
}

func TestStepsAreInOrder(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "file"), filepath.Join(dir, "dir")
	steps := record(t, "", nil)
	for _, err := range []error{
		WriteFile(name, hello),
		Mkdir(other),
		Rename(name, filepath.Join(other, "moved")),
		Remove(filepath.Join(other, "moved")),
		Remove(filepath.Join(other, "moved")), // it is gone already
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"create file", "write file", "sync file",
		"make directory dir",
		"rename moved", "sync directory dir", "sync directory " + filepath.Base(dir),
		"remove moved", "sync directory dir",
		"remove moved",
	}
	if diff := cmp.Diff(want, *steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestFileIsWrittenOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(name, hello); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if err := WriteFile(name, hello); !errors.Is(err, os.ErrExist) {
		t.Errorf("written again: %v, want ErrExist", err)
	}
}

func TestFullDiskSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		for _, op := range []Op{OpCreate, OpWrite, OpSync} {
			record(t, op, &os.PathError{Op: "write", Path: dir, Err: errno})
			err := WriteFile(filepath.Join(t.TempDir(), "memory"), hello)
			if !errors.Is(err, ErrFull) || !errors.Is(err, errno) {
				t.Errorf("%s: %v, want ErrFull", op, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "no room on the disk for memory: free some of it") || strings.Contains(err.Error(), dir)) {
				t.Errorf("%s: it says %v", op, err)
			}
		}
	}
	record(t, OpWrite, syscall.EIO)
	if err := WriteFile(filepath.Join(dir, "memory"), hello); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFull) {
		t.Errorf("a broken disk: %v", err)
	}
}

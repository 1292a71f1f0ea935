package vz

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/sandbox"
)

// stateFormat is the version of what a state holds, beside the framework's part.
const stateFormat = 1

// What the directory of a state holds.
const (
	savedFile  = "machine.vzsave" // written by the framework
	recordFile = "machine.json"   // a record, of stored states alone
)

// state is a machine that was saved, in a file that does not change. Each machine
// that is started from it reads the file once.
type state struct {
	record
	dir string
	own bool // the directory goes with the state
}

// record is what is known of a state.
type record struct {
	Format     int    `json:"format"`
	CPUs       int    `json:"cpus"`
	MemoryMiB  int    `json:"memory_mib"`
	Identifier []byte `json:"identifier"`       // of the machine, see spec
	SHA256     string `json:"sha256,omitempty"` // of the file; "" if it is not stored
}

func (s *state) path() string { return filepath.Join(s.dir, savedFile) }

// Store implements [sandbox.State].
func (s *state) Store(ctx context.Context, dir string) error {
	src, err := os.Open(s.path())
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(filepath.Join(dir, savedFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	rec := s.record
	rec.SHA256, err = copyHashed(ctx, dst, src)
	if err == nil {
		err = dst.Sync()
	}
	if err := errors.Join(err, dst.Close()); err != nil {
		return fmt.Errorf("store saved machine: %w", err)
	}
	return sandbox.WriteRecord(filepath.Join(dir, recordFile), rec)
}

// load reads what Store wrote into dir, where the state stays.
func load(ctx context.Context, dir string) (*state, error) {
	s := &state{dir: dir}
	if err := sandbox.ReadRecord(filepath.Join(dir, recordFile), &s.record); err != nil {
		return nil, err
	}
	if s.Format != stateFormat {
		return nil, fmt.Errorf("the saved machine has format %d, not %d", s.Format, stateFormat)
	}
	f, err := os.Open(s.path())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := copyHashed(ctx, io.Discard, f)
	if err != nil {
		return nil, fmt.Errorf("read saved machine: %w", err)
	}
	if sum != s.SHA256 {
		return nil, fmt.Errorf("%s is damaged", savedFile)
	}
	return s, nil
}

// Close implements [sandbox.State].
func (s *state) Close() error {
	if !s.own {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// fits reports why a machine with cfg cannot start from the state.
func (s *state) fits(cfg sandbox.Config) error {
	if s.CPUs != cfg.CPUs || s.MemoryMiB != cfg.MemoryMiB {
		return fmt.Errorf("%w: the saved machine had %d CPUs and %d MiB, not %d and %d",
			sandbox.ErrInvalidConfig, s.CPUs, s.MemoryMiB, cfg.CPUs, cfg.MemoryMiB)
	}
	return nil
}

// copyHashed copies src to dst and returns its SHA-256.
func copyHashed(ctx context.Context, dst io.Writer, src io.Reader) (string, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := src.Read(buf)
		h.Write(buf[:n])
		if _, werr := dst.Write(buf[:n]); werr != nil {
			return "", werr
		}
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// What the directory of a stored snapshot holds.
const (
	snapshotFile = "snapshot.json"
	machineDir   = "machine" // what the backend wrote
)

// snapshotRecord is what snapshotFile holds.
type snapshotRecord struct {
	Config Config `json:"config"`
	// Boot is what the saved guest takes itself for. Its token is of no use to
	// anybody: every guest that is started from it gets another one.
	Boot desktop.Boot `json:"boot"`
	Pins []dns.Pin    `json:"pins,omitempty"`
}

// Store writes the snapshot into dir, an empty directory that nobody else may read,
// and returns when it is on the disk. One that was stored whole can be told from
// any other by [LoadSnapshot].
func (s *Snapshot) Store(ctx context.Context, dir string) error {
	if err := s.state.hold(); err != nil {
		return fmt.Errorf("store snapshot: %w", err)
	}
	defer s.state.release()
	machine := filepath.Join(dir, machineDir)
	if err := durable.Mkdir(machine); err != nil {
		return fmt.Errorf("store snapshot: %w", err)
	}
	err := s.state.Store(ctx, machine)
	if err == nil {
		err = WriteRecord(filepath.Join(dir, snapshotFile), snapshotRecord{Config: s.cfg, Boot: s.boot, Pins: s.pins})
	}
	for _, d := range []string{machine, dir} {
		if err == nil {
			err = durable.SyncDir(d)
		}
	}
	if err != nil {
		return fmt.Errorf("store snapshot: %w", err)
	}
	return nil
}

// stub returns what makes loading the snapshot cheap once it is stored. It is nil if
// nothing does, and if it would keep memory that is in use for nobody else.
func (s *Snapshot) stub() (Stub, error) {
	state, ok := s.state.State.(StubState)
	if !ok || !s.common {
		return nil, nil
	}
	if err := s.state.hold(); err != nil {
		return nil, err
	}
	defer s.state.release()
	return state.Stub()
}

// LoadSnapshot reads what [Snapshot.Store] wrote into dir. It fails when anything
// of it is not as it was written, with an error that matches [ErrUnusable]; one that
// does not tells of trouble that may pass. The snapshot must be closed.
func LoadSnapshot(ctx context.Context, b Snapshotter, dir string) (*Snapshot, error) {
	return loadSnapshot(ctx, b, dir)
}

// loader reads the states of a backend: a [Snapshotter], or a [Stub].
type loader interface {
	Load(ctx context.Context, dir string) (State, error)
}

func loadSnapshot(ctx context.Context, l loader, dir string) (*Snapshot, error) {
	var rec snapshotRecord
	err := ReadRecord(filepath.Join(dir, snapshotFile), &rec)
	if err == nil && rec.Boot.Token == "" {
		err = fmt.Errorf("%w: %s names no token", ErrUnusable, snapshotFile)
	}
	if err == nil {
		if bad := rec.Config.Validate(); bad != nil {
			err = fmt.Errorf("%w: %w", ErrUnusable, bad)
		}
	}
	var state State
	if err == nil {
		state, err = l.Load(ctx, filepath.Join(dir, machineDir))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrUnusable, err) // it is not whole
	}
	if err != nil {
		return nil, fmt.Errorf("load snapshot: %w", err)
	}
	return newSnapshot(rec.Config, rec.Boot, rec.Pins, state), nil
}

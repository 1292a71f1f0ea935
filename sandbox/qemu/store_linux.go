package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// The files of a state in its directory.
const (
	machineFile = "machine.json"
	devicesFile = "devices"
	ramFile     = "memory"  // as large as the guest's memory, with holes
	diskFile    = "scratch" // likewise, of a machine that has such a disk
)

// maxDevices bounds the state of a machine's devices. What QEMU writes for ours
// is under half a megabyte.
const maxDevices = 64 << 20

// machineRecord is what machineFile holds.
type machineRecord struct {
	Isolation sandbox.Isolation `json:"isolation"`
	CPUs      int               `json:"cpus"`
	MemoryMiB int               `json:"memory_mib"`
	Devices   string            `json:"devices_sha256"`
	Memory    string            `json:"memory_digest"` // see copyMemory
	DiskMiB   int               `json:"scratch_mib,omitempty"`
	Disk      string            `json:"scratch_digest,omitempty"` // likewise
}

// Store implements [sandbox.State].
func (s *state) Store(ctx context.Context, dir string) error {
	if err := s.store(ctx, dir); err != nil {
		return fmt.Errorf("store machine: %w", err)
	}
	return nil
}

func (s *state) store(ctx context.Context, dir string) error {
	rec := machineRecord{Isolation: s.isolation, CPUs: s.cpus, MemoryMiB: s.memoryMiB, DiskMiB: s.diskMiB}
	err := durable.WriteFile(filepath.Join(dir, ramFile), func(f *os.File) (err error) {
		if err = f.Truncate(int64(s.memoryMiB) << 20); err == nil {
			rec.Memory, err = copyMemory(ctx, f, newLayers(s.memory, s.changed, s.over))
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.scratch != nil {
		err := durable.WriteFile(filepath.Join(dir, diskFile), func(f *os.File) (err error) {
			if err = f.Truncate(int64(s.diskMiB) << 20); err == nil {
				rec.Disk, err = copyMemory(ctx, f, newLayers(s.scratch, nil, nil))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	devices, err := readAll(s.devices)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(devices)
	rec.Devices = hex.EncodeToString(sum[:])
	if err := durable.WriteFile(filepath.Join(dir, devicesFile), func(f *os.File) error { _, err := f.Write(devices); return err }); err != nil {
		return err
	}
	return sandbox.WriteRecord(filepath.Join(dir, machineFile), rec)
}

// Load reads a state; see [sandbox.Snapshotter].
func (b *Backend) Load(ctx context.Context, dir string) (sandbox.State, error) {
	s, err := load(ctx, dir, nil)
	if err != nil {
		return nil, fmt.Errorf("load machine: %w", err)
	}
	return s, nil
}

// load reads a state, of the memory only what a stub does not have, if there is one.
func load(ctx context.Context, dir string, known *stub) (_ *state, err error) {
	var rec machineRecord
	if err := sandbox.ReadRecord(filepath.Join(dir, machineFile), &rec); err != nil {
		return nil, err
	}
	s := &state{isolation: rec.Isolation, cpus: rec.CPUs, memoryMiB: rec.MemoryMiB, diskMiB: rec.DiskMiB}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.devices, err = loadDevices(filepath.Join(dir, devicesFile), rec.Devices); err != nil {
		return nil, err
	}
	if rec.DiskMiB > 0 {
		if s.scratch, err = loadScratch(ctx, filepath.Join(dir, diskFile), int64(rec.DiskMiB)<<20, rec.Disk); err != nil {
			return nil, err
		}
	}
	name, size := filepath.Join(dir, ramFile), int64(rec.MemoryMiB)<<20
	if known == nil {
		s.memory, err = loadMemory(ctx, name, size, rec.Memory)
		return s, err
	}
	if s.memory, err = share(known.base); err != nil {
		return nil, err
	}
	s.over = known.over
	s.changed, err = known.loadChanged(name, size)
	return s, err
}

func loadDevices(name, want string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDevices))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
		return nil, fmt.Errorf("%w: %s is damaged: its hash is not what was stored", sandbox.ErrUnusable, devicesFile)
	}
	return memoryFile("device state", func(f *os.File) error { _, err := f.Write(data); return err })
}

func loadMemory(ctx context.Context, name string, size int64, want string) (*os.File, error) {
	m, err := newMemory("guest memory", size)
	if err != nil {
		return nil, err
	}
	err = loadInto(ctx, m, name, size, want)
	if err == nil {
		err = seal(m)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func loadScratch(ctx context.Context, name string, size int64, want string) (*os.File, error) {
	d, err := newScratch(size)
	if err != nil {
		return nil, err
	}
	if err := loadInto(ctx, d, name, size, want); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// loadInto copies a file of that size and digest into dst, which is empty.
func loadInto(ctx context.Context, dst *os.File, name string, size int64, want string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != size {
		return fmt.Errorf("%w: %s is damaged: it has %d bytes, not %d", sandbox.ErrUnusable, filepath.Base(name), info.Size(), size)
	}
	digest, err := copyMemory(ctx, dst, newLayers(f, nil, nil))
	if err == nil && digest != want {
		err = fmt.Errorf("%w: %s is damaged: its digest is not what was stored", sandbox.ErrUnusable, filepath.Base(name))
	}
	return err
}

func readAll(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	return b, err
}

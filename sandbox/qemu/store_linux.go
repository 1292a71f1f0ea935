package qemu

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

// The files of a state in its directory.
const (
	machineFile = "machine.json"
	devicesFile = "devices"
	ramFile     = "memory" // as large as the guest's memory, with holes
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
}

// Store implements [sandbox.State].
func (s *state) Store(ctx context.Context, dir string) error {
	if err := s.store(ctx, dir); err != nil {
		return fmt.Errorf("store machine: %w", err)
	}
	return nil
}

func (s *state) store(ctx context.Context, dir string) error {
	rec := machineRecord{Isolation: s.isolation, CPUs: s.cpus, MemoryMiB: s.memoryMiB}
	memory := s.memory
	if s.changed != nil {
		whole, err := s.flat()
		if err != nil {
			return err
		}
		defer whole.Close()
		memory = whole
	}
	err := writeFile(filepath.Join(dir, ramFile), func(f *os.File) (err error) {
		if err = f.Truncate(int64(s.memoryMiB) << 20); err == nil {
			rec.Memory, err = copyMemory(ctx, f, memory)
		}
		return err
	})
	if err != nil {
		return err
	}
	devices, err := readAll(s.devices)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(devices)
	rec.Devices = hex.EncodeToString(sum[:])
	if err := writeFile(filepath.Join(dir, devicesFile), func(f *os.File) error { _, err := f.Write(devices); return err }); err != nil {
		return err
	}
	return sandbox.WriteRecord(filepath.Join(dir, machineFile), rec)
}

// writeFile makes a file that is on the disk when it returns.
func writeFile(name string, write func(*os.File) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Load reads a state; see [sandbox.Snapshotter].
func (b *Backend) Load(ctx context.Context, dir string) (sandbox.State, error) {
	s, err := load(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("load machine: %w", err)
	}
	return s, nil
}

func load(ctx context.Context, dir string) (_ *state, err error) {
	var rec machineRecord
	if err := sandbox.ReadRecord(filepath.Join(dir, machineFile), &rec); err != nil {
		return nil, err
	}
	s := &state{isolation: rec.Isolation, cpus: rec.CPUs, memoryMiB: rec.MemoryMiB}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.devices, err = loadDevices(filepath.Join(dir, devicesFile), rec.Devices); err != nil {
		return nil, err
	}
	s.memory, err = loadMemory(ctx, filepath.Join(dir, ramFile), int64(rec.MemoryMiB)<<20, rec.Memory)
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
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, fmt.Errorf("%w: %s is damaged: it has %d bytes, not %d", sandbox.ErrUnusable, ramFile, info.Size(), size)
	}
	m, err := newMemory("guest memory", size)
	if err != nil {
		return nil, err
	}
	digest, err := copyMemory(ctx, m, f)
	if err == nil && digest != want {
		err = fmt.Errorf("%w: %s is damaged: its digest is not what was stored", sandbox.ErrUnusable, ramFile)
	}
	if err == nil {
		err = seal(m)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
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

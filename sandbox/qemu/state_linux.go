package qemu

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// state is a machine that was saved. It does not change; its files are sealed
// memory files, which machines that were started from it keep for themselves, and the
// scratch disk, of which they get copies.
type state struct {
	isolation sandbox.Isolation
	cpus      int
	memoryMiB int
	diskMiB   int // of the scratch disk; 0 without one

	devices *os.File // what QEMU says of all but the memory
	memory  *os.File // the guest's, of all its size
	changed *os.File // what lies over memory at the spans of over; nil for nothing
	over    []span   // the file may have data beside them, as a file in huge pages does
	scratch *os.File // the scratch disk, on the disk; nil without one

	standstill time.Duration // of the machine, to be saved
}

// Standstill implements [sandbox.StateMeter].
func (s *state) Standstill() time.Duration { return s.standstill }

// Size implements [sandbox.StateMeter].
func (s *state) Size() int64 {
	own := s.changed
	if own == nil {
		own = s.memory
	}
	var size int64
	for _, f := range []*os.File{s.devices, own} {
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) == nil {
			size += st.Blocks * 512
		}
	}
	return size
}

// Close gives the state's memory and disk back. Machines that were started from it go on.
func (s *state) Close() error {
	for _, f := range []*os.File{s.devices, s.memory, s.changed, s.scratch} {
		if f != nil {
			f.Close()
		}
	}
	return nil
}

// fits reports why a machine with cfg cannot start from the state.
func (s *state) fits(isolation sandbox.Isolation, cfg sandbox.Config) error {
	if s.isolation != isolation || s.cpus != cfg.CPUs || s.memoryMiB != cfg.MemoryMiB || s.diskMiB != cfg.ScratchMiB {
		return fmt.Errorf("%w: the saved machine was %s with %d CPUs, %d MiB and a scratch disk of %d, not %s with %d, %d and %d",
			sandbox.ErrInvalidConfig, s.isolation, s.cpus, s.memoryMiB, s.diskMiB, isolation, cfg.CPUs, cfg.MemoryMiB, cfg.ScratchMiB)
	}
	return nil
}

// applyChanges writes what the state has over the memory that it shares into a
// process that has mapped that memory.
func (s *state) applyChanges(own *privatePages) error {
	return eachSpan(s.over, func(at span, buf []byte) error {
		if _, err := s.changed.ReadAt(buf[:at.n], at.offset); err != nil {
			return err
		}
		return own.write(buf[:at.n], at.offset)
	})
}

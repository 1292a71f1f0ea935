package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// processFile is the name, in the own directory of a machine, of the record of
// its process.
const processFile = "process"

// processRecord names a process beyond doubt: a pid is given to another process
// some time after the end of the first, but not with the same start time, and
// both begin anew when the host boots.
type processRecord struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"start_time"` // in clock ticks since the host booted
	BootID    string `json:"boot_id"`    // of the host
}

// RecordProcess notes in dir, the own directory of a machine, that process pid
// belongs to it. Should the server die and the process outlive it against all
// precautions, the next server ends it. It is for backends.
func RecordProcess(dir string, pid int) error {
	rec, err := identify(pid)
	if err != nil {
		return fmt.Errorf("identify process %d: %w", pid, err)
	}
	if err := writeProcess(filepath.Join(dir, processFile), rec); err != nil {
		return fmt.Errorf("record process %d: %w", pid, err)
	}
	return nil
}

func writeProcess(path string, rec processRecord) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// killRecorded ends the process that the record at path names, if it still
// runs.
func killRecorded(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var rec processRecord
	if err := json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&rec); err != nil {
		return fmt.Errorf("decode process record: %w", err)
	}
	// The handle is taken before the identity is checked, so that what is
	// killed is what was checked.
	p, err := os.FindProcess(rec.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", rec.PID, err)
	}
	defer p.Release()
	if now, err := identify(rec.PID); err != nil || now != rec {
		return nil
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process %d: %w", rec.PID, err)
	}
	return nil
}

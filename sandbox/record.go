package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// maxRecord bounds a record, of which about a kilobyte is used, and what the
// certificates of a config take.
const maxRecord = 64<<10 + 2*desktop.MaxAuthorityBytes

// WriteRecord makes a small file that holds v: a line of JSON, and a line with its
// SHA-256. It is on the disk when WriteRecord returns. It is for backends.
func WriteRecord(name string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(name), err)
	}
	return durable.WriteFile(name, func(f *os.File) error {
		_, err := fmt.Fprintf(f, "%s\n%s\n", line, sumLine(line))
		return err
	})
}

// commitRecord is like WriteRecord for a record that says that what is beside it is
// whole: it is there whole itself, with its name, or not at all.
func commitRecord(name string, v any) error {
	if err := WriteRecord(name+newSuffix, v); err != nil {
		return err
	}
	return durable.Rename(name+newSuffix, name)
}

// ReadRecord reads what [WriteRecord] wrote into v, a pointer. It fails when a
// single bit of it has changed, with an error that matches [ErrUnusable]. It is for backends.
func ReadRecord(name string, v any) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return err
	}
	if err := decodeRecord(data, v); err != nil {
		return fmt.Errorf("%w: %s %w", ErrUnusable, filepath.Base(name), err)
	}
	return nil
}

func decodeRecord(data []byte, v any) error {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(rest) != sumLine(line)+"\n" {
		return errors.New("is damaged")
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("is of another kind: %w", err)
	}
	return nil
}

func sumLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

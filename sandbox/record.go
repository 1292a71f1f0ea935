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
)

// maxRecord bounds a record, of which about a kilobyte is used.
const maxRecord = 64 << 10

// WriteRecord makes a small file that holds v: a line of JSON, and a line with its
// SHA-256. It is on the disk when WriteRecord returns. It is for backends.
func WriteRecord(name string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(name), err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n", line, sumLine(line))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
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
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(rest) != sumLine(line)+"\n" {
		return fmt.Errorf("%w: %s is damaged", ErrUnusable, filepath.Base(name))
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: decode %s: %w", ErrUnusable, filepath.Base(name), err)
	}
	return nil
}

func sumLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

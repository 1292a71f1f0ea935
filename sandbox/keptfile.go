package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// keptFile says, in the directory of a suspended sandbox, whose it is, so that a
// later server can take it back. It stands beside the files of the snapshot, is
// written last and removed first: as long as it is there, the sandbox is whole, and
// nothing was done on it since.
const keptFile = "sandbox.json"

// keptVersion counts what a keptRecord means.
const keptVersion = 1

// Bounds on what is remembered, and told, of checkpoints that ended with their server.
const (
	maxLost     = 64
	maxLostName = 64 // bytes
)

// keptRecord is what keptFile holds. The handle is in it as it is, since its owner
// may ask for a list of them; the memory of the sandbox, which lies beside it, is no
// less of a secret.
type keptRecord struct {
	Version     int          `json:"version"`
	ID          string       `json:"desktop_id"`
	Owner       string       `json:"owner"`
	Key         string       `json:"key,omitempty"`
	State       string       `json:"state_key"` // see stateKey
	Config      Config       `json:"config"`
	Screen      desktop.Size `json:"screen"`
	Isolation   Isolation    `json:"isolation"`
	Created     time.Time    `json:"created"`
	Used        time.Time    `json:"used"`
	Made        int          `json:"checkpoints_made"`
	Checkpoints []lost       `json:"checkpoints,omitempty"`
}

// lost is a checkpoint that ended with its server.
type lost struct {
	ID   string `json:"checkpoint_id"`
	Name string `json:"name,omitempty"`
}

// readKept returns the record of the sandbox in dir. The error matches [ErrUnusable]
// when it is damaged, or not what this program writes.
func readKept(dir string) (keptRecord, error) {
	var r keptRecord
	if err := ReadRecord(filepath.Join(dir, keptFile), &r); err != nil {
		return r, err
	}
	return r, r.validate()
}

func (r keptRecord) validate() error {
	const handle = 32 // of newSecret
	notInHandle := func(c rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)
	}
	var why string
	switch {
	case r.Version != keptVersion:
		return fmt.Errorf("%w: %s is of version %d, and this program writes version %d", ErrUnusable, keptFile, r.Version, keptVersion)
	case len(r.ID) != handle || strings.ContainsFunc(r.ID, notInHandle):
		why = "has no handle"
	case r.Owner == "" || r.State == "" || r.Isolation == "":
		why = "is not complete"
	case !r.Screen.Valid():
		why = "has no size of the screen"
	case r.Made < 0 || len(r.Checkpoints) > maxLost:
		why = "has an impossible number of checkpoints"
	default:
		if err := r.Config.Validate(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrUnusable, keptFile, err)
		}
		return nil
	}
	return fmt.Errorf("%w: %s %s", ErrUnusable, keptFile, why)
}

// changeKept changes the record of the sandbox in dir, which is there as it was or as it
// is to be whenever the process or the host ends.
func changeKept(dir string, change func(*keptRecord)) error {
	name := filepath.Join(dir, keptFile)
	r, err := readKept(dir)
	if err != nil {
		return err
	}
	change(&r)
	// One that was written while an earlier server died was never of use.
	if err := durable.Remove(name + newSuffix); err != nil {
		return err
	}
	return commitRecord(name, r)
}

// discardKept removes a suspended sandbox, so that none is there that is not whole.
func discardKept(dir string) error {
	if err := durable.Remove(filepath.Join(dir, keptFile)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// stateKey returns the hash of what a stored sandbox goes on with beside what is
// stored: the backend, what it runs on, and the disk, which is never written again.
// The error matches [ErrUnusable] when there is no such disk any more.
func stateKey(ctx context.Context, b Snapshotter, cfg Config) (string, error) {
	print, err := b.Fingerprint(ctx, cfg)
	if err != nil {
		return "", err
	}
	root, err := os.Stat(cfg.Root.Path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: the image that it runs on is gone", ErrUnusable)
	}
	if err != nil {
		return "", fmt.Errorf("look at image: %w", err)
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(b.Name(), "\n", print, "\n", cfg.Root, " ", root.Size(), " ", root.ModTime().UnixNano())))
	return hex.EncodeToString(sum[:]), nil
}

package auth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Tokens verifies the tokens of a file. Each line of it names a client and the
// SHA-256 of its token, as [NewToken] writes it:
//
//	# who         the hash of the token
//	alice         sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
//
// The file is read again when it has changed: who is struck off it is not let in any
// more. A file that has become wrong is reported and what it last said stays in
// force; one that is gone lets nobody in.
type Tokens struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	entries []entry
	stamp   stamp
}

type entry struct {
	name string
	hash [sha256.Size]byte
}

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
	settled  bool // the file was old enough when it was read for a later change to show
}

// Limits of a file of tokens, and how old a file must be for a change to alter its
// time, which file systems keep to some milliseconds or even to two seconds.
const (
	maxTokenFile = 4 << 20
	settleTime   = 3 * time.Second
)

// OpenTokens reads the tokens of a file. logger may be nil.
func OpenTokens(path string, logger *slog.Logger) (*Tokens, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	t := &Tokens{path: path, log: logger}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// Verify returns who has the token.
func (t *Tokens) Verify(_ context.Context, token string) (Identity, error) {
	if id, ok := t.Recall(token); ok {
		return id, nil
	}
	return Identity{}, ErrUnknown
}

// Recall returns who has the token.
func (t *Tokens) Recall(token string) (Identity, bool) {
	hash := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	name := ""
	for _, e := range t.entries { // all of them: the time tells nothing
		if subtle.ConstantTimeCompare(e.hash[:], hash[:]) == 1 {
			name = e.name
		}
	}
	return Identity{Name: "token " + name}, name != ""
}

// Known reports false: there is nothing to look at again in a token that Recall does not
// find.
func (t *Tokens) Known(string) bool { return false }

// refresh reads the file again if it has changed. The caller holds mu.
func (t *Tokens) refresh() {
	info, err := os.Stat(t.path)
	if err != nil {
		if t.entries != nil {
			t.log.Error("the file of tokens cannot be read: nobody is let in", "err", err)
		}
		t.entries, t.stamp = nil, stamp{}
		return
	}
	if t.stamp.settled && info.ModTime().Equal(t.stamp.modified) && info.Size() == t.stamp.size {
		return
	}
	before := t.stamp
	if err := t.load(); err != nil && t.stamp != before {
		t.log.Error("the file of tokens is wrong: what it said before stays in force", "err", err)
	}
}

// load reads the file. When it is wrong, what was read before is kept.
func (t *Tokens) load() error {
	f, err := os.Open(t.path)
	if err != nil {
		return fmt.Errorf("open file of tokens: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open file of tokens: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return fmt.Errorf("read file of tokens: %w", err)
	}
	t.stamp = stamp{info.ModTime(), info.Size(), time.Since(info.ModTime()) > settleTime}
	entries, err := parseTokens(data)
	if err != nil {
		return fmt.Errorf("read file of tokens: %s:%w", t.path, err)
	}
	t.entries = entries
	return nil
}

// parseTokens reads the lines of a file of tokens. Its errors begin with the
// number of the line.
func parseTokens(data []byte) ([]entry, error) {
	if len(data) > maxTokenFile {
		return nil, fmt.Errorf("1: the file is larger than %d bytes", maxTokenFile)
	}
	var entries []entry
	names, hashes := make(map[string]bool), make(map[[sha256.Size]byte]bool)
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxTokenFile+1)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		e, err := parseEntry(fields)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%d: %w", n, err)
		case names[e.name]:
			return nil, fmt.Errorf("%d: %s is there twice", n, e.name)
		case hashes[e.hash]:
			return nil, fmt.Errorf("%d: %s has the token of another client", n, e.name)
		}
		names[e.name], hashes[e.hash] = true, true
		entries = append(entries, e)
	}
	return entries, lines.Err()
}

func parseEntry(fields []string) (e entry, err error) {
	const want = "want a name and sha256: with 64 hexadecimal digits"
	if len(fields) != 2 {
		return e, errors.New(want)
	}
	if err := checkName(fields[0]); err != nil {
		return e, err
	}
	digits, ok := strings.CutPrefix(fields[1], "sha256:")
	if !ok || len(digits) != hex.EncodedLen(len(e.hash)) {
		return e, errors.New(want)
	}
	if _, err := hex.Decode(e.hash[:], []byte(digits)); err != nil {
		return e, errors.New(want)
	}
	e.name = fields[0]
	return e, nil
}

// checkName reports a name that could not be told from another in a log or a
// file.
func checkName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("name %q is not 1 to 64 characters", name)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._@-", c) {
			return fmt.Errorf("name %q has a character that is not a letter, a digit or one of ._@-", name)
		}
	}
	return nil
}

// NewToken makes a token for a client. line goes into the file of tokens, token
// to the client; it cannot be had again.
func NewToken(name string) (token, line string, err error) {
	if err := checkName(name); err != nil {
		return "", "", err
	}
	token = "vmette_" + rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(token))
	return token, name + " sha256:" + hex.EncodeToString(hash[:]), nil
}

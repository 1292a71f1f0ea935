package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// trustFlags say whom a guest trusts.
type trustFlags struct {
	CA string `name:"ca" help:"Have programs and the browser trust the certificate authorities in this directory too: all of .pem, .crt and .cer files." placeholder:"DIR" type:"path"`
}

// authorities returns the certificates that the flags name.
func (f trustFlags) authorities() ([][]byte, error) {
	if f.CA == "" {
		return nil, nil
	}
	all, err := sandbox.ReadAuthorities(f.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	return all, nil
}

// desktopShareFlags give desktops directories of the host.
type desktopShareFlags struct {
	Share []string `help:"Give each desktop a directory of this host as /mnt/TAG; with :ro it is not written to; may be repeated. Such desktops are booted each time, and never saved." placeholder:"TAG=PATH[:ro]"`
}

// Validate reports directories that no desktop could be given.
func (f desktopShareFlags) Validate() error {
	_, err := shares(f.Share)
	return err
}

// validateShares reports what does not go together with shares: the server of a
// directory works on the memory of its one guest while that runs, and guests that start
// from a saved state have memory that nobody else sees.
func (c serveCmd) validateShares() error {
	var errs []error
	if len(c.Share) > 0 && c.Warm > 0 {
		errs = append(errs, errors.New("--warm and --share do not go together: a desktop with a share is booted, and not started from a template"))
	}
	if len(c.Share) > 0 && c.Suspend != nil && *c.Suspend > 0 {
		errs = append(errs, errors.New("--suspend and --share do not go together: a desktop with a share is not saved"))
	}
	return errors.Join(errs...)
}

// shares returns the directories that flags name.
func shares(flags []string) ([]sandbox.ShareMount, error) {
	var all []sandbox.ShareMount
	for _, f := range flags {
		tag, path, ok := strings.Cut(f, "=")
		path, readOnly := strings.CutSuffix(path, ":ro")
		if !ok || tag == "" || path == "" {
			return nil, fmt.Errorf("--share %q is not TAG=PATH or TAG=PATH:ro", f)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("--share %q: %w", f, err)
		}
		share := sandbox.ShareMount{Tag: tag, Path: path, ReadOnly: readOnly}
		if err := share.Validate(); err != nil {
			return nil, fmt.Errorf("--share %q: %w", f, err)
		}
		all = append(all, share)
	}
	return all, nil
}

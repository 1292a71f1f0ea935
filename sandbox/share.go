package sandbox

import (
	"errors"
	"path"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// ShareMount is a directory of the host that a guest has as /mnt/TAG. No link and
// no name leads the guest out of it, and nobody in the guest makes a device in it.
// Where this process is root's, users of the guest are those of the host with the
// same ids, root too, who may make set-user-id programs: let nobody else on the host
// look into such a directory. Elsewhere the guest's root is this process's user, and
// its other users have ids that /etc/subuid gives that one.
//
// A sandbox with shares cannot be saved, and starts from no saved one.
type ShareMount struct {
	Tag      string // 1 to 36 letters, digits, dots, hyphens and underscores, no dot at the beginning
	Path     string // of the directory
	ReadOnly bool   // whether the host refuses what the guest writes
}

const (
	maxShares = 8
	maxTag    = 36 // bytes, as virtio says (1.2, 5.11.4)
)

// rootTag is that of [Config.RootShare]. No share has one like it.
const rootTag = ".root"

// SharedDirectories returns all directories of the host that a guest of c has: its
// shares, and before them its root if that is one. It is for backends.
func (c Config) SharedDirectories() []ShareMount {
	if c.RootShare.Path == "" {
		return c.Shares
	}
	root := ShareMount{Tag: rootTag, Path: c.RootShare.Path, ReadOnly: !c.RootShare.Writable}
	return append([]ShareMount{root}, c.Shares...)
}

// mountpoint returns where the guest has the share.
func (s ShareMount) mountpoint() string { return "/mnt/" + s.Tag }

// bootShares returns what a guest is told of its shares.
func (c Config) bootShares() []desktop.Share {
	var all []desktop.Share
	for _, s := range c.Shares {
		all = append(all, desktop.Share{Tag: s.Tag, Target: s.mountpoint(), ReadOnly: s.ReadOnly})
	}
	return all
}

func (c Config) validateRootShare(errs *problems) {
	if c.Root != (RootfsBlock{}) {
		errs.add("there are two roots, a block image and a shared directory: leave out one of them")
	}
	if p := c.RootShare.Path; !path.IsAbs(p) || strings.ContainsRune(p, 0) {
		errs.add("path %q of the shared root is not absolute", p)
	}
}

// Validate reports what is wrong with s by itself. The error matches
// [ErrInvalidConfig].
func (s ShareMount) Validate() error {
	var errs problems
	if !validTag(s.Tag) {
		errs.add("tag %q of a share is not 1 to %d letters, digits, dots, hyphens and underscores", s.Tag, maxTag)
	}
	if !path.IsAbs(s.Path) || strings.ContainsRune(s.Path, 0) {
		errs.add("path %q of share %s is not absolute", s.Path, s.Tag)
	}
	return errors.Join(errs...)
}

func (c Config) validateShares(errs *problems) {
	if n := len(c.Shares); n > maxShares {
		errs.add("%d shares are more than %d", n, maxShares)
	}
	seen := make(map[string]bool)
	for _, s := range c.Shares {
		if err := s.Validate(); err != nil {
			*errs = append(*errs, err)
		}
		if seen[s.Tag] {
			errs.add("two shares have the tag %q", s.Tag)
		}
		seen[s.Tag] = true
	}
}

func validTag(tag string) bool {
	if tag == "" || len(tag) > maxTag || tag[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(tag, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

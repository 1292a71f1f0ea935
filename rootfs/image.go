package rootfs

import (
	"errors"
	"time"
)

// DefaultSpec is the image a sandbox boots when nobody says otherwise: a whole
// desktop with a browser.
const DefaultSpec = "debian:bookworm"

// MinimalSpec is the smallest image with a screen: an X server, a window
// manager and a terminal.
const MinimalSpec = "debian:bookworm/minimal"

// OraclesSpec is the default image with the toolkits of the applications that
// tests ask what they have seen.
const OraclesSpec = "debian:bookworm/oracles"

// ErrNotBuilt reports that the store holds no image for a spec. [Store.Build]
// makes one.
var ErrNotBuilt = errors.New("image is not built yet")

// ErrUnknownSpec reports a spec that no provider understands.
var ErrUnknownSpec = errors.New("image spec is not known")

// Image is a built image in a [Store]. The files are never written again after
// they have appeared there.
type Image struct {
	Name       string    // canonical spec, such as "debian:bookworm"
	ID         string    // SHA-256 of the manifest in lower-case hex
	Kernel     string    // path of the kernel
	Modules    string    // path of the cpio archive of kernel modules; see [Store.Initramfs]
	Root       string    // path of the file system image
	RootFormat string    // of Root: "squashfs"
	Manifest   string    // path of the manifest
	Size       int64     // of all files, in bytes
	Built      time.Time // when it appeared in the store
	Outdated   bool      // built from another recipe than this program's
	Problem    string    // why this program cannot use it; empty when it can
	Source     string    // SHA-256 in hex of what it was made from; empty when there is no such thing
	Process    *Process  // how it wants its programs started; nil when it does not say
}

// Names of an image's files in its directory.
const (
	kernelFile   = "vmlinuz"
	modulesFile  = "modules.cpio"
	manifestFile = "manifest.json"
)

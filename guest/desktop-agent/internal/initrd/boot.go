package initrd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
)

// maxBoot bounds the boot file, of which a few hundred bytes are used, but for the
// command of a workload, some characters of which are written with six, and for
// certificates, three bytes of which are written with four characters.
const maxBoot = 64<<10 + 6*desktop.MaxWorkload + 2*desktop.MaxAuthorityBytes

// The file systems that are not an image's.
const (
	scratchType = "ext4" // of a scratch disk
	shareType   = "virtiofs"
)

// takeBoot reads what the host says of this boot and removes the file, because
// it holds a secret.
func takeBoot(name string) (desktop.Boot, error) {
	b, err := readFile(name, maxBoot)
	if err != nil {
		return desktop.Boot{}, fmt.Errorf("read boot file: %w", err)
	}
	if err := os.Remove(name); err != nil {
		return desktop.Boot{}, fmt.Errorf("remove boot file: %w", err)
	}
	return parseBoot(b)
}

func parseBoot(b []byte) (desktop.Boot, error) {
	var boot desktop.Boot
	if err := desktop.Unmarshal(b, &boot); err != nil {
		return desktop.Boot{}, fmt.Errorf("decode boot file: %w", err)
	}
	if err := checkBoot(boot); err != nil {
		return desktop.Boot{}, fmt.Errorf("check boot file: %w", err)
	}
	return boot, nil
}

// checkBoot reports what would make the boot fail later and less clearly. It
// quotes no token.
func checkBoot(b desktop.Boot) error {
	var errs []error
	if b.Token == "" {
		errs = append(errs, errors.New("token is empty"))
	}
	if b.Port == 0 {
		errs = append(errs, errors.New("port is 0"))
	}
	if !machine.ValidHostname(b.Hostname) {
		errs = append(errs, fmt.Errorf("hostname %q is not 1 to 63 letters, digits and inner hyphens", b.Hostname))
	}
	if !b.Screen.Valid() {
		errs = append(errs, fmt.Errorf("no screen has the size %v", b.Screen))
	}
	if b.Workload != nil {
		errs = append(errs, b.Workload.Validate())
	}
	if b.Root == (desktop.Root{}) && b.Workload != nil {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, checkRoot(b.Root))...)
}

func checkRoot(r desktop.Root) error {
	var errs []error
	switch r.Type {
	case "squashfs", "erofs":
		if !isDevice(r.Device) {
			errs = append(errs, fmt.Errorf("root device %q is not a path in /dev", r.Device))
		}
		if r.Writable {
			errs = append(errs, fmt.Errorf("a root of type %s cannot be written to", r.Type))
		}
	case shareType:
		if r.Device == "" || strings.ContainsAny(r.Device, "/\x00") {
			errs = append(errs, fmt.Errorf("root device %q is not a tag", r.Device))
		}
		if r.Writable && r.Scratch != "" {
			errs = append(errs, errors.New("what is written to the root goes to two places"))
		}
	default:
		errs = append(errs, fmt.Errorf("root type %q is not squashfs, erofs or %s", r.Type, shareType))
	}
	if r.Scratch != "" && !isDevice(r.Scratch) {
		errs = append(errs, fmt.Errorf("scratch device %q is not a path in /dev", r.Scratch))
	}
	return errors.Join(errs...)
}

func isDevice(name string) bool {
	return strings.HasPrefix(name, "/dev/") && path.Clean(name) == name
}

// readFile reads a file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, err
}

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

// maxBoot bounds the boot file, of which a few hundred bytes are used.
const maxBoot = 64 << 10

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
	if d := b.Root.Device; !strings.HasPrefix(d, "/dev/") || path.Clean(d) != d {
		errs = append(errs, fmt.Errorf("root device %q is not a path in /dev", d))
	}
	if t := b.Root.Type; t != "squashfs" && t != "erofs" {
		errs = append(errs, fmt.Errorf("root type %q is not squashfs or erofs", t))
	}
	if !b.Screen.Valid() {
		errs = append(errs, fmt.Errorf("no screen has the size %v", b.Screen))
	}
	return errors.Join(errs...)
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

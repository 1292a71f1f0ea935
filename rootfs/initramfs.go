package rootfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
)

// keepInitramfs is how long an initramfs with another agent than the present
// one is kept after its last use: other versions of the program may share the
// store.
const keepInitramfs = 7 * 24 * time.Hour

// Initramfs returns the path of an initramfs that starts agent, a static
// executable for the image's architecture, as /init beside the modules of img.
// It is made once for each image and agent and kept in the store; those that
// have not been used for a week are removed.
func (s *Store) Initramfs(img *Image, agent []byte) (string, error) {
	sum := sha256.Sum256(agent)
	file := filepath.Join(s.dir, "initramfs", initramfsName(img.ID, hex.EncodeToString(sum[:])))
	now := time.Now()
	if os.Chtimes(file, now, now) == nil {
		return file, nil
	}
	if err := s.writeInitramfs(file, img, agent); err != nil {
		return "", fmt.Errorf("make initramfs: %w", err)
	}
	if err := s.pruneInitramfs("", file); err != nil {
		return "", fmt.Errorf("remove old initramfs: %w", err)
	}
	return file, nil
}

func initramfsName(image, agent string) string {
	return image[:16] + "-" + agent[:16] + ".cpio"
}

// writeInitramfs appends an archive with the agent to the one with the
// modules: the kernel unpacks one after the other. Nothing is compressed,
// because to unpack costs more under emulation than to read.
func (s *Store) writeInitramfs(file string, img *Image, agent []byte) error {
	modules, err := os.Open(img.Modules)
	if err != nil {
		return err
	}
	defer modules.Close()
	tmp, err := os.CreateTemp(filepath.Dir(file), "new-*.cpio")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	defer tmp.Close()
	n, err := io.Copy(tmp, modules)
	if err != nil {
		return err
	}
	if n%4 != 0 {
		return fmt.Errorf("%s is damaged: its length is not a multiple of 4", img.Modules)
	}
	if err := writeArchive(tmp, []cpio.Record{executable(desktop.AgentFile, agent)}); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// pruneInitramfs removes those made for image, or, with image "", those not
// used for long; never the one at keep.
func (s *Store) pruneInitramfs(image, keep string) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "initramfs"))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		file := filepath.Join(s.dir, "initramfs", e.Name())
		fi, err := e.Info()
		if err != nil || file == keep {
			continue
		}
		ofImage := len(image) >= 16 && strings.HasPrefix(e.Name(), image[:16]+"-")
		if ofImage || time.Since(fi.ModTime()) > keepInitramfs {
			if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// writeArchive writes records as a newc archive. Equal records give equal
// bytes: inodes are counted, times and owners are zero.
func writeArchive(w io.Writer, records []cpio.Record) error {
	out := cpio.Newc.Writer(w)
	for i, r := range records {
		r.Ino, r.NLink = uint64(i+1), 1
		if err := out.WriteRecord(r); err != nil {
			return fmt.Errorf("write %s: %w", r.Name, err)
		}
	}
	return cpio.WriteTrailer(out)
}

func executable(name string, contents []byte) cpio.Record {
	return cpio.StaticRecord(contents, cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o755})
}

// moduleArchive returns the records of an archive that holds the modules, what is
// to be loaded and in which order, and the directories and the console that the
// first process finds.
func moduleArchive(all kernelModules) []cpio.Record {
	var boot, drivers bytes.Buffer
	modules := all.boot
	for _, m := range all.boot {
		fmt.Fprintln(&boot, m.path())
	}
	for _, d := range all.drivers {
		fmt.Fprintf(&drivers, "%s:", d.name)
		for _, m := range d.modules {
			fmt.Fprintf(&drivers, " %s", m.path())
		}
		fmt.Fprintln(&drivers)
		modules = slices.Concat(modules, d.modules)
	}
	records := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.Directory("proc", 0o755),
		cpio.Directory("sys", 0o755),
		cpio.Directory("vmette", 0o755),
		cpio.StaticFile(desktop.ModulesFile, boot.String(), 0o644),
		cpio.StaticFile(desktop.DriversFile, drivers.String(), 0o644),
		cpio.Directory("lib", 0o755),
		cpio.Directory("lib/modules", 0o755),
	}
	written := make(map[string]bool) // two drivers may need the same
	for _, m := range modules {
		if !written[m.path()] {
			records = append(records, cpio.StaticFile(m.path(), string(m.contents), 0o644))
		}
		written[m.path()] = true
	}
	return records
}

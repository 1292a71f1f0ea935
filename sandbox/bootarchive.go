package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
)

// archiveAlign is what the kernel wants the start of each archive of an
// initramfs to be aligned to; it skips the zeros between them
// (Documentation/driver-api/early-userspace/buffer-format.rst).
const archiveAlign = 4

// WriteInitramfs writes to w what one guest boots from: base, an initramfs, and
// after it a small archive that holds boot as [desktop.BootFile]. The result
// holds the boot token: who may read it may speak for the guest. It is for
// backends.
func WriteInitramfs(w io.Writer, base io.Reader, boot desktop.Boot) error {
	archive, err := bootArchive(boot)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, base)
	if err != nil {
		return fmt.Errorf("copy initramfs: %w", err)
	}
	if gap := n % archiveAlign; gap != 0 {
		archive = append(make([]byte, archiveAlign-gap), archive...)
	}
	if _, err := w.Write(archive); err != nil {
		return fmt.Errorf("append boot file to initramfs: %w", err)
	}
	return nil
}

// bootArchive returns an uncompressed cpio archive that holds boot.
func bootArchive(boot desktop.Boot) ([]byte, error) {
	data, err := json.Marshal(boot)
	if err != nil {
		return nil, fmt.Errorf("encode boot file: %w", err)
	}
	var buf bytes.Buffer
	w := cpio.Newc.Writer(&buf)
	records := []cpio.Record{
		cpio.Directory(path.Dir(desktop.BootFile), 0o755),
		cpio.StaticFile(desktop.BootFile, string(data), 0o400),
	}
	if err := cpio.WriteRecords(w, records); err != nil {
		return nil, fmt.Errorf("write boot file: %w", err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("write boot archive: %w", err)
	}
	return buf.Bytes(), nil
}

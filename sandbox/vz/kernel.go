package vz

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// maxKernel bounds a kernel in bytes, in its file and unpacked. Those of
// distributions are about 40 MB unpacked.
const maxKernel = 256 << 20

// Where kernels say what they are.
const (
	arm64MagicAt = 0x38  // Documentation/arch/arm64/booting.rst
	bzMagicAt    = 0x202 // Documentation/arch/x86/boot.rst
	kernelHead   = bzMagicAt + 4
)

var (
	arm64Magic = []byte("ARM\x64")
	bzMagic    = []byte("HdrS")
	gzipMagic  = []byte{0x1f, 0x8b}
)

// bootableKernel returns the path of the kernel at source in the form that Apple's
// boot loader takes on goarch: on amd64 the bzImage as it is, on arm64 the
// uncompressed Image. A compressed one is unpacked into dir.
func bootableKernel(goarch, source, dir string) (string, error) {
	f, err := os.Open(source)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	head := make([]byte, kernelHead)
	if _, err := f.ReadAt(head, 0); err != nil {
		return "", fmt.Errorf("kernel %s: %w", source, truncated(err))
	}
	switch {
	case goarch == "amd64" && bytes.Equal(head[bzMagicAt:], bzMagic), goarch == "arm64" && isImage(head):
		return source, nil
	case goarch != "arm64":
		return "", fmt.Errorf("kernel %s is not a Linux bzImage", source)
	}
	path := filepath.Join(dir, "kernel")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	err = unpackImage(out, f, info.Size(), maxKernel)
	if err := errors.Join(err, out.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("kernel %s: %w", source, err), os.Remove(path))
	}
	return path, nil
}

// isImage reports whether a file that begins with head is an arm64 Image.
func isImage(head []byte) bool {
	return len(head) >= arm64MagicAt+4 && bytes.Equal(head[arm64MagicAt:arm64MagicAt+4], arm64Magic)
}

// unpackImage writes to w the arm64 Image in src, a compressed one of size bytes:
// an Image.gz, or a program for EFI that unpacks itself (CONFIG_EFI_ZBOOT). Neither
// may be larger than limit bytes.
func unpackImage(w io.Writer, src io.ReaderAt, size, limit int64) error {
	if size > limit {
		return fmt.Errorf("it is larger than %d bytes", limit)
	}
	payload := io.NewSectionReader(src, 0, size)
	method := "gzip"
	head := make([]byte, kernelHead)
	n, err := payload.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if head = head[:n]; !bytes.HasPrefix(head, gzipMagic) {
		z, err := parseZboot(head)
		if err != nil {
			return err
		}
		if int64(z.offset)+int64(z.size) > size {
			return errors.New("what it unpacks reaches beyond its end")
		}
		payload = io.NewSectionReader(src, int64(z.offset), int64(z.size))
		method = z.method
	}
	r, err := decompressor(method, payload)
	if err != nil {
		return err
	}
	defer r.Close()
	head = head[:arm64MagicAt+4]
	if _, err := io.ReadFull(r, head); err != nil {
		return fmt.Errorf("unpack it: %w", truncated(err))
	}
	if !isImage(head) {
		return errors.New("what is packed in it is not an arm64 Linux kernel")
	}
	written, err := io.Copy(w, io.LimitReader(io.MultiReader(bytes.NewReader(head), r), limit+1))
	if err != nil {
		return fmt.Errorf("unpack it: %w", err)
	}
	if written > limit {
		return fmt.Errorf("it unpacks to more than %d bytes", limit)
	}
	return nil
}

// decompressor reads what method packed into r. Its caller closes it.
func decompressor(method string, r io.Reader) (io.ReadCloser, error) {
	switch method {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("unpack it: %w", truncated(err))
		}
		z.Multistream(false) // what follows is padding
		return z, nil
	case "zstd":
		// The window is what the kernel's own build may ask for: zstd -22 --ultra.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, fmt.Errorf("unpack it: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("it is packed with %q: use a kernel packed with gzip or zstd, or not at all", method)
}

// zboot is what a kernel that unpacks itself under EFI says of what is in it
// (drivers/firmware/efi/libstub/zboot-header.S in the kernel's source).
type zboot struct {
	offset, size uint32 // of the packed Image, in bytes
	method       string
}

// parseZboot reads the header of a kernel that unpacks itself.
func parseZboot(head []byte) (zboot, error) {
	const (
		typeAt, offsetAt, sizeAt = 4, 8, 12
		methodAt, methodEnd      = 24, 56
	)
	if len(head) < methodEnd || !bytes.HasPrefix(head, []byte("MZ")) || !bytes.HasPrefix(head[typeAt:], []byte("zimg")) {
		return zboot{}, errors.New("it is not an arm64 Linux kernel")
	}
	method, _, _ := bytes.Cut(head[methodAt:methodEnd], []byte{0})
	return zboot{
		offset: binary.LittleEndian.Uint32(head[offsetAt:]),
		size:   binary.LittleEndian.Uint32(head[sizeAt:]),
		method: string(method),
	}, nil
}

// truncated makes of the end of a file that it came too early.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

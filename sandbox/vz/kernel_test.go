package vz

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// arm64Image returns what looks like an uncompressed arm64 kernel.
func arm64Image(body string) []byte {
	image := make([]byte, kernelHead)
	copy(image, "MZ")
	copy(image[arm64MagicAt:], arm64Magic)
	return append(image, body...)
}

func bzImage() []byte {
	image := make([]byte, 4096)
	copy(image[bzMagicAt:], bzMagic)
	return image
}

func gzipped(data []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(data)
	w.Close()
	return buf.Bytes()
}

func zstandard(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// zbootImage returns a kernel that unpacks itself under EFI. Its payload is
// followed by other sections, as it is in real ones.
func zbootImage(method string, payload []byte) []byte {
	const offset = 0x1000
	image := make([]byte, offset)
	copy(image, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(image[8:], offset)
	binary.LittleEndian.PutUint32(image[12:], uint32(len(payload)))
	copy(image[24:], method)
	copy(image[arm64MagicAt:], "\xcd\x23\x82\x81")
	image = append(image, payload...)
	return append(image, "\x34\x12\x00\x00 other sections"...)
}

func TestBootableKernel(t *testing.T) {
	body := make([]byte, 70_000) // that cannot be packed into less
	rand.NewChaCha8([32]byte{}).Read(body)
	image := arm64Image(string(body))
	short := zbootImage("gzip", gzipped(image))
	binary.LittleEndian.PutUint32(short[12:], 1<<30)
	tests := []struct {
		name   string
		goarch string
		data   []byte
		want   []byte // nil means as it is
		err    string
	}{
		{"bzImage", "amd64", bzImage(), nil, ""},
		{"Image", "arm64", image, nil, ""},
		{"Image.gz", "arm64", gzipped(image), image, ""},
		{"Image.gz with padding", "arm64", append(gzipped(image), make([]byte, 100)...), image, ""},
		{"EFI with gzip", "arm64", zbootImage("gzip", gzipped(image)), image, ""},
		{"EFI with zstd", "arm64", zbootImage("zstd", zstandard(image)), image, ""},

		{"EFI with another method", "arm64", zbootImage("xzkern", []byte("xz")), nil, `it is packed with "xzkern": use a kernel packed with gzip or zstd`},
		{"payload beyond the end", "arm64", short, nil, "what it unpacks reaches beyond its end"},
		{"payload cut off", "arm64", gzipped(image)[:600], nil, "unpack it: unexpected EOF"},
		{"payload damaged", "arm64", zbootImage("zstd", bytes.Repeat([]byte("?"), 600)), nil, "magic number mismatch"},
		{"payload that is none", "arm64", gzipped(bytes.Repeat([]byte("?"), 600_000)), nil, "what is packed in it is not an arm64 Linux kernel"},
		{"payload that is short", "arm64", append(gzipped([]byte("?")), make([]byte, 600)...), nil, "unpack it: unexpected EOF"},
		{"bzImage on arm64", "arm64", bzImage(), nil, "it is not an arm64 Linux kernel"},
		{"Image on amd64", "amd64", image, nil, "is not a Linux bzImage"},
		{"garbage", "amd64", bytes.Repeat([]byte("garbage "), 1000), nil, "is not a Linux bzImage"},
		{"empty", "arm64", nil, nil, "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "vmlinuz")
			if err := os.WriteFile(source, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			path, err := bootableKernel(tt.goarch, source, dir)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), source) {
					t.Errorf("error %v, want one that says %q and names the kernel", err, tt.err)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("left in the directory: %v, %v", left, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if path != source {
					t.Errorf("got %s, want the kernel as it is", path)
				}
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("%d bytes were unpacked, %v; want %d of the kernel", len(got), err, len(tt.want))
			}
		})
	}
	if _, err := bootableKernel("arm64", filepath.Join(t.TempDir(), "none"), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such kernel: %v", err)
	}
}

func TestUnpackImageLimit(t *testing.T) {
	packed := gzipped(arm64Image(strings.Repeat("kernel", 1000)))
	for limit, want := range map[int64]string{
		10_000:                    "",
		1000:                      "it unpacks to more than 1000 bytes",
		int64(len(packed)):        "it unpacks to more than",
		int64(len(packed) - 1):    "it is larger than",
		int64(kernelHead + 6*999): "it unpacks to more than",
		kernelHead + 6*1000:       "",
	} {
		var out bytes.Buffer
		err := unpackImage(&out, bytes.NewReader(packed), int64(len(packed)), limit)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("limit %d: error %v, want %q", limit, err, want)
		}
		if int64(out.Len()) > limit+1 {
			t.Errorf("limit %d: %d bytes were written", limit, out.Len())
		}
	}
}

func FuzzUnpackImage(f *testing.F) {
	image := arm64Image("kernel")
	for _, seed := range [][]byte{
		nil, image, gzipped(image), bzImage(),
		zbootImage("gzip", gzipped(image)), zbootImage("zstd", zstandard(image)), zbootImage("lz4", image),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		const limit = 1 << 20
		err := unpackImage(&out, bytes.NewReader(data), int64(len(data)), limit)
		if err == nil && !isImage(out.Bytes()) {
			t.Error("what was unpacked is no kernel")
		}
		if out.Len() > limit+1 {
			t.Errorf("%d bytes were unpacked", out.Len())
		}
	})
}

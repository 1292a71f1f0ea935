package tree

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// Archive is a tar archive as a [Source]: plain, or compressed with gzip, zstd
// or xz.
type Archive struct {
	Open   func() (io.ReadCloser, error) // opens it at its beginning
	Layer  bool                          // it is a layer of an image: see [Source.Whiteouts]
	Below  string                        // directory in which all of it lies; empty for the root
	Digest string                        // SHA-256 of it without compression, in hex; empty when not known
	Sum    string                        // SHA-256 of it as it is, in hex; the first reading sets it when it is empty
}

// Whiteouts implements [Source].
func (a *Archive) Whiteouts() bool { return a.Layer }

// Each implements [Source].
func (a *Archive) Each(ctx context.Context, limits Limits, visit func(*tar.Header, io.Reader) error) error {
	f, err := a.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	in := &counter{ctx: ctx, r: f, sum: sha256.New()}
	plain, err := decompress(in)
	if err != nil {
		return err
	}
	defer plain.Close()
	out := &bounded{r: plain, in: in, limits: limits, sum: sha256.New()}
	err = eachEntry(out, func(h *tar.Header, contents io.Reader) error {
		if a.Below != "" {
			h.Name = a.Below + "/" + h.Name
			if h.Typeflag == tar.TypeLink {
				h.Linkname = a.Below + "/" + h.Linkname
			}
		}
		return visit(h, contents)
	})
	if err != nil {
		return err
	}
	// The digests are of what follows the end of the archive, too.
	for _, r := range []io.Reader{out, in} {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(out.sum.Sum(nil)); a.Digest != "" && sum != a.Digest {
		return fmt.Errorf("archive has the digest %s, not %s", sum, a.Digest)
	}
	sum := hex.EncodeToString(in.sum.Sum(nil))
	if a.Sum != "" && sum != a.Sum {
		return fmt.Errorf("%w: the SHA-256 of the file is %s, not %s", errChanged, sum, a.Sum)
	}
	a.Sum = sum
	return nil
}

func eachEntry(out *bounded, visit func(*tar.Header, io.Reader) error) error {
	for tr := tar.NewReader(out); ; {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("this is not a valid tar archive, plain or with gzip, zstd or xz: %w", err)
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return err
		}
		// A sparse file is larger than what is read for it.
		if err := out.spend(h.Size); err != nil {
			return err
		}
		if err := visit(h, tr); err != nil {
			return err
		}
	}
}

// Bounds of what a decompressor may take in memory, in bytes.
const (
	maxZstdWindow = 128 << 20
	maxXZDict     = 64 << 20 // as xz -9
)

// decompress finds out how r is compressed from its first bytes.
func decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		return gzip.NewReader(in)
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		d, err := xz.NewReader(in, maxXZDict)
		if err != nil {
			return nil, fmt.Errorf("read xz: %w", err)
		}
		return io.NopCloser(d), nil
	}
	return io.NopCloser(in), nil
}

// counter counts and hashes what is read, until its context ends.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64
	sum hash.Hash
}

// Read implements [io.Reader].
func (c *counter) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	_, _ = c.sum.Write(b[:n])
	return n, err
}

// bounded reads no more than the limits allow of what has been decompressed,
// and hashes it.
type bounded struct {
	r      io.Reader
	in     *counter // what is compressed
	limits Limits
	sum    hash.Hash
	n      int64 // bytes read
	sizes  int64 // of files
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	_, _ = b.sum.Write(p[:n])
	if over := b.over(b.n, b.limits.stream()); over != nil {
		return 0, over
	}
	return n, err
}

// spend takes the size of a file.
func (b *bounded) spend(size int64) error {
	if size < 0 || size > b.limits.Bytes-b.sizes {
		return fmt.Errorf("%w: its files have more than %d bytes", ErrTooLarge, b.limits.Bytes)
	}
	b.sizes += size
	return b.over(b.sizes, b.limits.Bytes)
}

func (b *bounded) over(n, most int64) error {
	if n > most {
		return fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, most)
	}
	if n > b.limits.Slack && (n-b.limits.Slack)/b.limits.Ratio > b.in.n {
		return fmt.Errorf("%w: %d compressed bytes become more than %d", ErrTooLarge, b.in.n, n)
	}
	return nil
}

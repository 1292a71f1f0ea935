package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// copyMemory copies what is not zero from src to dst, which is zero, and returns
// the digest of src: the SHA-256 of, for each piece of copySize bytes that is not
// all zero and in their order, its number (64 bits, little endian) and its
// SHA-256. So it does not depend on where the file has holes, and several
// processors can work on it.
func copyMemory(ctx context.Context, dst, src *os.File) (digest string, err error) {
	var pieces []int64 // numbers of those that are no hole, ascending
	err = eachExtent(src, func(offset, _ int64) error {
		if n := offset / copySize; len(pieces) == 0 || pieces[len(pieces)-1] != n {
			pieces = append(pieces, n)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	sums := make([][sha256.Size]byte, len(pieces))
	errs := make([]error, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			buf := make([]byte, copySize)
			for errs[w] == nil {
				i := next.Add(1) - 1
				if i >= int64(len(pieces)) {
					return
				}
				if errs[w] = context.Cause(ctx); errs[w] == nil {
					sums[i], errs[w] = copyPiece(dst, src, pieces[i], buf)
				}
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	all := sha256.New()
	for i, n := range pieces {
		if sums[i] != [sha256.Size]byte{} {
			all.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
			all.Write(sums[i][:])
		}
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// copyPiece copies one piece and returns its hash: no hash for zeros.
func copyPiece(dst, src *os.File, number int64, buf []byte) (sum [sha256.Size]byte, err error) {
	n, err := src.ReadAt(buf, number*copySize)
	if err != nil && !errors.Is(err, io.EOF) {
		return sum, fmt.Errorf("read %s: %w", src.Name(), err)
	}
	b := buf[:n]
	if len(b)%pageSize != 0 {
		return sum, fmt.Errorf("read %s: %d bytes are not whole pages", src.Name(), n)
	}
	if allZero(b) {
		return sum, nil
	}
	return sha256.Sum256(b), writePages(dst, b, number*copySize)
}

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), pageSize)
		if !isZero(b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

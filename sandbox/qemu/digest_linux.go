package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
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
func copyMemory(ctx context.Context, dst *os.File, src layers) (digest string, err error) {
	pieces, err := src.pieces()
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
func copyPiece(dst *os.File, src layers, number int64, buf []byte) (sum [sha256.Size]byte, err error) {
	b, err := src.read(buf, number)
	if err != nil || allZero(b) {
		return sum, err
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

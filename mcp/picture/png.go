package picture

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"math/bits"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/vmette/vmette-mcp/desktop"
)

// The writer makes 8-bit RGB files (PNG, third edition). It cuts the picture
// into strips that are filtered and deflated at once, each on one goroutine,
// and joins them into the single zlib stream that a PNG holds: every strip but
// the last ends with an empty stored block, which brings it to a whole byte
// (RFC 1951, section 3.2.4), and their checksums are combined.

const (
	minStrip = 64      // rows of a strip: shorter ones cost more than they gain
	maxIDAT  = 1 << 20 // bytes of one IDAT chunk
)

// level of deflate. In photos higher ones gain next to nothing, and in text a few
// parts in a hundred for twice the time.
const level = 1

// encodePNG encodes pixels of 4 bytes, blue, green, red and one unused.
func encodePNG(pix []byte, size desktop.Size, f filter) []byte {
	n := min(2*runtime.GOMAXPROCS(0), max(1, size.Height/minStrip))
	strips := make([]*strip, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				s := newStrip()
				s.deflate(pix, size, i*size.Height/n, (i+1)*size.Height/n, i == n-1, f)
				strips[i] = s
			}
		})
	}
	wg.Wait()
	out := assemble(size, strips)
	for _, s := range strips {
		pool.Put(s)
	}
	return out
}

// strip is a run of rows, deflated, and what is needed to do it.
type strip struct {
	w    *flate.Writer
	out  bytes.Buffer
	sum  hash.Hash32 // of the filtered rows
	raw  int         // bytes of them
	rows [2][]byte   // the row above and this one
	line []byte      // this one, filtered
}

// pool of *strip: the state of a deflate writer is large.
var pool sync.Pool

func newStrip() *strip {
	s, ok := pool.Get().(*strip)
	if !ok {
		w, err := flate.NewWriter(nil, level)
		if err != nil {
			panic(err) // the level is a constant
		}
		s = &strip{w: w, sum: adler32.New()}
	}
	s.out.Reset()
	s.w.Reset(&s.out)
	s.sum.Reset()
	return s
}

// deflate writes the rows y0 to y1-1 to s.out.
func (s *strip) deflate(pix []byte, size desktop.Size, y0, y1 int, last bool, f filter) {
	stride := size.Width * 4
	for i := range s.rows {
		s.rows[i] = grow(s.rows[i], size.Width*3+slack)
	}
	above, row := s.rows[0], s.rows[1]
	if y0 == 0 {
		clear(above)
	} else {
		swizzle(above, pix[(y0-1)*stride:][:stride])
	}
	for y := y0; y < y1; y++ {
		swizzle(row, pix[y*stride:][:stride])
		s.line = f(s.line[:0], row[:size.Width*3], above[:size.Width*3])
		s.sum.Write(s.line)
		s.w.Write(s.line) // into a bytes.Buffer: it cannot fail
		row, above = above, row
	}
	s.raw = (y1 - y0) * (1 + size.Width*3)
	if last {
		s.w.Close()
	} else {
		s.w.Flush()
	}
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// slack is how far swizzle writes beyond the last pixel.
const slack = 2

// swizzle turns blue, green, red, unused into red, green, blue, two pixels with
// one load and one store.
func swizzle(dst, src []byte) {
	for len(src) >= 8 && len(dst) >= 8 {
		px := bits.ReverseBytes64(binary.LittleEndian.Uint64(src)) // r, g and b of the second pixel, then of the first
		binary.LittleEndian.PutUint64(dst, px>>40|px<<32>>40<<24)
		src, dst = src[8:], dst[6:]
	}
	if len(src) >= 4 && len(dst) >= 3 {
		dst[0], dst[1], dst[2] = src[2], src[1], src[0]
	}
}

// assemble writes the file around the strips.
func assemble(size desktop.Size, strips []*strip) []byte {
	total, sum := 2+4, uint32(1)
	for _, s := range strips {
		total += s.out.Len()
		sum = joinAdler(sum, s.sum.Sum32(), s.raw)
	}
	out := make([]byte, 0, total+57+12*(total/maxIDAT+len(strips)))
	out = append(out, "\x89PNG\r\n\x1a\n"...)

	var head [13]byte
	binary.BigEndian.PutUint32(head[0:], uint32(size.Width))
	binary.BigEndian.PutUint32(head[4:], uint32(size.Height))
	copy(head[8:], []byte{8, 2, 0, 0, 0}) // 8 bits, RGB, deflate, adaptive filters, not interlaced
	out = appendChunk(out, "IHDR", head[:])

	data := make([]byte, 0, total)
	data = append(data, 0x78, 0x01) // zlib: deflate, window of 32 KiB, fastest
	for _, s := range strips {
		data = append(data, s.out.Bytes()...)
	}
	data = binary.BigEndian.AppendUint32(data, sum)
	for len(data) > 0 {
		n := min(len(data), maxIDAT)
		out = appendChunk(out, "IDAT", data[:n])
		data = data[n:]
	}
	return appendChunk(out, "IEND", nil)
}

func appendChunk(dst []byte, kind string, data []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(data)))
	start := len(dst)
	dst = append(dst, kind...)
	dst = append(dst, data...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// joinAdler returns the Adler-32 checksum (RFC 1950, section 8.2) of two byte
// strings one after the other, from theirs and the length of the second.
func joinAdler(a, b uint32, n int) uint32 {
	const mod = 65521
	rem := uint32(n % mod)
	a1, a2, b1, b2 := a&0xffff, a>>16, b&0xffff, b>>16
	// The second string was summed from 1 instead of from a1: each of its n
	// sums lacks a1-1.
	s1 := (a1 + b1 + mod - 1) % mod
	s2 := (a2 + b2 + rem*((a1+mod-1)%mod)%mod) % mod
	return s2<<16 | s1
}

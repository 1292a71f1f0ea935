package x11

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/vmette/vmette-mcp/desktop"
)

// compare brings the shadow up to date with the pixels of r and marks what was
// different, or all of it.
func (d *Display) compare(r desktop.Rect, pix []byte, all bool) {
	if all {
		d.changed.mark(r)
	}
	width, stride := r.Width()*4, d.camera.size.Width*4
	for y := r.Y0; y < r.Y1; y++ {
		fresh, old := pix[(y-r.Y0)*width:][:width], d.shadow[y*stride+r.X0*4:][:width]
		if bytes.Equal(fresh, old) {
			continue
		}
		if !all {
			d.markDifferences(r.X0, y, fresh, old)
		}
		copy(old, fresh)
	}
}

// markDifferences marks the pixels of a row that differ, tile by tile. The row
// starts at x.
func (d *Display) markDifferences(x, y int, fresh, old []byte) {
	for len(fresh) > 0 {
		n := min((tileSize-x%tileSize)*4, len(fresh))
		if first := difference(fresh[:n], old[:n]); first >= 0 {
			last := lastDifference(fresh[:n], old[:n])
			d.changed.mark(desktop.Rect{X0: x + first, Y0: y, X1: x + last + 1, Y1: y + 1})
		}
		fresh, old, x = fresh[n:], old[n:], x+n/4
	}
}

// difference returns the first pixel in which a and b differ, or -1.
func difference(a, b []byte) int {
	i := 0
	for ; i+8 <= len(a); i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i/4 + bits.TrailingZeros64(x)/32
		}
	}
	if i < len(a) && !bytes.Equal(a[i:], b[i:]) {
		return i / 4
	}
	return -1
}

// lastDifference returns the last pixel in which a and b differ, which they do.
func lastDifference(a, b []byte) int {
	i := len(a) - 4
	for i > 0 && binary.LittleEndian.Uint32(a[i:]) == binary.LittleEndian.Uint32(b[i:]) {
		i -= 4
	}
	return i / 4
}

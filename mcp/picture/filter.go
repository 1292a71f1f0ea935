package picture

import "encoding/binary"

// The filter types of PNG (third edition, section 9.2) that are used here.
const (
	filterNone  = 0
	filterUp    = 2
	filterPaeth = 4
)

// A filter appends its type and the filtered row to dst. Rows of flat colour and
// text are best left as they are, because deflate finds their repeats; those
// with a photo on them become smaller as differences.
type filter func(dst, row, above []byte) []byte

// quick takes the difference to the row above where a photo is. It costs a small
// part of what deflate does.
func quick(dst, row, above []byte) []byte {
	if !shaded(row, above) {
		return append(append(dst, filterNone), row...)
	}
	dst = append(dst, filterUp)
	start := len(dst)
	dst = append(dst, row...)
	subtract(dst[start:], above)
	return dst
}

// small takes the difference to the best of three neighbours, unless the bytes of
// the row itself, read as signed, are smaller in sum. It makes photos smaller
// than quick does, in two to three times the time.
func small(dst, row, above []byte) []byte {
	start := len(dst)
	dst = append(append(dst, filterPaeth), row...)
	out := dst[start+1:]
	subtract(out[:3], above) // without a left neighbour it is the one above
	above = above[:len(row)]
	out = out[:len(row)]
	before, after := 0, 0
	for i := 3; i < len(row); i++ {
		out[i] -= paeth(row[i-3], above[i], above[i-3])
		before += min(int(row[i]), 256-int(row[i]))
		after += min(int(out[i]), 256-int(out[i]))
	}
	if before <= after {
		dst[start] = filterNone
		copy(out, row)
	}
	return dst
}

// shaded reports whether a row looks like that of a photo: many of its pixels,
// judged by the green of every fourth one, differ from the one above, but by
// little. In text and drawings they are the same or differ by much.
func shaded(row, above []byte) bool {
	const little, every = 16, 4 * 3
	above = above[:len(row)] // spares the loop a check
	count, seen := 0, 0
	for i := 1; i < len(row); i += every {
		seen++
		if d := row[i] - above[i]; d != 0 && d+little <= 2*little {
			count++
		}
	}
	return 8*count >= seen
}

// subtract subtracts b from a byte by byte, eight at a time.
func subtract(a, b []byte) {
	const high = 0x8080808080808080
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(a, ((x|high)-(y&^high))^((x^^y)&high))
		a, b = a[8:], b[8:]
	}
	for i := range a {
		a[i] -= b[i]
	}
}

// paeth is the neighbour that is nearest to left + above - corner.
func paeth(left, above, corner byte) byte {
	a, b, c := int(left), int(above), int(corner)
	da, db, dc := max(b-c, c-b), max(a-c, c-a), max(a+b-2*c, 2*c-a-b)
	switch {
	case da <= db && da <= dc:
		return left
	case db <= dc:
		return above
	}
	return corner
}

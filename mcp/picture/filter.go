package picture

import "encoding/binary"

// The filter types of PNG (third edition, section 9.2).
const (
	filterNone = iota
	filterSub
	filterUp
	filterAverage
	filterPaeth
	filters
)

// quickFilter leaves rows of flat colour and text as they are, whose repeats
// deflate finds best unfiltered, and takes the difference to the row above
// where a photo is on the row. Either costs a small part of what deflate does.
func quickFilter(dst, row, above []byte) []byte {
	if !shaded(row, above) {
		return append(append(dst, filterNone), row...)
	}
	dst = append(dst, filterUp)
	start := len(dst)
	dst = append(dst, row...)
	subtract(dst[start:], above)
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
	return 16*count >= seen
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

// bestFilter tries every filter on the row and keeps the one whose bytes, read
// as signed, are smallest in sum.
func bestFilter(dst, row, above []byte) []byte {
	start := len(dst)
	size := 1 + len(row)
	best, least := 0, int(^uint(0)>>1)
	for kind := range filters {
		dst = appendFiltered(dst, kind, row, above)
		sum := 0
		for _, b := range dst[start+kind*size+1:] {
			sum += min(int(b), 256-int(b))
		}
		if sum < least {
			best, least = kind, sum
		}
	}
	copy(dst[start:], dst[start+best*size:][:size])
	return dst[:start+size]
}

func appendFiltered(dst []byte, kind int, row, above []byte) []byte {
	dst = append(dst, byte(kind))
	for i, v := range row {
		var left, corner byte
		if i >= 3 {
			left, corner = row[i-3], above[i-3]
		}
		switch kind {
		case filterSub:
			v -= left
		case filterUp:
			v -= above[i]
		case filterAverage:
			v -= byte((int(left) + int(above[i])) / 2)
		case filterPaeth:
			v -= paeth(left, above[i], corner)
		}
		dst = append(dst, v)
	}
	return dst
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

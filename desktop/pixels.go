package desktop

import (
	"encoding/binary"
	"fmt"
)

// The run-length encoding [RLE] is a sequence of 32-bit little-endian words,
// row by row; nothing crosses the end of a row. A word below runFlag is the
// number of literal pixels that follow it; a word above it is runFlag plus the
// number of times that the one pixel after it is repeated. Both counts are at
// least 1.
//
// It is made for an encoder whose every instruction is emulated: it looks at
// two pixels with one load, copies literals in bulk, and never looks back.
const runFlag = 1 << 31

// minRun is the shortest run that is worth its two words, as it may cost the
// word that resumes the literals.
const minRun = 4

// AppendPatch appends the pixels of r to dst and returns how they are encoded:
// [RLE] where that is smaller, else [Raw]. pix is a screen of 4-byte pixels in
// rows of stride bytes, on which r must lie.
func AppendPatch(dst, pix []byte, stride int, r Rect) (Encoding, []byte) {
	width := r.Width() * 4
	start, limit := len(dst), len(dst)+width*r.Height()
	for y := r.Y0; y < r.Y1; y++ {
		row := pix[y*stride+r.X0*4:][:width]
		if dst = appendRuns(dst, row); len(dst) >= limit {
			return Raw, appendRaw(dst[:start], pix, stride, r)
		}
	}
	return RLE, dst
}

func appendRaw(dst, pix []byte, stride int, r Rect) []byte {
	for y := r.Y0; y < r.Y1; y++ {
		dst = append(dst, pix[y*stride+r.X0*4:][:r.Width()*4]...)
	}
	return dst
}

// appendRuns encodes one row.
func appendRuns(dst, row []byte) []byte {
	literal := 0 // where the literals begin that are not yet written
	for i := 0; i+8 <= len(row); {
		pair := binary.LittleEndian.Uint64(row[i:])
		if uint32(pair) != uint32(pair>>32) {
			i += 8
			continue
		}
		end := i + 8
		for end+8 <= len(row) && binary.LittleEndian.Uint64(row[end:]) == pair {
			end += 8
		}
		if end+4 <= len(row) && binary.LittleEndian.Uint32(row[end:]) == uint32(pair) {
			end += 4
		}
		begin := i
		if begin-4 >= literal && binary.LittleEndian.Uint32(row[begin-4:]) == uint32(pair) {
			begin -= 4
		}
		if end-begin >= minRun*4 {
			dst = appendLiteral(dst, row[literal:begin])
			dst = binary.LittleEndian.AppendUint32(dst, runFlag|uint32(end-begin)/4)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(pair))
			literal = end
		}
		i = end
	}
	return appendLiteral(dst, row[literal:])
}

func appendLiteral(dst, pixels []byte) []byte {
	if len(pixels) == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(pixels)/4))
	return append(dst, pixels...)
}

// DecodePatch writes the pixels that data holds into the rectangle r of pix, a
// screen of 4-byte pixels in rows of stride bytes, on which r must lie. data
// may be anything: what does not describe exactly the pixels of r is an error,
// after which r may be half painted. Nothing outside r is written.
func DecodePatch(enc Encoding, data, pix []byte, stride int, r Rect) error {
	width := r.Width() * 4
	switch enc {
	case Raw:
		if len(data) != width*r.Height() {
			return fmt.Errorf("decode raw pixels: %d bytes for %d", len(data), width*r.Height())
		}
		for y := r.Y0; y < r.Y1; y++ {
			data = data[copy(pix[y*stride+r.X0*4:][:width], data):]
		}
		return nil
	case RLE:
		for y := r.Y0; y < r.Y1; y++ {
			var err error
			if data, err = decodeRuns(pix[y*stride+r.X0*4:][:width], data); err != nil {
				return fmt.Errorf("decode runs of pixels: row %d: %w", y-r.Y0, err)
			}
		}
		if len(data) != 0 {
			return fmt.Errorf("decode runs of pixels: %d bytes too many", len(data))
		}
		return nil
	}
	return fmt.Errorf("decode pixels: encoding %q does not exist", enc)
}

// decodeRuns fills one row and returns the rest of data.
func decodeRuns(row, data []byte) ([]byte, error) {
	for len(row) > 0 {
		if len(data) < 8 {
			return nil, fmt.Errorf("it ends with %d pixels to come", len(row)/4)
		}
		word := binary.LittleEndian.Uint32(data)
		data = data[4:]
		count := int(word &^ runFlag)
		if count == 0 || count > len(row)/4 {
			return nil, fmt.Errorf("%d pixels where %d are to come", count, len(row)/4)
		}
		size := count * 4
		if word&runFlag != 0 {
			fill(row[:size], data[:4])
			row, data = row[size:], data[4:]
			continue
		}
		if len(data) < size {
			return nil, fmt.Errorf("%d bytes of literal pixels where %d are to come", len(data), size)
		}
		copy(row, data[:size])
		row, data = row[size:], data[size:]
	}
	return data, nil
}

// fill repeats pixel over dst, doubling what is there.
func fill(dst, pixel []byte) {
	for n := copy(dst, pixel); n < len(dst); {
		n += copy(dst[n:], dst[:n])
	}
}

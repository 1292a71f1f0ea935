package picture

import "github.com/vmette/vmette-mcp/desktop"

// weightBits is the precision of the weights of a span: two of them and a
// colour fit into 32 bits.
const weightBits = 12

// span is the part of a row or column that one pixel of the result averages.
type span struct {
	first   int
	weights []uint32 // sum to 1<<weightBits
}

// spans divides from pixels into to parts of the same length.
func spans(from, to int) []span {
	out := make([]span, to)
	for i := range out {
		first := i * from / to
		last := ((i+1)*from - 1) / to
		s := span{first, make([]uint32, 0, last-first+1)}
		// The weights are differences of a rounded running total, so that they
		// sum to one exactly and white stays white.
		begin, done := i*from, 0
		for px := first; px <= last; px++ {
			covered := min((px+1)*to, (i+1)*from) - begin
			total := (covered<<weightBits + from/2) / from
			s.weights = append(s.weights, uint32(total-done))
			done = total
		}
		out[i] = s
	}
	return out
}

// scaleDown averages the area that each pixel of the result covers.
func scaleDown(pix []byte, from, to desktop.Size) []byte {
	columns, rows := spans(from.Width, to.Width), spans(from.Height, to.Height)
	out := make([]byte, to.Width*to.Height*4)
	narrow := make([]uint32, to.Width*3) // one row of pix at the width of out
	sum := make([]uint32, to.Width*3)
	have := -1 // the row of pix that narrow holds: neighbours share one
	for y, s := range rows {
		clear(sum)
		for i, weight := range s.weights {
			if have != s.first+i {
				have = s.first + i
				narrowRow(narrow, pix[have*from.Width*4:][:from.Width*4], columns)
			}
			for j, v := range narrow {
				sum[j] += v * weight
			}
		}
		row := out[y*to.Width*4:][:to.Width*4]
		for x := range to.Width {
			for c := range 3 {
				row[x*4+c] = byte((sum[x*3+c] + 1<<(2*weightBits-1)) >> (2 * weightBits))
			}
		}
	}
	return out
}

func narrowRow(dst []uint32, row []byte, columns []span) {
	for x, s := range columns {
		var b, g, r uint32
		px := row[s.first*4:]
		for i, w := range s.weights {
			b += uint32(px[i*4]) * w
			g += uint32(px[i*4+1]) * w
			r += uint32(px[i*4+2]) * w
		}
		dst[x*3], dst[x*3+1], dst[x*3+2] = b, g, r
	}
}

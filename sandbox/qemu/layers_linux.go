package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// layers is the memory of a state, to be read in pieces of copySize bytes: base, and
// what lies over it. It is safe for concurrent use.
type layers struct {
	base  *os.File
	upper *os.File         // nil for nothing
	over  map[int64][]span // what of upper lies over base, by the number of the piece
}

// newLayers returns the memory in base with the spans of upper over it.
func newLayers(base, upper *os.File, over []span) layers {
	l := layers{base: base, upper: upper, over: make(map[int64][]span)}
	for _, s := range over {
		for s.n > 0 {
			number := s.offset / copySize
			n := min(s.n, (number+1)*copySize-s.offset)
			l.over[number] = append(l.over[number], span{s.offset, n})
			s.offset, s.n = s.offset+n, s.n-n
		}
	}
	return l
}

// pieces returns the numbers, ascending, of those that are not holes all through.
func (l layers) pieces() (numbers []int64, err error) {
	err = eachExtent(l.base, func(offset, _ int64) error {
		numbers = append(numbers, offset/copySize)
		return nil
	})
	for n := range l.over {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), err
}

// read reads one piece, of which the last may be shorter than buf.
func (l layers) read(buf []byte, number int64) ([]byte, error) {
	begin := number * copySize
	n, err := l.base.ReadAt(buf[:copySize], begin)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", l.base.Name(), err)
	}
	buf = buf[:n]
	if len(buf)%pageSize != 0 {
		return nil, fmt.Errorf("read %s: %d bytes are not whole pages", l.base.Name(), n)
	}
	for _, s := range l.over[number] {
		at := s.offset - begin
		if at+s.n > int64(n) {
			return nil, fmt.Errorf("read %s: what lies over it is beyond its end", l.base.Name())
		}
		if _, err := l.upper.ReadAt(buf[at:at+s.n], s.offset); err != nil {
			return nil, fmt.Errorf("read %s: %w", l.upper.Name(), err)
		}
	}
	return buf, nil
}

package x11

import "github.com/vmette/vmette-mcp/desktop"

// tileSize is the side of a tile in pixels. It is small enough that a caret
// costs little, and large enough that a screen has a thousand of them.
const tileSize = 32

// maxRects bounds the rectangles that a set of tiles is described by, and with
// them the requests of a capture and the header of its answer.
const maxRects = 64

// tiles is a set of the tiles of a screen. For each tile that is in the set it
// keeps the bounds of what was marked in it.
type tiles struct {
	size       desktop.Size
	cols, rows int
	bounds     []desktop.Rect // of what is marked; empty when the tile is not in the set
	marked     bool           // any of them
}

func newTiles(s desktop.Size) *tiles {
	cols, rows := (s.Width+tileSize-1)/tileSize, (s.Height+tileSize-1)/tileSize
	return &tiles{size: s, cols: cols, rows: rows, bounds: make([]desktop.Rect, cols*rows)}
}

// mark adds what lies on the screen of r.
func (t *tiles) mark(r desktop.Rect) {
	r = intersect(r, desktop.Rect{X1: t.size.Width, Y1: t.size.Height})
	if empty(r) {
		return
	}
	t.marked = true
	for row := r.Y0 / tileSize; row*tileSize < r.Y1; row++ {
		for col := r.X0 / tileSize; col*tileSize < r.X1; col++ {
			tile := desktop.Rect{X0: col * tileSize, Y0: row * tileSize, X1: (col + 1) * tileSize, Y1: (row + 1) * tileSize}
			b := &t.bounds[row*t.cols+col]
			*b = union(*b, intersect(r, tile))
		}
	}
}

// take returns the rectangles of the set, which do not overlap, and empties it.
// They cover what was marked, and little else: tiles that touch are joined when
// the same columns are marked in rows that follow each other.
func (t *tiles) take() []desktop.Rect {
	if !t.marked {
		return nil
	}
	t.marked = false
	type span struct {
		first, last int // columns
		area        desktop.Rect
	}
	var done []desktop.Rect
	var above, row []span
	for r := range t.rows {
		row = row[:0]
		for c := 0; c < t.cols; c++ {
			if empty(t.bounds[r*t.cols+c]) {
				continue
			}
			s := span{first: c, last: c}
			for ; c < t.cols && !empty(t.bounds[r*t.cols+c]); c++ {
				s.last, s.area = c, union(s.area, t.bounds[r*t.cols+c])
				t.bounds[r*t.cols+c] = desktop.Rect{}
			}
			row = append(row, s)
		}
		for _, a := range above {
			joined := false
			for i := range row {
				if row[i].first == a.first && row[i].last == a.last {
					row[i].area, joined = union(row[i].area, a.area), true
				}
			}
			if !joined {
				done = append(done, a.area)
			}
		}
		above, row = row, above
	}
	for _, a := range above {
		done = append(done, a.area)
	}
	if len(done) <= maxRects {
		return done
	}
	all := desktop.Rect{}
	for _, r := range done {
		all = union(all, r)
	}
	return []desktop.Rect{all}
}

func empty(r desktop.Rect) bool { return r.X0 >= r.X1 || r.Y0 >= r.Y1 }

func area(r desktop.Rect) int {
	if empty(r) {
		return 0
	}
	return r.Width() * r.Height()
}

func intersect(a, b desktop.Rect) desktop.Rect {
	return desktop.Rect{X0: max(a.X0, b.X0), Y0: max(a.Y0, b.Y0), X1: min(a.X1, b.X1), Y1: min(a.Y1, b.Y1)}
}

// union returns the smallest rectangle that holds both, of which either may be
// empty.
func union(a, b desktop.Rect) desktop.Rect {
	if empty(a) {
		return b
	}
	if empty(b) {
		return a
	}
	return desktop.Rect{X0: min(a.X0, b.X0), Y0: min(a.Y0, b.Y0), X1: max(a.X1, b.X1), Y1: max(a.Y1, b.Y1)}
}

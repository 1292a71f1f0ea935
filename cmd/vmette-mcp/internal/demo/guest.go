package demo

import (
	"context"
	_ "embed"
	"fmt"
)

//go:embed library.sh
var library string

//go:embed form.html
var formPage string

// Where the demo's own files are in the guest.
const (
	libraryPath = "/tmp/demo.sh"
	formPath    = "/tmp/form.html"
)

// checkSeconds is how long the await of library.sh tries.
const checkSeconds = 60

// place is where a window is on the screen, in pixels: the inside of its
// frame, and the title bar above it.
type place struct{ x, y, width, height, titleBar int }

// appear waits for a window whose class or title holds text.
func (r *runner) appear(ctx context.Context, text string, seconds int) (place, error) {
	return r.place(ctx, fmt.Sprintf("appear %s %d", quote(text), seconds), seconds+30)
}

func (r *runner) place(ctx context.Context, command string, seconds int) (place, error) {
	out, err := r.run(ctx, command, seconds)
	if err != nil {
		return place{}, err
	}
	var p place
	if _, err := fmt.Sscan(out, &p.x, &p.y, &p.width, &p.height, &p.titleBar); err != nil {
		return place{}, fmt.Errorf("%s printed %q: %w", command, out, err)
	}
	return p, nil
}

// center returns the coordinate of the middle of the window.
func (p place) center() [2]int { return [2]int{p.x + p.width/2, p.y + p.height/2} }

// handle returns a coordinate on the title bar, away from its buttons.
func (p place) handle() [2]int { return [2]int{p.x + p.width/2, p.y - p.titleBar/2} }

// roomFor returns how to move the window by dx and dy pixels so that it ends
// well away from the edges of the screen, where window managers hold windows
// back: up and to the left, if there is room.
func (p place) roomFor(dx, dy int) (int, int) {
	if p.x-dx < edge {
		dx = -dx
	}
	if p.y-p.titleBar-dy < edge {
		dy = -dy
	}
	return -dx, -dy
}

// edge is farther from the screen's edge than a window manager resists.
const edge = 30

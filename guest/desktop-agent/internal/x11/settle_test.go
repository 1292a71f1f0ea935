package x11

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// repaint paints r now and then every interval, until the function that it
// returns is called.
func (p *painter) repaint(r desktop.Rect, interval time.Duration) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for colour := uint32(1); ; colour = colour*1664525 + 1013904223 {
			p.fill(r, colour&0xffffff)
			select {
			case <-ticker.C:
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func settle(t *testing.T, d *Display, o SettleOptions) desktop.Settled {
	t.Helper()
	s, err := d.Settle(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	window = desktop.Rect{X0: 100, Y0: 100, X1: 700, Y1: 500}
	caret  = desktop.Rect{X0: 900, Y0: 300, X1: 902, Y1: 316}
)

func TestSettleOfAStillScreen(t *testing.T) {
	d, s := startDisplay(t)
	newPainter(t, s.Display)
	settle(t, d, SettleOptions{}) // the painter's window
	got := settle(t, d, SettleOptions{Quiet: 60 * time.Millisecond})
	if got.Reason != desktop.SettleQuiet || got.QuietMS != 60 || got.LimitMS != 3000 || got.Changed || got.ElapsedMS < 60 || got.ElapsedMS > 1000 {
		t.Errorf("got %+v, want quiet and unchanged after 60 ms", got)
	}
}

// A program that answers an input a moment later, without a sign until then.
func TestSettleWaitsForALateAnswer(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	settle(t, d, SettleOptions{})
	answers := 0
	for tries := 0; answers < 5; tries++ {
		if tries == 100 {
			t.Fatalf("of %d programs that were to answer after 150 ms, %d did", tries, answers)
		}
		if err := d.Click(t.Context(), desktop.Click{Button: 1, Count: 1, At: at(int(time.Now().UnixNano()%1000), 20)}); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		painted := make(chan time.Time, 1)
		go func() {
			<-time.After(150 * time.Millisecond)
			p.fill(window, uint32(time.Now().UnixNano())&0xffffff)
			painted <- time.Now()
		}()
		got := settle(t, d, SettleOptions{})
		end := time.Now()
		select {
		case when := <-painted:
			answers++
			if after := end.Sub(when); got.Reason == desktop.SettleLimit || !got.Changed || after > time.Second {
				t.Errorf("got %+v, %v after the change; want quiet soon after it", got, after)
			}
		default:
			// On a crowded machine this program itself may be kept from answering
			// until the quiet time is over: then it has shown nothing.
			if when := <-painted; when.Sub(begun) < DefaultQuiet {
				answers++
				t.Errorf("settled after %d ms, before the program answered after %v", got.ElapsedMS, when.Sub(begun))
			}
		}
	}
}

func TestSettleOfAScreenThatNeverRests(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	defer p.repaint(window, 15*time.Millisecond)()
	got := settle(t, d, SettleOptions{Quiet: 100 * time.Millisecond, Limit: 400 * time.Millisecond})
	if got.Reason != desktop.SettleLimit || !got.Changed || got.ElapsedMS < 400 || got.ElapsedMS > 1400 {
		t.Errorf("got %+v, want the limit of 400 ms", got)
	}
}

// What moves here does so more often than the quiet time: if it counted, the
// screen would never settle.
func TestSettleOverlooksWhatMovesByItself(t *testing.T) {
	tests := []struct {
		name     string
		area     desktop.Rect
		interval time.Duration
	}{
		{"caret", caret, 120 * time.Millisecond},
		{"spinner", desktop.Rect{X0: 600, Y0: 300, X1: 632, Y1: 332}, 16 * time.Millisecond},
		{"clock", desktop.Rect{X0: 1200, Y0: 780, X1: 1270, Y1: 796}, 170 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, s := startDisplay(t)
			p := newPainter(t, s.Display)
			defer p.repaint(tt.area, tt.interval)()
			for !restlessKnown(d) {
				settle(t, d, SettleOptions{})
			}
			if err := d.Click(t.Context(), desktop.Click{Button: 1, Count: 1, At: at(20, 20)}); err != nil {
				t.Fatal(err)
			}
			other := newPainter(t, s.Display)
			other.fill(window, 0x445566)
			got := settle(t, d, SettleOptions{Limit: 10 * time.Second})
			if got.Reason == desktop.SettleLimit || !got.Changed {
				t.Errorf("got %+v, want quiet after the real change", got)
			}
		})
	}
}

func TestSettleCanBeCancelled(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	defer p.repaint(window, 10*time.Millisecond)()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Settle(ctx, SettleOptions{Limit: time.Minute})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled {
		t.Errorf("got error %v, want cancelled", err)
	}
}

func TestActivity(t *testing.T) {
	const ms = time.Millisecond
	type draw struct {
		after time.Duration // since the one before
		area  desktop.Rect
		want  bool // whether it counts as a change
	}
	moved := desktop.Rect{X0: caret.X0 + 40, Y0: caret.Y0, X1: caret.X1 + 40, Y1: caret.Y1}
	tests := []struct {
		name  string
		draws []draw
	}{
		{"one change", []draw{{500 * ms, caret, true}}},
		{"a caret is known when it has blinked three times", []draw{
			{500 * ms, caret, true}, {500 * ms, caret, true}, {500 * ms, caret, true}, {500 * ms, caret, false}, {500 * ms, caret, false},
		}},
		{"a known caret elsewhere is new", []draw{
			{500 * ms, caret, true}, {500 * ms, caret, true}, {500 * ms, caret, true}, {500 * ms, moved, true}, {500 * ms, caret, false},
		}},
		{"a caret that has rested is forgotten", []draw{
			{500 * ms, caret, true}, {500 * ms, caret, true}, {500 * ms, caret, true}, {3000 * ms, caret, true}, {500 * ms, caret, true},
		}},
		{"draws at one moment count once", []draw{
			{500 * ms, caret, true}, {1 * ms, caret, true}, {1 * ms, caret, true}, {1 * ms, caret, true},
		}},
		{"what answers an input is not learned", []draw{
			{50 * ms, caret, true}, {50 * ms, caret, true}, {50 * ms, caret, true}, {50 * ms, caret, true}, {50 * ms, caret, true},
		}},
		{"a large area always counts", []draw{
			{500 * ms, window, true}, {500 * ms, window, true}, {500 * ms, window, true}, {500 * ms, window, true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a activity
			now := time.Unix(1000, 0)
			a.begin(now)
			a.end(now)
			for i, d := range tt.draws {
				now = now.Add(d.after)
				a.damage(d.area, now)
				if got := a.changed.Equal(now); got != d.want {
					t.Errorf("draw %d counts as a change: %v, want %v", i+1, got, d.want)
				}
				if !slices.Contains(a.areas, d.area) {
					t.Errorf("draw %d was not noticed", i+1)
				}
			}
		})
	}
}

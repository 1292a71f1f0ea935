package serve

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// A quiet time that is over when somebody looks counts from what was done last.
func TestQuietTimeCountsFromTheLastDeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["type"] = make(chan struct{})
		begun := time.Now()
		b := newBench(t, d)
		since := func(a desktop.Action) time.Time {
			t.Helper()
			if _, err := b.Do(t.Context(), a, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
				t.Fatal(err)
			}
			return d.sinceLast()
		}
		time.Sleep(time.Minute)
		if got := since(desktop.Screenshot{}); !got.Equal(begun) {
			t.Errorf("of a screenshot it is %v after the connection", got.Sub(begun))
		}
		if got := since(desktop.Click{Button: desktop.Left, Count: 1}); !got.IsZero() {
			t.Errorf("of a click itself it is %v", got)
		}
		clicked := time.Now()
		if got := since(desktop.Wait{DurationMS: 500}); !got.Equal(clicked) || time.Since(clicked) < 500*time.Millisecond {
			t.Errorf("of a wait after a click it is %v after the click", got.Sub(clicked))
		}
		typing := b.do(t.Context(), desktop.Type{Text: "one"})
		synctest.Wait()
		if got := since(desktop.Screenshot{}); !got.IsZero() {
			t.Errorf("while something is typed it is %v", got)
		}
		close(d.hold["type"])
		<-typing
		typed := time.Now()
		time.Sleep(time.Minute)
		if got := since(desktop.Screenshot{}); !got.Equal(typed) {
			t.Errorf("after typing it is %v after that", got.Sub(typed))
		}
		b.close(t)
	})
}

// The end of a connection, as for a save, is nothing that changes a screen.
func TestQuietTimeOutlivesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		b := newBench(t, d)
		if _, err := b.Do(t.Context(), desktop.Click{Button: desktop.Left, Count: 1}, desktop.Observe{}); err != nil {
			t.Fatal(err)
		}
		clicked := b.server.deeds.last
		b.close(t)
		b.connect(t)
		if _, err := b.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
			t.Fatal(err)
		}
		if got := d.sinceLast(); !got.Equal(clicked) {
			t.Errorf("of a screenshot it is %v after the click on the connection before", got.Sub(clicked))
		}
		b.close(t)
	})
}

package serve

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/clipboard"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// cutShort are long actions that are cancelled on their way.
var cutShort = []struct {
	name   string
	action desktop.Action
	after  int                     // events that are seen before the cancel
	end    func(xprobe.Event) bool // tells what only the end of the action brings
}{
	{"click that waits to be none of a double click", batchOf(
		desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 300, Y: 300}},
		desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 302, Y: 300}},
	), 4, func(e xprobe.Event) bool { return e.Kind == xprobe.ButtonPress && e.X == 302 }},
	{"clicks", batchOf(slices.Repeat([]desktop.Action{
		desktop.Click{Button: desktop.Left, Count: 3, At: &desktop.Point{X: 300, Y: 300}},
		desktop.Click{Button: desktop.Right, Count: 3, At: &desktop.Point{X: 500, Y: 300}},
	}, 50)...), 8, never},
	{"key 100 times", batchOf(append(slices.Repeat([]desktop.Action{
		desktop.Key{Keys: "ctrl+x", Repeat: desktop.MaxRepeat},
	}, 50), desktop.Key{Keys: "z"})...), 30, isZ},
	{"paste", desktop.Paste{Text: strings.Repeat("nobody fetches it ", 1000)}, 4, never},
	{"type", desktop.Type{Text: strings.Repeat("aB ", 10_000) + "z"}, 100, isZ},
	{"hold_key", desktop.HoldKey{Keys: "ctrl+shift+x", DurationMS: 300_000}, 3, never},
	{"drag", desktop.Drag{Button: desktop.Left, Path: zigzag(), Modifiers: []string{"shift"}}, 60, func(e xprobe.Event) bool {
		return desktop.Point{X: e.X, Y: e.Y} == zigzagEnd
	}},
	{"scroll", desktop.Scroll{At: &desktop.Point{X: 300, Y: 300}, DY: desktop.MaxNotches, DX: desktop.MaxNotches, Modifiers: []string{"ctrl"}}, 20, func(e xprobe.Event) bool {
		const right = 7
		return e.Detail == right && e.Kind == xprobe.ButtonPress
	}},
	{"wait", desktop.Wait{DurationMS: 300_000}, 0, always},
	{"batch", batchOf(
		desktop.ButtonDown{Button: desktop.Left}, desktop.KeyDown{Keys: "ctrl"}, desktop.Wait{DurationMS: 300_000}, desktop.Key{Keys: "z"},
	), 2, isZ},
	{"batch while it types", batchOf(
		desktop.KeyDown{Keys: "alt"}, desktop.Type{Text: strings.Repeat("aB ", 10_000)}, desktop.Key{Keys: "z"},
	), 100, isZ},
}

func isZ(e xprobe.Event) bool  { return e.Keysym == 'z' }
func never(xprobe.Event) bool  { return false }
func always(xprobe.Event) bool { return true }

var zigzagEnd = desktop.Point{X: 700, Y: 500}

// zigzag is a way that takes a drag many seconds.
func zigzag() (path []desktop.Point) {
	for n := range 200 {
		path = append(path, desktop.Point{X: 100 + n%2*400, Y: 100 + n})
	}
	return append(path, zigzagEnd)
}

// cancelTime is what a user who stops something takes for at once.
const cancelTime = 100 * time.Millisecond

// When a cancel is confirmed, nothing is held, and nothing of the action reaches
// an application any more. The median is compared with the time, because the
// processors may be busy with other tests.
func TestNothingComesAfterAConfirmedCancel(t *testing.T) {
	d := newWitnessed(t)
	for _, tt := range cutShort {
		t.Run(tt.name, func(t *testing.T) {
			var all []time.Duration
			for range 5 {
				during, took := d.cutShort(t, tt.action, tt.after)
				all = append(all, took)
				during = append(during, d.fence(t)...)
				if slices.ContainsFunc(during, tt.end) {
					t.Error("the action came to its end")
				}
				d.wantNothingHeld(t)

				// What the agent still had in hand would come before the next
				// action, or with it.
				id := d.send(t, desktop.Request{Action: desktop.Key{Keys: "F12"}})
				after, answer := d.await(t, id)
				if !answer.OK {
					t.Errorf("the next action: %v", answer.Error)
				}
				after = append(after, d.fence(t)...)
				const f12 = 0xffc9
				if len(after) != 2 || after[0].Kind != xprobe.KeyPress || after[0].Keysym != f12 || after[1].Kind != xprobe.KeyRelease {
					t.Errorf("after the cancel, of which the application had seen %d events, it saw %+v, want F12 alone", len(during), after)
				}
				d.wantNothingHeld(t)
			}
			slices.Sort(all)
			if median := all[len(all)/2]; median > cancelTime {
				t.Errorf("the cancels took %v, half of them more than %v", all, cancelTime)
			}
		})
	}
}

// BenchmarkCancel measures the time from the sending of a cancel to its
// confirmation.
func BenchmarkCancel(b *testing.B) {
	d := newWitnessed(b)
	for _, bb := range cutShort {
		b.Run(bb.name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				_, took := d.cutShort(b, bb.action, bb.after)
				d.fence(b)
				all = append(all, took)
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-confirmed-p50")
			b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "ms-confirmed-p95")
			b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms-confirmed-max")
		})
	}
}

// witnessed is a served display with an application that tells what it sees,
// and the host's end of the connection as it is on the wire.
type witnessed struct {
	host    net.Conn
	answers <-chan answered
	id      uint32 // of the last request
	probe   *xprobe.Probe
	own     *xgb.Conn // past the agent
	root    xproto.Window
}

// answered is a response with the number of its request.
type answered struct {
	id uint32
	desktop.Response
}

func newWitnessed(t testing.TB) *witnessed {
	t.Helper()
	screen := desktop.Size{Width: 1280, Height: 800}
	x := x11test.Start(t, screen)
	display, err := x11.Open(t.Context(), x.Display, x11.Options{})
	if err != nil {
		t.Fatal(err)
	}
	selections := clipboard.New(x.Display)
	t.Cleanup(selections.Close)
	server := &Server{Desk: new(Desk), Runner: fakeRunner{}, Clipboard: selections, Browser: fakeBrowser{}}
	server.Desk.Place(display)
	host, guest := net.Pipe()
	end := make(chan error, 1)
	go func() {
		g, err := desktop.NewGuest(context.Background(), guest, desktop.Hello{Token: "t", Screen: screen})
		if err == nil {
			err = server.Serve(context.Background(), g)
		}
		end <- err
	}()
	if _, err := desktop.ReadFrame(host); err != nil {
		t.Fatal(err)
	}
	d := &witnessed{host: host}
	d.write(t, 0, desktop.Welcome{Protocol: desktop.Version})
	answers := make(chan answered)
	d.answers = answers
	go func() {
		defer close(answers)
		for {
			m, err := desktop.ReadFrame(host)
			if err != nil {
				return
			}
			a := answered{id: m.ID}
			if err := desktop.Unmarshal(m.Header, &a.Response); err != nil {
				t.Errorf("answer %s: %v", m.Header, err)
				return
			}
			answers <- a
		}
	}()
	t.Cleanup(func() {
		host.Close()
		for range answers {
		}
		if err := <-end; err != nil {
			t.Errorf("serve: %v", err)
		}
		display.Close()
	})
	if d.own, err = xgb.NewConnDisplay(x.Display); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.own.Close)
	if err := xtest.Init(d.own); err != nil {
		t.Fatal(err)
	}
	d.root = xproto.Setup(d.own).DefaultScreen(d.own).Root
	if d.probe, err = xprobe.Open(x.Display, xprobe.Options{Motion: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.probe.Close)
	// The first key of a server makes it announce the keymap once more.
	d.await(t, d.send(t, desktop.Request{Action: desktop.Key{Keys: "F12"}}))
	d.fence(t)
	return d
}

func (d *witnessed) write(t testing.TB, id uint32, v any) {
	t.Helper()
	header, err := desktop.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := desktop.WriteFrame(d.host, id, header, nil); err != nil {
		t.Fatal(err)
	}
}

// send sends a request and returns its number.
func (d *witnessed) send(t testing.TB, r desktop.Request) uint32 {
	t.Helper()
	d.id++
	d.write(t, d.id, r)
	return d.id
}

// await returns when a request has been answered, which must be the next to be,
// with what the application saw meanwhile.
func (d *witnessed) await(t testing.TB, id uint32) (seen []xprobe.Event, answer desktop.Response) {
	t.Helper()
	for {
		select {
		case e := <-d.probe.Events():
			seen = append(seen, e)
		case a, ok := <-d.answers:
			if !ok || a.id != id {
				t.Fatalf("got the answer %+v, want one to %d", a, id)
			}
			return seen, a.Response
		}
	}
}

// cutShort begins an action, cancels it when the application has seen some of it
// and returns when that is confirmed.
func (d *witnessed) cutShort(t testing.TB, a desktop.Action, after int) (seen []xprobe.Event, took time.Duration) {
	t.Helper()
	id := d.send(t, desktop.Request{Action: a})
	for len(seen) < after {
		select {
		case e := <-d.probe.Events():
			seen = append(seen, e)
		case r := <-d.answers:
			t.Fatalf("it was answered before it was cancelled: %+v", r)
		}
	}
	start := time.Now()
	cancel := d.send(t, desktop.Request{Cancel: id})
	// A confirmation before the end of what it confirms would be none.
	more, answer := d.await(t, id)
	last, confirmation := d.await(t, cancel)
	took = time.Since(start)
	if e := answer.Error; e == nil || e.Code != desktop.CodeCancelled {
		t.Errorf("the action is answered %+v, want that it was cancelled", answer)
	}
	if !confirmation.OK {
		t.Errorf("the cancel is answered %+v", confirmation)
	}
	return slices.Concat(seen, more, last), took
}

// fence returns what the application has seen until now. It presses a button
// that no test uses, past the agent, and waits for it.
func (d *witnessed) fence(t testing.TB) (seen []xprobe.Event) {
	t.Helper()
	const button = byte(desktop.Forward)
	xtest.FakeInput(d.own, xproto.ButtonPress, button, xproto.TimeCurrentTime, d.root, 0, 0, 0)
	xtest.FakeInput(d.own, xproto.ButtonRelease, button, xproto.TimeCurrentTime, d.root, 0, 0, 0)
	for e := range d.probe.Events() {
		switch {
		case e.Detail != int(button) || (e.Kind != xprobe.ButtonPress && e.Kind != xprobe.ButtonRelease):
			seen = append(seen, e)
		case e.Kind == xprobe.ButtonRelease:
			return seen
		}
	}
	t.Fatal("the application's connection ended")
	return nil
}

func (d *witnessed) wantNothingHeld(t testing.TB) {
	t.Helper()
	keys, err := xproto.QueryKeymap(d.own).Reply()
	if err != nil {
		t.Fatal(err)
	}
	pointer, err := xproto.QueryPointer(d.own, d.root).Reply()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Max(keys.Keys) != 0 || pointer.Mask != 0 {
		t.Errorf("keys %v and modifiers and buttons %#x are held, want none", keys.Keys, pointer.Mask)
	}
}

package serve

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// fakeDisplay notes what it is told to do. An action for which hold has a
// channel lasts until something comes out of that, or its context ends.
type fakeDisplay struct {
	size desktop.Size
	fill byte // of every pixel

	mu     sync.Mutex
	log    []string
	fail   map[string]error
	hold   map[string]chan struct{}
	number uint64
	whole  bool
	since  time.Time // of the last Settle

	notices []string // of every action
}

func newFake() *fakeDisplay {
	return &fakeDisplay{size: desktop.Size{Width: 4, Height: 3}, fail: make(map[string]error), hold: make(map[string]chan struct{})}
}

func (d *fakeDisplay) did() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

func (d *fakeDisplay) note(ctx context.Context, name, detail string) error {
	d.mu.Lock()
	d.log = append(d.log, name+detail)
	hold, err := d.hold[name], d.fail[name]
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return desktop.Errorf(desktop.CodeCancelled, "%s was stopped", name)
		}
	}
	return err
}

func (d *fakeDisplay) Size() desktop.Size { return d.size }

func (d *fakeDisplay) Pointer(context.Context) (desktop.Point, error) {
	return desktop.Point{X: 1, Y: 2}, nil
}

func (d *fakeDisplay) Move(ctx context.Context, a desktop.Move) error {
	return d.note(ctx, "move", a.To.String())
}
func (d *fakeDisplay) Click(ctx context.Context, a desktop.Click) error {
	return d.note(ctx, "click", fmt.Sprint(a.Count))
}
func (d *fakeDisplay) ButtonDown(ctx context.Context, a desktop.ButtonDown) error {
	return d.note(ctx, "button_down", "")
}
func (d *fakeDisplay) ButtonUp(ctx context.Context, a desktop.ButtonUp) error {
	return d.note(ctx, "button_up", "")
}
func (d *fakeDisplay) Drag(ctx context.Context, a desktop.Drag) error {
	return d.note(ctx, "drag", "")
}
func (d *fakeDisplay) Scroll(ctx context.Context, a desktop.Scroll) error {
	return d.note(ctx, "scroll", "")
}
func (d *fakeDisplay) Key(ctx context.Context, a desktop.Key) error {
	return d.note(ctx, "key", " "+a.Keys)
}
func (d *fakeDisplay) KeyDown(ctx context.Context, a desktop.KeyDown) error {
	return d.note(ctx, "key_down", " "+a.Keys)
}
func (d *fakeDisplay) KeyUp(ctx context.Context, a desktop.KeyUp) error {
	return d.note(ctx, "key_up", " "+a.Keys)
}
func (d *fakeDisplay) HoldKey(ctx context.Context, a desktop.HoldKey) error {
	return d.note(ctx, "hold_key", " "+a.Keys)
}
func (d *fakeDisplay) Resize(ctx context.Context, a desktop.ResizeScreen) error {
	return d.note(ctx, "resize_screen", " "+a.Size.String())
}
func (d *fakeDisplay) Type(ctx context.Context, a desktop.Type) error {
	return d.note(ctx, "type", " "+a.Text)
}

// Check knows no key called "nonsense".
func (d *fakeDisplay) Check(a desktop.Action) error {
	if k, ok := a.(desktop.Key); ok && k.Keys == "nonsense" {
		return desktop.Errorf(desktop.CodeInvalid, "there is no such key")
	}
	return nil
}
func (d *fakeDisplay) Calm(ctx context.Context) error { return d.note(ctx, "calm", "") }

func (d *fakeDisplay) PressPaste(ctx context.Context) error { return d.note(ctx, "paste keys", "") }

func (d *fakeDisplay) Notices() []string { return d.notices }

func (d *fakeDisplay) ReleaseAll(ctx context.Context) error { return d.note(ctx, "release", "") }

func (d *fakeDisplay) Settle(ctx context.Context, o x11.SettleOptions) (desktop.Settled, error) {
	d.mu.Lock()
	d.since = o.Since
	d.mu.Unlock()
	return desktop.Settled{Reason: desktop.SettleQuiet}, d.note(ctx, "settle", "")
}

// sinceLast returns from when on the quiet time of the last Settle counted.
func (d *fakeDisplay) sinceLast() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since
}

func (d *fakeDisplay) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.whole, d.number = true, 0
}

// Capture gives whole frames after a Reset and empty differences otherwise.
func (d *fakeDisplay) Capture(ctx context.Context, buf []byte) (desktop.Frame, []byte, error) {
	if err := d.note(ctx, "capture", ""); err != nil {
		return desktop.Frame{}, buf, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := desktop.Frame{Base: d.number, Number: d.number + 1, Size: d.size}
	d.number++
	if d.whole {
		d.whole = false
		rect := desktop.Rect{X1: d.size.Width, Y1: d.size.Height}
		pix := slices.Repeat([]byte{d.fill}, rect.Width()*rect.Height()*4)
		f.Base = 0
		f.Rects = []desktop.Patch{{Rect: rect, Encoding: desktop.Raw, Len: len(pix)}}
		buf = append(buf, pix...)
	}
	return f, buf, nil
}

// fakeBrowser opens everything.
type fakeBrowser struct{}

func (fakeBrowser) Open(ctx context.Context, url string) (string, error) {
	return "opened " + url, nil
}

func (fakeBrowser) Rest(context.Context) error { return nil }
func (fakeBrowser) Wake() error                { return nil }
func (fakeBrowser) Pause()                     {}
func (fakeBrowser) Continue() error            { return nil }

// bench is a server with a client on the other side.
type bench struct {
	*desktop.Client
	server *Server
	end    chan error // what Serve returned
}

func newBench(t *testing.T, d Display) *bench {
	t.Helper()
	return newBenchWith(t, d, fakeBrowser{})
}

func newBenchWith(t *testing.T, d Display, browser Browser) *bench {
	t.Helper()
	b := &bench{server: &Server{
		Desk: new(Desk), Runner: fakeRunner{}, Files: fakeFiles{}, Clipboard: new(fakeClipboard), Windows: fakeWindows{},
		Launcher: fakeWindows{}, Browser: browser,
	}, end: make(chan error, 1)}
	if d != nil {
		b.server.Desk.Place(d)
	}
	b.connect(t)
	return b
}

// connect replaces the client by one on a new connection.
func (b *bench) connect(t *testing.T) {
	t.Helper()
	host, guest := net.Pipe()
	go func() {
		g, err := desktop.NewGuest(t.Context(), guest, desktop.Hello{Token: "t", Screen: desktop.Size{Width: 4, Height: 3}})
		if err == nil {
			err = b.server.Serve(t.Context(), g)
		}
		b.end <- err
	}()
	c, err := desktop.NewClient(t.Context(), host, desktop.ClientConfig{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	b.Client = c
}

// close ends the connection from the host's side, once every answer that is
// under way has arrived, and waits for the server.
func (b *bench) close(t *testing.T) {
	t.Helper()
	synctest.Wait()
	b.Close()
	if err := <-b.end; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// answer is what Do returned.
type answer struct {
	*desktop.Result
	err error
}

// do is Do in the background.
func (b *bench) do(ctx context.Context, a desktop.Action) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		r, err := b.Do(ctx, a, desktop.Observe{})
		ch <- answer{r, err}
	}()
	return ch
}

package mcp

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// fakeHost is a host of desktops that exist in memory alone.
type fakeHost struct {
	screen   desktop.Size
	capacity int
	boots    int           // how many were started
	gate     chan struct{} // when not nil, a boot ends only once it is closed
	steps    chan string   // when not nil, steps of boots at the gate
	imageErr error
	bootErr  error
	saveErr  error               // of all that has to do with checkpoints
	ended    chan string         // when not nil, gets the id of each desktop that was ended
	executes chan sandbox.Config // when not nil, is sent what hangs when that begins and ends
	network  sandbox.Network     // of new desktops, and the most that any may have
	do       func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error)

	mu     sync.Mutex
	live   []*fakeDesktop
	gone   map[string]string // why each is gone
	leases int               // that are held
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		screen:   desktop.Size{Width: 320, Height: 200},
		capacity: 2,
		gone:     make(map[string]string),
		do:       obey,
	}
}

// fakeDesktop is a desktop whose whole screen takes another colour with each
// action that changes something.
type fakeDesktop struct {
	host  *fakeHost
	owner string
	info  sandbox.Info

	mu      sync.Mutex
	mirror  *desktop.Mirror
	done    []desktop.Action // in order
	pointer desktop.Point
	frame   uint64
	colour  byte
	drawn   byte           // the colour of the last frame
	settled byte           // the colour when it had last settled
	spots   []desktop.Rect // drawn on since, each of which is a small part of the screen
	machine fakeMachine
	saved   []fakeCheckpoint
	saves   int // so far
}

func (h *fakeHost) Config(context.Context) (sandbox.Config, error) {
	return sandbox.Config{Image: "fake", Network: h.network}, h.imageErr
}

func (h *fakeHost) Create(ctx context.Context, owner string, cfg sandbox.Config, onStep func(string)) (Desktop, error) {
	h.mu.Lock()
	h.boots++
	n, full := h.boots, len(h.live) >= h.capacity
	h.mu.Unlock()
	if full {
		return nil, fmt.Errorf("%w: %d are running, of %d", sandbox.ErrCapacity, h.capacity, h.capacity)
	}
	for gate := h.gate; gate != nil; {
		select {
		case step := <-h.steps:
			onStep(step)
		case <-gate:
			gate = nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if h.bootErr != nil {
		return nil, h.bootErr
	}
	if err := h.permits(cfg.Network); err != nil {
		return nil, err
	}
	d := &fakeDesktop{
		host:  h,
		owner: owner,
		info: sandbox.Info{
			ID: fmt.Sprintf("desk-%d", n), Size: h.screen, Image: cfg.Image, Backend: "fake",
			Isolation: sandbox.IsolationEmulated, Created: time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC), Network: cfg.Network,
		},
		mirror:  new(desktop.Mirror),
		colour:  1,
		pointer: desktop.Point{X: h.screen.Width / 2, Y: h.screen.Height / 2},
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = append(h.live, d)
	h.leases++
	return &fakeLease{fakeDesktop: d}, nil
}

func (h *fakeHost) Acquire(_ context.Context, owner, id string) (Desktop, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, err := h.find(owner, id)
	if err != nil {
		return nil, err
	}
	h.leases++
	return &fakeLease{fakeDesktop: d}, nil
}

func (h *fakeHost) find(owner, id string) (*fakeDesktop, error) {
	for _, d := range h.live {
		if d.info.ID == id && d.owner == owner {
			return d, nil
		}
	}
	if why, ok := h.gone[id]; ok {
		return nil, fmt.Errorf("%w: this one has ended, %s", sandbox.ErrNoDesktop, why)
	}
	return nil, fmt.Errorf("%w: create one", sandbox.ErrNoDesktop)
}

func (h *fakeHost) List(owner string) (list []sandbox.Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.live {
		if d.owner == owner {
			list = append(list, d.Info())
		}
	}
	return list
}

func (h *fakeHost) Count() (running, suspended int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.live), 0
}

func (h *fakeHost) End(_ context.Context, owner, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.find(owner, id); err != nil {
		return err
	}
	h.remove(id, "it was closed")
	if h.ended != nil {
		h.ended <- id
	}
	return nil
}

// lose ends the desktop that was made last, as an idle clock or a crash would.
func (h *fakeHost) lose(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(h.live[len(h.live)-1].info.ID, why)
}

func (h *fakeHost) remove(id, why string) {
	h.live = slices.DeleteFunc(h.live, func(d *fakeDesktop) bool { return d.info.ID == id })
	h.gone[id] = why
}

// last returns the desktop that was made last.
func (h *fakeHost) last() *fakeDesktop {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.live[len(h.live)-1]
}

func (d *fakeDesktop) SetKey(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.Key = key
}

type fakeLease struct {
	*fakeDesktop
	once sync.Once
}

func (l *fakeLease) Release() {
	l.once.Do(func() {
		l.host.mu.Lock()
		defer l.host.mu.Unlock()
		l.host.leases--
	})
}

func (d *fakeDesktop) Info() sandbox.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info
}

func (d *fakeDesktop) Screen() Screen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mirror
}

func (d *fakeDesktop) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	return d.host.do(ctx, d, a, o)
}

// actions returns what was done, as Go prints it.
func (d *fakeDesktop) actions() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, a := range d.done {
		fmt.Fprintf(&b, "%T%+v\n", a, a)
	}
	return b.String()
}

// obey does an action as a guest does, and shows the screen as asked. The key
// "F13" is not known to it; the key "F1" changes nothing, and "F2" only something
// beside the pointer.
func obey(_ context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	res := new(desktop.Result)
	res.OK = true
	if b, ok := a.(desktop.Batch); ok {
		err := d.obeyAll(b, res)
		d.observe(res, o)
		return res, err
	}
	if err := d.obey(a, res); err != nil {
		return nil, err
	}
	d.observe(res, o)
	return res, nil
}

// obeyAll does the actions of a batch up to the first failure.
func (d *fakeDesktop) obeyAll(b desktop.Batch, res *desktop.Result) error {
	for _, s := range b.Actions {
		if err := d.obey(s.Action, res); err != nil {
			res.OK, res.Error = false, err.(*desktop.Error)
			res.Steps = append(res.Steps, desktop.StepResult{Error: res.Error})
			return err
		}
		res.Steps = append(res.Steps, desktop.StepResult{OK: true, X: res.X, Y: res.Y})
	}
	return nil
}

func (d *fakeDesktop) obey(a desktop.Action, res *desktop.Result) error {
	d.colour++
	switch a := a.(type) {
	case desktop.Move:
		d.pointer = a.To
		d.colour--
	case desktop.Click:
		if a.At != nil {
			d.pointer = *a.At
		}
	case desktop.Scroll:
		if a.At != nil {
			d.pointer = *a.At
		}
	case desktop.Drag:
		d.pointer = a.Path[len(a.Path)-1]
	case desktop.Key:
		if a.Keys == "F13" {
			d.colour--
			return desktop.Errorf(desktop.CodeInvalid, `there is no key "F13": send the name of one, such as "Return"`)
		}
		if a.Keys == "F1" {
			d.colour--
		}
		if a.Keys == "F2" {
			d.colour--
			d.spots = append(d.spots, desktop.Rect{X0: d.pointer.X, Y0: d.pointer.Y, X1: d.pointer.X + 10, Y1: d.pointer.Y + 10})
		}
	case desktop.Screenshot, desktop.CursorPosition, desktop.Wait:
		d.colour--
	case desktop.ResizeScreen:
		d.resize(a.Size)
	default:
		known, err := d.machine.obey(a, res)
		if err != nil {
			return err
		}
		if known {
			d.colour--
		}
	}
	d.done = append(d.done, a)
	x, y := d.pointer.X, d.pointer.Y
	res.X, res.Y = &x, &y
	return nil
}

// observe shows the screen as asked.
func (d *fakeDesktop) observe(res *desktop.Result, o desktop.Observe) {
	if o.Mode == desktop.ObserveSettled {
		res.Settle = &desktop.Settled{Reason: desktop.SettleQuiet, ElapsedMS: 120, QuietMS: 100, LimitMS: 3000, Changed: d.settled != d.colour || d.spots != nil, Rects: d.spots}
	}
	if o.Mode == desktop.ObserveSettled || o.Mode == desktop.ObserveNow {
		res.Frame = d.look()
	}
}

// look brings the mirror up to date as a client of a guest does.
func (d *fakeDesktop) look() *desktop.Frame {
	size := d.info.Size
	f := &desktop.Frame{Number: d.frame + 1, Base: d.frame, Size: size}
	var pix []byte
	if d.colour != d.drawn {
		pix = bytes.Repeat([]byte{d.colour, 0x80, 0xff, 0}, size.Width*size.Height)
		f.Rects = []desktop.Patch{{Rect: desktop.Rect{X1: size.Width, Y1: size.Height}, Encoding: desktop.Raw, Len: len(pix)}}
	}
	for _, r := range d.spots {
		n := r.Width() * r.Height() * 4
		pix = append(pix, make([]byte, n)...)
		f.Rects = append(f.Rects, desktop.Patch{Rect: r, Encoding: desktop.Raw, Len: n})
	}
	d.spots = nil
	if err := d.mirror.Apply(f, pix); err != nil {
		panic(err)
	}
	d.frame, d.drawn, d.settled = f.Number, d.colour, d.colour
	return f
}

// resize shows a screen of another size, as a guest does after xrandr. The
// caller holds mu.
func (d *fakeDesktop) resize(size desktop.Size) {
	d.info.Size, d.frame = size, d.frame+1
	if err := d.mirror.Apply(&desktop.Frame{Number: d.frame, Size: size}, nil); err != nil {
		panic(err)
	}
	d.drawn = 0
}

// fail answers every action with err.
func fail(err error, notices ...string) func(context.Context, *fakeDesktop, desktop.Action, desktop.Observe) (*desktop.Result, error) {
	return func(context.Context, *fakeDesktop, desktop.Action, desktop.Observe) (*desktop.Result, error) {
		if notices == nil {
			return nil, err
		}
		return &desktop.Result{Response: desktop.Response{Notices: notices}}, err
	}
}

// hang does nothing until it is cancelled.
func hang(ctx context.Context, _ *fakeDesktop, _ desktop.Action, _ desktop.Observe) (*desktop.Result, error) {
	<-ctx.Done()
	return nil, desktop.Errorf(desktop.CodeCancelled, "stopped on request")
}

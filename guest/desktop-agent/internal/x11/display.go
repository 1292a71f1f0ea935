package x11

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/vmette/vmette-mcp/desktop"
)

// Options configure [Open]. The zero value works.
type Options struct {
	Logger     *slog.Logger // nil discards
	Xauthority string       // file with the display's cookie; empty means $XAUTHORITY, or no cookie
	Still      func() []int // processes that stand still for now, and so draw nothing; nil means that there are none
}

// Display is a connection to one X server. Close it.
type Display struct {
	log   *slog.Logger
	conn  *xgb.Conn
	wire  *wire
	root  xproto.Window
	own   xproto.Window // never mapped; barriers are sent to it
	atoms atoms

	damage      damage.Damage
	damageEvent byte // number of DamageNotify
	cursorEvent byte // number of XFixesCursorNotify
	xtest       byte // opcode of XTEST
	repair      chan struct{}
	resources   bool // whether the server tells the processes of its clients

	done   chan struct{}  // closed when the connection has ended
	ended  sync.WaitGroup // the goroutines of this Display
	closed bool           // by Close; guarded by mu

	mu       sync.Mutex
	size     desktop.Size
	damaged  *tiles
	activity activity
	cursor   uint32 // serial of the shape that is shown, 0 when not known
	barriers map[uint32]waiter
	pongs    map[uint32]waiter
	tickets  uint32 // for the keys of barriers and pongs
	stale    bool   // the keymap has changed since it was read

	input   input
	manager manager
	camera
	settling settling
}

// Open connects to a local display such as ":0". It fails when the server
// lacks XTEST, DAMAGE or XFIXES, or its pixels are not 32 bits of blue, green,
// red and padding.
func Open(ctx context.Context, display string, opts Options) (*Display, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	xgbLog.Store(opts.Logger)
	conn, w, err := dial(ctx, display, opts.Xauthority)
	if err != nil {
		return nil, err
	}
	d := &Display{
		log:      opts.Logger,
		conn:     conn,
		wire:     w,
		repair:   make(chan struct{}, 1),
		done:     make(chan struct{}),
		barriers: make(map[uint32]waiter),
		pongs:    make(map[uint32]waiter),
		stale:    true,
		input:    newInput(),
		settling: newSettling(display, opts.Still),
	}
	if socket, ok := w.Conn.(rawConn); ok {
		d.settling.machine.server = serverOf(socket)
	}
	stop := context.AfterFunc(ctx, func() { w.end(context.Cause(ctx)) })
	err = d.setUp()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	d.ended.Go(d.drain) // only now does it know what the events mean
	d.ended.Go(d.repairDamage)
	if err != nil {
		w.end(err)
		<-d.done
		_ = d.Close()
		return nil, fmt.Errorf("open display %q: %w", display, err)
	}
	return d, nil
}

func (d *Display) setUp() error {
	setup := xproto.Setup(d.conn)
	screen := setup.DefaultScreen(d.conn)
	if err := checkPixels(setup, screen); err != nil {
		return err
	}
	d.root = screen.Root

	event, err := d.extension("DAMAGE")
	if err != nil {
		return err
	}
	d.damageEvent = event + damage.Notify
	if event, err = d.extension("XFIXES"); err != nil {
		return err
	}
	d.cursorEvent = event + xfixes.CursorNotify
	if _, err = d.extension("XTEST"); err != nil {
		return err
	}
	d.conn.ExtLock.RLock()
	d.xtest = d.conn.Extensions["XTEST"]
	d.conn.ExtLock.RUnlock()
	if _, err := d.extension("X-Resource"); err == nil {
		v, err := await(d, res.QueryVersion(d.conn, 1, 2))
		d.resources = err == nil && (v.ServerMajor > 1 || v.ServerMinor >= 2)
	}
	// A server refuses requests of an extension whose version was not asked.
	if _, err := await(d, xfixes.QueryVersion(d.conn, 4, 0)); err != nil {
		return fmt.Errorf("ask for XFIXES: %w", err)
	}
	if _, err := await(d, damage.QueryVersion(d.conn, 1, 1)); err != nil {
		return fmt.Errorf("ask for DAMAGE: %w", err)
	}
	if d.atoms, err = d.internAtoms(); err != nil {
		return err
	}

	// A client that holds a server grab, such as a window manager that moves a
	// window, must not keep input out.
	xtest.GrabControl(d.conn, true)
	if d.own, err = xproto.NewWindowId(d.conn); err != nil {
		return err
	}
	xproto.CreateWindow(d.conn, 0, d.own, d.root, -1, -1, 1, 1, 0, xproto.WindowClassInputOnly, 0,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
	// Structure: the screen's size. Substructure: where clients send pongs.
	xproto.ChangeWindowAttributes(d.conn, d.root, xproto.CwEventMask,
		[]uint32{xproto.EventMaskStructureNotify | xproto.EventMaskSubstructureNotify})
	xfixes.SelectCursorInput(d.conn, d.root, xfixes.CursorNotifyMaskDisplayCursor)
	if d.damage, err = damage.NewDamageId(d.conn); err != nil {
		return err
	}
	if err := damage.CreateChecked(d.conn, d.damage, xproto.Drawable(d.root), damage.ReportLevelDeltaRectangles).Check(); err != nil {
		return fmt.Errorf("watch the screen: %w", err)
	}
	geometry, err := await(d, xproto.GetGeometry(d.conn, xproto.Drawable(d.root)))
	if err != nil {
		return fmt.Errorf("ask for the screen's size: %w", err)
	}
	d.resized(desktop.Size{Width: int(geometry.Width), Height: int(geometry.Height)})
	d.camera.open(d)
	return nil
}

// checkPixels says why the root window cannot be read as 4 bytes a pixel.
func checkPixels(setup *xproto.SetupInfo, screen *xproto.ScreenInfo) error {
	if setup.ImageByteOrder != xproto.ImageOrderLSBFirst {
		return errors.New("the server's pixels are big-endian: use a little-endian server")
	}
	bits := byte(0)
	for _, f := range setup.PixmapFormats {
		if f.Depth == screen.RootDepth {
			bits = f.BitsPerPixel
		}
	}
	if bits != 32 {
		return fmt.Errorf("the screen has depth %d with %d bits per pixel: start the server with depth 24", screen.RootDepth, bits)
	}
	for _, depth := range screen.AllowedDepths {
		for _, v := range depth.Visuals {
			if v.VisualId != screen.RootVisual {
				continue
			}
			if v.RedMask != 0xff0000 || v.GreenMask != 0xff00 || v.BlueMask != 0xff {
				return errors.New("the screen's pixels are not in the order blue, green, red: start the server with depth 24")
			}
			return nil
		}
	}
	return errors.New("the server does not describe its root visual")
}

// extension makes the requests of an extension known to xgb and returns the
// number of its first event.
func (d *Display) extension(name string) (byte, error) {
	r, err := await(d, xproto.QueryExtension(d.conn, uint16(len(name)), name))
	if err != nil {
		return 0, fmt.Errorf("ask for %s: %w", name, err)
	}
	if !r.Present {
		return 0, fmt.Errorf("the server has no %s extension: start one that has, such as Xvnc or Xvfb", name)
	}
	d.conn.ExtLock.Lock()
	d.conn.Extensions[name] = r.MajorOpcode
	d.conn.ExtLock.Unlock()
	return r.FirstEvent, nil
}

// await waits for the reply to a request. A server that does not answer within
// its patience loses the connection, which ends all that waits for it.
func await[T any](d *Display, request interface{ Reply() (T, error) }) (T, error) {
	watch := time.AfterFunc(patience, func() { d.wire.end(errSilent) })
	defer watch.Stop()
	return request.Reply()
}

var errSilent = fmt.Errorf("the X server has not answered for %v", patience)

// Size returns the size of the screen.
func (d *Display) Size() desktop.Size {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.size
}

// Done is closed when the connection has ended, for whatever reason.
func (d *Display) Done() <-chan struct{} { return d.done }

// Err returns why the connection has ended. It is nil before that and after
// [Display.Close].
func (d *Display) Err() error {
	select {
	case <-d.done:
	default:
		return nil
	}
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed {
		return nil
	}
	return fmt.Errorf("connection to the X server ended: %w", d.wire.reason())
}

// Close releases what is held, gives the keymap back, and ends the connection.
// Methods that are under way return with an error. It always returns nil.
func (d *Display) Close() error {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	d.mu.Unlock()
	if first {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		d.farewell(ctx)
		d.wire.end(errClosed)
	}
	d.ended.Wait()
	if first {
		d.camera.close()
	}
	return nil
}

var errClosed = errors.New("display closed")

// farewell leaves the server as it was found, as far as time allows.
func (d *Display) farewell(ctx context.Context) {
	select {
	case <-d.done:
		return
	default:
	}
	if d.input.lock(ctx, d.done) != nil {
		return
	}
	defer d.input.unlock()
	d.releaseTo(0)
	d.restoreKeymap()
	_ = d.barrier(ctx)
}

// failure turns err into what a method of Display returns, when the input so
// far may have had an effect.
func (d *Display) failure(ctx context.Context, err error) error {
	var known *desktop.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return desktop.Errorf(desktop.CodeCancelled, "stopped half-way on request; keys and buttons were released")
	}
	select {
	case <-d.done:
		return desktop.Errorf(desktop.CodeUnknown, "the X server went away during the action, so what it did is not known: take a screenshot and look")
	default:
		return desktop.Errorf(desktop.CodeInternal, "%v", err)
	}
}

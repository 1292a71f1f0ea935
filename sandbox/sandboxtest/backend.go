package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Config returns a config that is valid and boots on a [Backend].
func Config() sandbox.Config {
	return sandbox.Config{
		Image:     "fake",
		Kernel:    "kernel",
		Initramfs: "initramfs",
		Root:      sandbox.RootfsBlock{Path: "root", Format: "squashfs"},
		Screen:    desktop.Size{Width: 640, Height: 480},
	}
}

// Backend is a [sandbox.Backend] whose guests are functions in this process.
// The zero value runs [Desktop] in each. It is safe for concurrent use as long
// as nobody writes its fields.
type Backend struct {
	// Guest is the program of each guest. The guest powers itself off when it
	// returns nil, and breaks when it returns an error; either way its
	// connections are closed. It must return when ctx is done. nil means
	// Desktop.
	Guest func(ctx context.Context, g *Guest) error

	// StartErr and SaveErr, when not nil, are what Start and the Save of a machine
	// fail with.
	StartErr, SaveErr error

	running          atomic.Int32
	stubs, stubLoads atomic.Int32
}

// Guest is what a guest's program has of its machine.
type Guest struct {
	Boot desktop.Boot // what it was told at boot, or last
	Note string       // what it was told to remember, by an exec of "note TEXT"

	// Hangs says that its browser shows nothing.
	Hangs bool

	// Card is the network card that the machine has, nil for none.
	Card *desktop.Network

	// Link is the guest's end of the card's cable: one Ethernet frame is
	// written, and read, at a time. It is nil without a card.
	Link net.Conn

	m       *machine
	browses bool // a browser was started
}

// Saved returns how often the guest was saved. Each time its connections end.
func (g *Guest) Saved() int {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	return g.m.saved
}

// Dial opens a connection to the host.
func (g *Guest) Dial(ctx context.Context) (net.Conn, error) {
	host, guest := net.Pipe()
	select {
	case g.m.incoming <- host:
		g.m.mu.Lock()
		g.m.conns = append(g.m.conns, guest)
		g.m.mu.Unlock()
		return guest, nil
	case <-ctx.Done():
	case <-g.m.ctx.Done():
	}
	host.Close()
	guest.Close()
	return nil, net.ErrClosed
}

// Write writes to the console.
func (g *Guest) Write(p []byte) (int, error) {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	return g.m.console.Write(p)
}

// Name returns "fake".
func (b *Backend) Name() string { return "fake" }

// Running returns how many machines run.
func (b *Backend) Running() int { return int(b.running.Load()) }

// Start starts a guest.
func (b *Backend) Start(_ context.Context, _ sandbox.Config, boot desktop.Boot, _ string, onStep func(string)) (sandbox.Machine, error) {
	if b.StartErr != nil {
		return nil, b.StartErr
	}
	if onStep != nil {
		onStep("start fake guest")
	}
	return b.run(&Guest{Boot: boot}, boot.Network), nil
}

func (b *Backend) run(g *Guest, card *desktop.Network) *machine {
	m := &machine{backend: b, incoming: make(chan net.Conn), dialled: make(chan dialled), done: make(chan struct{}), guest: g}
	if card != nil {
		g.Card = card
		m.frames, g.Link = net.Pipe()
	}
	g.m = m
	m.ctx, m.cancel = context.WithCancel(context.Background())
	program := b.Guest
	if program == nil {
		program = Desktop
	}
	b.running.Add(1)
	go func() {
		defer close(m.done)
		defer b.running.Add(-1)
		err := program(m.ctx, m.guest)
		if card != nil {
			g.Link.Close()
			m.frames.Close()
		}
		if m.ctx.Err() == nil {
			m.err = err
		}
		m.cancel()
	}()
	return m
}

// machine is one running guest.
type machine struct {
	backend  *Backend
	ctx      context.Context
	cancel   context.CancelFunc
	incoming chan net.Conn
	dialled  chan dialled
	done     chan struct{}
	err      error // after done
	guest    *Guest
	frames   net.Conn // nil without a network card

	mu      sync.Mutex
	console bytes.Buffer
	conns   []net.Conn // the guest's ends
	saved   int
}

func (m *machine) Isolation() sandbox.Isolation { return sandbox.IsolationEmulated }

// Frames implements [sandbox.Networked].
func (m *machine) Frames() net.Conn { return m.frames }

func (m *machine) Accept(ctx context.Context) (net.Conn, error) {
	select {
	case c := <-m.incoming:
		return c, nil
	case <-m.ctx.Done():
		return nil, errors.New("the machine has ended")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (m *machine) Stop() error {
	m.cancel()
	<-m.done
	return nil
}

func (m *machine) Done() <-chan struct{} { return m.done }

func (m *machine) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

func (m *machine) Console() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.console.Bytes())
}

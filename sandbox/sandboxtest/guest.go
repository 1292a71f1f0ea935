package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Desktop is a guest's program that behaves well: it dials, says hello and
// answers every action as done. Its screen is grey and never changes; the
// pointer goes where actions put it; an exec writes its command to stdout, but
// "note TEXT" remembers the text, which "note" writes. When it was saved it dials
// again, and takes itself for what the host says.
func Desktop(ctx context.Context, g *Guest) error {
	for {
		saved := g.Saved()
		conn, err := g.Dial(ctx)
		if err != nil {
			return err
		}
		err = serve(ctx, conn, Hello(g.Boot), g)
		if g.Saved() == saved {
			return err
		}
	}
}

// run returns what a command prints.
func (g *Guest) run(command string) string {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if text, ok := strings.CutPrefix(command, "note "); ok {
		g.Note = text
	}
	if command == "note" {
		return g.Note
	}
	return command
}

// browse starts a browser, which shows a blank page.
func (g *Guest) browse() {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.browses = true
}

// windows are those of the desktop.
func (g *Guest) windows() []desktop.Window {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if !g.browses || g.Hangs {
		return nil
	}
	return []desktop.Window{{ID: 1, Title: "New tab - Browser", Region: desktop.Rect{X1: 1, Y1: 1}}}
}

// take makes the guest what the host says that it is now.
func (g *Guest) take(boot desktop.Boot) {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.Boot = boot
}

// Hello returns the right hello for a guest that was told boot.
func Hello(boot desktop.Boot) desktop.Hello {
	return desktop.Hello{Agent: "fake", Token: boot.Token, Screen: boot.Screen}
}

// Serve is what [Desktop] does on one connection, which it closes. It returns
// when the host has closed it or ctx is done.
func Serve(ctx context.Context, conn net.Conn, hello desktop.Hello) error {
	return serve(ctx, conn, hello, &Guest{m: new(machine)})
}

func serve(ctx context.Context, conn net.Conn, hello desktop.Hello, self *Guest) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g, err := desktop.NewGuest(ctx, conn, hello)
	if err != nil {
		return err
	}
	if boot := g.Resume(); boot != nil {
		self.take(*boot)
	}
	s := &server{guest: g, self: self, size: hello.Screen, waiting: make(map[uint32]context.CancelFunc)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer s.wg.Wait()
	defer s.cancel()
	for {
		id, req, err := g.ReadRequest()
		var invalid *desktop.Error
		switch {
		case errors.As(err, &invalid):
			err = g.WriteResponse(id, desktop.Response{Error: invalid}, nil)
		case err == nil:
			err = s.answer(id, req)
		}
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// server is the state of one connection.
type server struct {
	guest   *desktop.Guest
	self    *Guest
	size    desktop.Size
	pointer desktop.Point

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	frames  uint64
	waiting map[uint32]context.CancelFunc // of the waits under way
}

func (s *server) answer(id uint32, req desktop.Request) error {
	if req.Cancel != 0 {
		s.mu.Lock()
		if stop := s.waiting[req.Cancel]; stop != nil {
			stop()
		}
		s.mu.Unlock()
		return s.guest.WriteResponse(id, desktop.Response{OK: true}, nil)
	}
	resp := desktop.Response{OK: true}
	var output []byte
	switch a := req.Action.(type) {
	case desktop.Wait:
		s.wait(id, time.Duration(a.DurationMS)*time.Millisecond, req.Observe)
		return nil
	case desktop.Move:
		s.pointer = a.To
	case desktop.Click:
		if a.At != nil {
			s.pointer = *a.At
		}
	case desktop.OpenURL:
		s.self.browse()
	case desktop.ListWindows:
		resp.Windows = s.self.windows()
	case desktop.Exec:
		output = []byte(s.self.run(a.Command))
		resp.Exec = &desktop.Output{StdoutLen: len(output), StdoutTotal: int64(len(output))}
	}
	resp.X, resp.Y = &s.pointer.X, &s.pointer.Y
	return s.respond(id, req.Observe, resp, output)
}

// wait answers the request with this id after d, unless it is cancelled first.
func (s *server) wait(id uint32, d time.Duration, o desktop.Observe) {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.waiting[id] = cancel
	s.mu.Unlock()
	s.wg.Go(func() {
		defer cancel()
		timer := time.NewTimer(d)
		defer timer.Stop()
		resp := desktop.Response{OK: true}
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return // nobody is there to be answered
		case <-ctx.Done():
			resp = desktop.Response{Error: desktop.Errorf(desktop.CodeCancelled, "stopped waiting")}
			o = desktop.Observe{}
		}
		s.mu.Lock()
		delete(s.waiting, id)
		s.mu.Unlock()
		s.respond(id, o, resp, nil) // if that fails, so does reading
	})
}

// respond answers with a picture as o asks for and with output.
func (s *server) respond(id uint32, o desktop.Observe, resp desktop.Response, output []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var payload []byte
	if o.Mode == desktop.ObserveNow || o.Mode == desktop.ObserveSettled {
		resp.Frame, payload = s.frame()
	}
	if o.Mode == desktop.ObserveSettled {
		resp.Settle = &desktop.Settled{Reason: desktop.SettleQuiet, QuietMS: 180, LimitMS: 3000}
	}
	return s.guest.WriteResponse(id, resp, append(payload, output...))
}

// frame returns the next frame: the whole screen at first, then no change. The
// caller holds mu.
func (s *server) frame() (*desktop.Frame, []byte) {
	s.frames++
	f := &desktop.Frame{Number: s.frames, Base: s.frames - 1, Size: s.size}
	if s.frames > 1 {
		return f, nil
	}
	const gray = 0x80
	pix := bytes.Repeat([]byte{gray}, s.size.Width*s.size.Height*4)
	whole := desktop.Rect{X1: s.size.Width, Y1: s.size.Height}
	enc, payload := desktop.AppendPatch(nil, pix, s.size.Width*4, whole)
	f.Rects = []desktop.Patch{{Rect: whole, Encoding: enc, Len: len(payload)}}
	return f, payload
}

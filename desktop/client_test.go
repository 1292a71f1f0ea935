package desktop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "token-of-this-boot"

var testHello = Hello{Agent: "test", Token: testToken, Screen: Size{4, 3}}

// pair connects a Client with a Guest; both are closed when the test ends.
func pair(t *testing.T) (*Client, *Guest) {
	t.Helper()
	host, guest := net.Pipe()
	return pairOn(t, host, guest)
}

func pairOn(t *testing.T, host, guest net.Conn) (*Client, *Guest) {
	t.Helper()
	g := make(chan *Guest, 1)
	go func() {
		gu, err := NewGuest(t.Context(), guest, testHello)
		if err != nil {
			t.Errorf("NewGuest: %v", err)
		}
		g <- gu
	}()
	c, err := NewClient(t.Context(), host, ClientConfig{Token: testToken})
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	gu := <-g
	t.Cleanup(func() {
		gu.Close()
		c.Close()
	})
	return c, gu
}

// result is what Do returned, to be handed over a channel.
type result struct {
	res *Result
	err error
}

func do(ctx context.Context, c *Client, a Action) <-chan result {
	ch := make(chan result, 1)
	go func() {
		res, err := c.Do(ctx, a, Observe{})
		ch <- result{res, err}
	}()
	return ch
}

func readRequest(t *testing.T, g *Guest) (uint32, Request) {
	t.Helper()
	id, req, err := g.ReadRequest()
	if err != nil {
		t.Fatalf("ReadRequest: %v", err)
	}
	return id, req
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error is %v, want one with code %q", err, code)
	}
}

func TestClientHello(t *testing.T) {
	c, _ := pair(t)
	want := Hello{Protocol: Version, Agent: "test", Connection: ConnControl, Screen: Size{4, 3}}
	if diff := cmp.Diff(want, c.Hello()); diff != "" {
		t.Errorf("Hello: (-want +got)\n%s", diff)
	}
	if got := c.Mirror().Size(); got != (Size{4, 3}) {
		t.Errorf("mirror has size %v before the first frame", got)
	}
}

func TestClientAnswersOutOfOrder(t *testing.T) {
	c, g := pair(t)
	first := do(t.Context(), c, Wait{DurationMS: 1})
	id1, req1 := readRequest(t, g)
	second := do(t.Context(), c, Wait{DurationMS: 2})
	id2, req2 := readRequest(t, g)
	if diff := cmp.Diff([]Action{Wait{1}, Wait{2}}, []Action{req1.Action, req2.Action}); diff != "" {
		t.Fatalf("requests: (-want +got)\n%s", diff)
	}
	x, y := 2, 0
	if err := g.WriteResponse(id2, Response{OK: true, X: &x, Y: &y}, nil); err != nil {
		t.Fatal(err)
	}
	if r := <-second; r.err != nil || *r.res.X != 2 {
		t.Errorf("second action: %+v", r)
	}
	if err := g.WriteResponse(id1, Response{Error: Errorf(CodeInvalid, "no")}, nil); err != nil {
		t.Fatal(err)
	}
	r := <-first
	wantCode(t, r.err, CodeInvalid)
}

func TestClientExecOutput(t *testing.T) {
	c, g := pair(t)
	done := do(t.Context(), c, Exec{Command: "true"})
	id, _ := readRequest(t, g)
	resp := Response{
		OK:    true,
		Frame: &Frame{Number: 1, Size: Size{1, 1}, Rects: []Patch{{Rect{0, 0, 1, 1}, Raw, 4}}},
		Exec:  &Output{ExitCode: 3, StdoutLen: 2, StderrLen: 3, StdoutTotal: 2, StderrTotal: 9},
	}
	if err := g.WriteResponse(id, resp, []byte("BGRXoutERR"[:4]+"ouERR")); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got := string(r.res.Stdout) + "|" + string(r.res.Stderr); got != "ou|ERR" {
		t.Errorf("stdout|stderr = %q", got)
	}
	p, ok := c.Mirror().Picture(false)
	if !ok || string(p.Pix) != "BGRX" {
		t.Errorf("picture is %q, %v", p.Pix, ok)
	}
}

// The bytes of a file travel beside the header, both ways, whatever they are.
func TestClientFile(t *testing.T) {
	c, g := pair(t)
	data := bytes.Repeat([]byte("\x00\xff{\"payload_len\":7}"), 100_000)
	done := do(t.Context(), c, WriteFile{Path: "a", Data: data})
	id, req := readRequest(t, g)
	if got := req.Action.(WriteFile).Data; !bytes.Equal(got, data) {
		t.Fatalf("the guest was sent %d bytes, want %d", len(got), len(data))
	}
	file := &File{Name: "/a", Type: FileRegular, Size: int64(len(data)), Owner: "user"}
	go g.WriteResponse(id, Response{OK: true, File: file}, nil)
	if r := <-done; r.err != nil || r.res.File.Size != int64(len(data)) {
		t.Fatalf("write answered %+v, %v", r.res, r.err)
	}

	done = do(t.Context(), c, ReadFile{Path: "a"})
	id, _ = readRequest(t, g)
	go g.WriteResponse(id, Response{OK: true, File: file, DataLen: len(data)}, data)
	if r := <-done; r.err != nil || !bytes.Equal(r.res.Data, data) {
		t.Fatalf("read answered %d bytes, %v", len(r.res.Data), r.err)
	}
}

func TestNotches(t *testing.T) {
	for _, tt := range []struct {
		scroll         Scroll
		wantDX, wantDY int
	}{
		{Scroll{DX: -2, DY: 3}, -2, 3},
		{Scroll{DX: 1, DY: -1, Pixels: true}, 1, -1},
		{Scroll{DX: 179, DY: -180, Pixels: true}, 1, -2},
		{Scroll{DY: 120_000, Pixels: true}, 0, MaxNotches},
	} {
		if dx, dy := tt.scroll.Notches(); dx != tt.wantDX || dy != tt.wantDY {
			t.Errorf("%+v turns the wheel by %d, %d notches, want %d, %d", tt.scroll, dx, dy, tt.wantDX, tt.wantDY)
		}
	}
}

func TestClientInvalidActionSendsNothing(t *testing.T) {
	c, g := pair(t)
	_, err := c.Do(t.Context(), Click{Button: 4, Count: 1}, Observe{})
	wantCode(t, err, CodeInvalid)
	_, err = c.Do(t.Context(), nil, Observe{})
	wantCode(t, err, CodeInvalid)
	_, err = c.Do(t.Context(), Type{Text: strings.Repeat("\x01", MaxText)}, Observe{})
	wantCode(t, err, CodeInvalid)

	done := do(t.Context(), c, Wait{})
	if id, req := readRequest(t, g); id != 1 || req.Action != (Wait{}) {
		t.Errorf("first request is %d %v", id, req)
	}
	g.Close()
	<-done
}

func TestClientCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c, g := pair(t)
	done := do(ctx, c, Wait{DurationMS: 1000})
	id, _ := readRequest(t, g)
	why := errors.New("the model changed its mind")
	cancel(why)
	cancelID, req := readRequest(t, g)
	if req.Cancel != id {
		t.Fatalf("request is %+v, want a cancel of %d", req, id)
	}
	if err := g.WriteResponse(id, Response{Error: Errorf(CodeCancelled, "stopped")}, nil); err != nil {
		t.Fatal(err)
	}
	if err := g.WriteResponse(cancelID, Response{OK: true}, nil); err != nil {
		t.Fatal(err)
	}
	r := <-done
	wantCode(t, r.err, CodeCancelled)
	if !errors.Is(r.err, why) {
		t.Errorf("error %v does not match the cause of the context", r.err)
	}
}

// An action that was done before the cancel reached the guest was done.
func TestClientCancelTooLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, g := pair(t)
	done := do(ctx, c, Wait{})
	id, _ := readRequest(t, g)
	cancel()
	cancelID, _ := readRequest(t, g)
	if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := g.WriteResponse(cancelID, Response{Error: Errorf(CodeInvalid, "no such request")}, nil); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.err != nil || !r.res.OK {
		t.Errorf("Do = %+v, want success", r)
	}
}

func TestClientCancelUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := do(ctx, c, Wait{})
		id, _ := readRequest(t, g)
		cancel()
		start := time.Now()
		cancelID, _ := readRequest(t, g)
		r := <-done
		wantCode(t, r.err, CodeUnknown)
		if !errors.Is(r.err, context.Canceled) {
			t.Errorf("error %v does not match context.Canceled", r.err)
		}
		if took := time.Since(start); took != cancelGrace {
			t.Errorf("Do returned after %v, want %v", took, cancelGrace)
		}
		// The late answers do no harm, and free the slot.
		for _, id := range []uint32{id, cancelID} {
			if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(c.slots); n != 0 || len(c.calls) != 0 {
			t.Errorf("%d slots and %d calls are held", n, len(c.calls))
		}
		if c.Err() != nil {
			t.Errorf("connection ended: %v", c.Err())
		}
	})
}

func TestClientCancelBeforeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		blocked := do(t.Context(), c, Wait{DurationMS: 1}) // its write blocks: the guest does not read
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		dropped := do(ctx, c, Wait{DurationMS: 2})
		synctest.Wait()
		cancel()
		r := <-dropped
		wantCode(t, r.err, CodeCancelled)

		last := do(t.Context(), c, Wait{DurationMS: 3})
		id1, req1 := readRequest(t, g)
		id3, req3 := readRequest(t, g)
		if diff := cmp.Diff([]Action{Wait{1}, Wait{3}}, []Action{req1.Action, req3.Action}); diff != "" {
			t.Errorf("requests: (-want +got)\n%s", diff)
		}
		for _, id := range []uint32{id1, id3} {
			if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		<-blocked
		<-last
		synctest.Wait()
		if n := len(c.slots); n != 0 {
			t.Errorf("%d slots are held", n)
		}
	})
}

// Nothing is sent for a context that has ended before.
func TestClientContextEndedBefore(t *testing.T) {
	c, g := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		_, err := c.Do(ctx, Key{Keys: "a"}, Observe{})
		wantCode(t, err, CodeCancelled)
	}
	done := do(t.Context(), c, Wait{})
	if id, req := readRequest(t, g); id != 1 || req.Action != (Wait{}) {
		t.Errorf("first request is %d %+v", id, req)
	}
	g.Close()
	<-done
}

func TestClientInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		var all []<-chan result
		var ids []uint32
		for range MaxInFlight {
			all = append(all, do(t.Context(), c, Wait{}))
			id, _ := readRequest(t, g)
			ids = append(ids, id)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Do(ctx, Wait{}, Observe{})
		wantCode(t, err, CodeCancelled)
		for _, id := range ids {
			if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, ch := range all {
			if r := <-ch; r.err != nil {
				t.Error(r.err)
			}
		}
	})
}

func TestClientConnectionLost(t *testing.T) {
	c, g := pair(t)
	done := do(t.Context(), c, Key{Keys: "a"})
	readRequest(t, g)
	g.Close()
	r := <-done
	wantCode(t, r.err, CodeUnknown)
	<-c.Done()
	_, err := c.Do(t.Context(), Key{Keys: "a"}, Observe{})
	wantCode(t, err, CodeUnavailable)
	if c.Err() == nil {
		t.Error("Err is nil after Done")
	}
}

func TestClientClose(t *testing.T) {
	c, g := pair(t)
	done := do(t.Context(), c, Key{Keys: "a"})
	readRequest(t, g)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
	r := <-done
	wantCode(t, r.err, CodeUnknown)
	if !errors.Is(c.Err(), net.ErrClosed) {
		t.Errorf("Err = %v, want net.ErrClosed", c.Err())
	}
	if _, _, err := g.ReadRequest(); err != io.EOF {
		t.Errorf("guest reads %v, want EOF", err)
	}
}

func TestClientConcurrent(t *testing.T) {
	c, g := pair(t)
	go func() {
		for {
			id, req, err := g.ReadRequest()
			if err != nil {
				return
			}
			x, y := req.Action.(Wait).DurationMS, 0
			go g.WriteResponse(id, Response{OK: true, X: &x, Y: &y}, nil)
		}
	}()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			res, err := c.Do(t.Context(), Wait{DurationMS: i}, Observe{})
			if err != nil || *res.X != i {
				t.Errorf("action %d: %+v, %v", i, res, err)
			}
		})
	}
	wg.Wait()
}

// Answers with output, written at once by many goroutines of the guest, neither
// mix on the wire nor share memory afterwards.
func TestClientConcurrentOutput(t *testing.T) {
	const size = joinLimit + 1 // so that a frame is two writes
	host, guest := net.Pipe()
	c, g := pairOn(t, host, yielding{guest})
	go func() {
		for {
			id, req, err := g.ReadRequest()
			if err != nil {
				return
			}
			out := bytes.Repeat([]byte(req.Action.(Exec).Command), size)
			resp := Response{OK: true, Exec: &Output{StdoutLen: size, StdoutTotal: size}}
			go g.WriteResponse(id, resp, out)
		}
	}()
	commands := "abcdefghijklmnopqrstuvwxyz"
	results := make([]*Result, len(commands))
	var wg sync.WaitGroup
	for i := range commands {
		wg.Go(func() {
			var err error
			if results[i], err = c.Do(t.Context(), Exec{Command: commands[i : i+1]}, Observe{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, res := range results {
		if res != nil && string(res.Stdout) != strings.Repeat(commands[i:i+1], size) {
			t.Errorf("command %c answered %.10q...", commands[i], res.Stdout)
		}
	}
}

// yielding is a connection that lets others run after each write.
type yielding struct{ net.Conn }

func (y yielding) Write(b []byte) (int, error) {
	n, err := y.Conn.Write(b)
	runtime.Gosched()
	return n, err
}

// A whole screen crosses a real socket, on which a frame is one writev.
func TestClientOverSocket(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/control")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	size := Size{640, 480}
	pix := screenOf(size, func(x, y int) uint32 { return uint32(x*2654435761) ^ uint32(y*40503) })
	served := make(chan error, 1)
	go func() {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			served <- err
			return
		}
		g, err := NewGuest(t.Context(), conn, testHello)
		if err != nil {
			served <- err
			return
		}
		defer g.Close()
		for number := uint64(1); ; number++ {
			id, _, err := g.ReadRequest()
			if err != nil {
				served <- err
				return
			}
			enc, payload := AppendPatch(nil, pix, size.Width*4, Rect{0, 0, size.Width, size.Height})
			frame := &Frame{Number: number, Size: size, Rects: []Patch{{Rect{0, 0, size.Width, size.Height}, enc, len(payload)}}}
			if err := g.WriteResponse(id, Response{OK: true, Frame: frame}, payload); err != nil {
				served <- err
				return
			}
		}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(t.Context(), conn, ClientConfig{Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	for number := uint64(1); number <= 5; number++ {
		res, err := c.Do(t.Context(), Screenshot{}, Observe{Mode: ObserveNow})
		if err != nil || res.Frame.Number != number {
			t.Fatalf("screenshot %d: %+v, %v", number, res, err)
		}
		p, ok := c.Mirror().Picture(false)
		if !ok || !bytes.Equal(p.Pix, pix) {
			t.Fatalf("frame %d came with other pixels", number)
		}
	}
	c.Close()
	if err := <-served; err != io.EOF {
		t.Errorf("guest ended with %v, want EOF", err)
	}
}

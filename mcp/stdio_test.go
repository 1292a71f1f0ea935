package mcp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

func toolCall(id int, name, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`+"\n", id, name, args)
}

func send(t testing.TB, w io.Writer, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if _, err := io.WriteString(w, m); err != nil {
			t.Error(err)
			return
		}
	}
}

// answers reads n answers and returns them by id.
func answers(t testing.TB, out *bufio.Scanner, n int) map[string]json.RawMessage {
	t.Helper()
	got := make(map[string]json.RawMessage)
	for range n {
		if !out.Scan() {
			t.Fatalf("after %d answers there are no more: %v", len(got), out.Err())
		}
		got[idOf(out.Bytes())] = slices.Clone(out.Bytes())
	}
	return got
}

func scan(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxMessage)
	return s
}

// Parallel first calls share one boot, and are done in the order in which they
// arrived.
func TestCallsRunInOrderOfArrival(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	const n = rpc.MaxInFlight
	go func() {
		for i := range n {
			send(t, in, toolCall(i, "type", fmt.Sprintf(`{"text":"%d"}`, i)))
		}
	}()
	answers(t, scan(out), n)
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "desktop.Type{Text:%d}\n", i)
	}
	if got := host.last().actions(); got != want.String() {
		t.Errorf("done in the order\n%s", got)
	}
	if host.boots != 1 {
		t.Errorf("%d desktops were booted", host.boots)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// When the client goes away, nothing stays: calls under way are cancelled,
// boots given up, desktops ended.
func TestEndOfInputEndsEverything(t *testing.T) {
	ends := func(t *testing.T, host *fakeHost, end func() error) {
		t.Helper()
		begun := time.Now()
		if err := end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if len(host.live) != 0 || host.leases != 0 {
			t.Errorf("%d desktops and %d leases are left", len(host.live), host.leases)
		}
	}
	t.Run("while actions hang", func(t *testing.T) {
		host := newFakeHost()
		entered := make(chan struct{})
		host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
			entered <- struct{}{}
			return hang(ctx, d, a, o)
		}
		in, _, end := serve(t, host)
		send(t, in, toolCall(1, "exec", `{"command":"sleep 1000"}`), toolCall(2, "wait", `{"duration":300}`))
		<-entered
		<-entered
		ends(t, host, end)
	})
	t.Run("while a desktop boots", func(t *testing.T) {
		host := newFakeHost()
		host.gate, host.steps = make(chan struct{}), make(chan string)
		in, _, end := serve(t, host)
		send(t, in, toolCall(1, "desktop_create", `{}`), toolCall(2, "screenshot", `{}`))
		host.steps <- "start qemu"
		ends(t, host, end)
	})
	t.Run("while nothing happens", func(t *testing.T) {
		host := newFakeHost()
		in, out, end := serve(t, host)
		send(t, in, toolCall(1, "desktop_create", `{}`), toolCall(2, "desktop_create", `{}`))
		answers(t, scan(out), 2)
		ends(t, host, end)
	})
}

// A desktop whose actions ignore that they are cancelled, and that cannot be
// ended, does not keep the server.
func TestStuckDesktopDoesNotKeepTheServer(t *testing.T) {
	host := newFakeHost()
	entered, leave := make(chan struct{}), make(chan struct{})
	host.do = func(context.Context, *fakeDesktop, desktop.Action, desktop.Observe) (*desktop.Result, error) {
		close(entered)
		<-leave
		return nil, errors.New("too late")
	}
	in, _, end := serve(t, host)
	send(t, in, toolCall(1, "wait", `{"duration":1}`))
	<-entered
	if err := end(); err == nil || !strings.Contains(err.Error(), "answer calls in flight") {
		t.Errorf("serve returned %v", err)
	}
	close(leave)
}

func TestClientThatDoesNotReadDoesNotKeepTheServer(t *testing.T) {
	host := newFakeHost()
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	out, stdout := io.Pipe()
	defer out.Close()
	begun := time.Now()
	err = s.ServeStdio(t.Context(), strings.NewReader(toolCall(1, "desktop_list", `{}`)), stdout)
	if err == nil || !strings.Contains(err.Error(), "does not read") {
		t.Errorf("serve returned %v", err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestClientThatStoppedReadingEndsTheServer(t *testing.T) {
	host := newFakeHost()
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	out.Close()
	go func() { _, _ = io.WriteString(in, toolCall(1, "desktop_list", `{}`)) }()
	if err := s.ServeStdio(t.Context(), stdin, stdout); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("serve returned %v", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	host := newFakeHost()
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	stdin, in := io.Pipe()
	defer in.Close()
	why := errors.New("told to end")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := s.ServeStdio(ctx, stdin, io.Discard); !errors.Is(err, why) {
		t.Errorf("serve returned %v", err)
	}
}

// A request that its client cancels stops at once, also when it waits for its
// turn, and does not hold up those behind it.
func TestCancel(t *testing.T) {
	host := newFakeHost()
	started, stopped := make(chan struct{}), make(chan struct{})
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		if _, ok := a.(desktop.Wait); !ok {
			return obey(ctx, d, a, o)
		}
		close(started)
		defer close(stopped)
		return hang(ctx, d, a, o)
	}
	in, out, end := serve(t, host)
	send(t, in, toolCall(1, "wait", `{"duration":300}`))
	<-started
	send(t, in,
		toolCall(2, "type", `{"text":"never"}`),
		toolCall(3, "type", `{"text":"next"}`),
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`+"\n",
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`+"\n",
	)
	<-stopped
	got := answers(t, scan(out), 1)
	if _, ok := got["3"]; !ok {
		t.Errorf("answered was %s", got)
	}
	if done := host.last().actions(); done != "desktop.Type{Text:next}\n" {
		t.Errorf("done was\n%s", done)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// A client that gave up desktop_create and calls it again gets the desktop that
// it started, not a second one.
func TestCreateAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost()
		host.gate, host.steps = make(chan struct{}), make(chan string)
		in, out, end := serve(t, host)
		lines := scan(out)
		send(t, in, toolCall(1, "desktop_create", `{}`))
		host.steps <- "start qemu"
		send(t, in, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`+"\n")
		synctest.Wait()
		close(host.gate)
		for i, want := range []string{"desk-1", "desk-2"} {
			send(t, in, toolCall(i+2, "desktop_create", `{}`))
			for id, got := range answers(t, lines, 1) {
				if !strings.Contains(string(got), want) {
					t.Errorf("%s was answered with %s", id, got)
				}
			}
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// A client that floods is refused what is too much, and can still cancel.
func TestFlood(t *testing.T) {
	host := newFakeHost()
	host.do = hang
	in, out, end := serve(t, host)
	const n = 200
	go func() {
		for i := range n {
			send(t, in, toolCall(i, "exec", `{"command":"x"}`))
		}
	}()
	for id, answer := range answers(t, scan(out), n-rpc.MaxInFlight) {
		if !strings.Contains(string(answer), `"code":-32000`) {
			t.Errorf("%s was answered with %s", id, answer)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestLongMessages(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	go send(t, in, strings.Repeat("a", 3*maxMessage)+"\n")
	if got := answers(t, lines, 1)["null"]; !strings.Contains(string(got), "longer than 4194304 bytes") {
		t.Errorf("answered was %s", got)
	}
	// The longest command that a model may try is refused for what it is.
	go send(t, in, toolCall(1, "exec", `{"command":"`+strings.Repeat("a", 1<<20)+`"}`))
	if got := answers(t, lines, 1)["1"]; !strings.Contains(string(got), "command is 1048576 bytes") {
		t.Errorf("answered was %s", got)
	}
	if host.boots != 0 {
		t.Error("a desktop was booted for it")
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	host := newFakeHost()
	host.do = func(context.Context, *fakeDesktop, desktop.Action, desktop.Observe) (*desktop.Result, error) {
		panic("boom")
	}
	in, out, end := serve(t, host)
	lines := scan(out)
	send(t, in, toolCall(1, "screenshot", `{}`))
	if got := answers(t, lines, 1)["1"]; !strings.Contains(string(got), `"code":-32603`) || strings.Contains(string(got), "boom") {
		t.Errorf("answered was %s", got)
	}
	host.do = obey
	send(t, in, toolCall(2, "screenshot", `{}`))
	if got := answers(t, lines, 1)["2"]; !strings.Contains(string(got), "whole screen") {
		t.Errorf("answered was %s", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"desktop_list"}}`)
	f.Add(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}`)
	f.Add(`{"id":1,"id":null,"method":5}`)
	host := newFakeHost()
	host.imageErr = &NotReadyError{Phase: "fuzz"}
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message string) {
		var out strings.Builder
		if err := s.ServeStdio(t.Context(), strings.NewReader(message), &out); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%q was answered with %q", message, line)
			}
		}
	})
}

func ExampleServer_ServeStdio() {
	host := newFakeHost() // in a real server: Sandboxes(manager), and images of the rootfs package
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"left_click","arguments":{"x":1,"y":2}}}`)
	if err := s.ServeStdio(context.Background(), in, os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"left_click was not done: it takes no \"x\", \"y\": send only coordinate, text, frame, observe, desktop_id. Example: left_click {\"coordinate\": [640, 400]}"}],"isError":true}}
}

// A call that is refused at once ends what was asked for together with it.
func TestCallsThatComeTogetherAreOneTurn(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	send(t, in, toolCall(1, "screenshot", `{}`))
	answers(t, lines, 1)
	const rounds = 50
	for i := range rounds {
		go send(t, in, toolCall(2, "left_click", `{"coordinate":[1]}`)+toolCall(3, "type", `{"text":"x"}`))
		if got := answers(t, lines, 2)["3"]; !strings.Contains(string(got), notExecuted) {
			t.Errorf("round %d: %s", i, got)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

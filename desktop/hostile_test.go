package desktop

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hostile connects a Client to a guest that says hello and then does what it
// likes with the raw connection.
func hostile(t *testing.T) (*Client, net.Conn, *bufio.Reader) {
	t.Helper()
	host, guest := net.Pipe()
	errc := make(chan error, 1)
	r := bufio.NewReader(guest)
	go func() {
		_, err := greet(guest, Hello{Protocol: Version, Agent: "evil", Token: testToken, Connection: ConnControl, Screen: Size{4, 3}})
		errc <- err
	}()
	c, err := NewClient(t.Context(), host, ClientConfig{Token: testToken})
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	if err := <-errc; err != nil {
		t.Fatalf("greet: %v", err)
	}
	t.Cleanup(func() {
		guest.Close()
		c.Close()
	})
	return c, guest, r
}

// raw is a frame as a hostile guest sends it: the header says what it likes.
func raw(id uint32, header string, payload ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	return append(append(b, header...), payload...)
}

// A guest that breaks the protocol loses its connection; the action that was
// under way ends as unknown, and the reason is told in bounded words.
func TestHostileResponses(t *testing.T) {
	whole := `{"ok":true,"frame":{"number":1,"base":0,"size":[1,1],"rects":[{"rect":[0,0,1,1],"enc":"raw","len":4}]},"payload_len":4}`
	tests := []struct {
		name string
		send []byte
		want string
	}{
		{"unknown id", raw(7, `{"ok":true}`), "request 7, which is not under way"},
		{"id 0", raw(0, `{"ok":true}`), "request 0, which is not under way"},
		{"answered twice", append(raw(1, `{"ok":true}`), raw(1, `{"ok":true}`)...), "request 1, which is not under way"},
		{"huge header", []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, "header of 4294967295 bytes"},
		{"header over the limit", binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0}, MaxHeader+1), "over the limit"},
		{"huge payload", raw(1, `{"ok":true,"payload_len":67108865}`), "payload of 67108865 bytes"},
		{"absurd payload", raw(1, `{"ok":true,"payload_len":1e300}`), "payload_len"},
		{"negative payload", raw(1, `{"ok":true,"payload_len":-1}`), "negative"},
		{"payload without parts", raw(1, `{"ok":true,"payload_len":2}`, 1, 2), "the parts have 0 bytes"},
		{"hidden payload_len", raw(1, `{"ok":true,"payload\u005flen":2}`), "payload_len is 2"},
		{"no JSON", raw(1, `hello`), "decode response"},
		{"empty header", raw(1, ``), "decode response"},
		{"null", raw(1, `null`), "null"},
		{"unknown field", raw(1, `{"ok":true,"`+strings.Repeat("x", 100_000)+`":1}`), "unknown field"},
		{"neither ok nor error", raw(1, `{"ok":false}`), "exactly when"},
		{"both ok and error", raw(1, `{"ok":true,"error":{"code":"invalid","message":"x"}}`), "exactly when"},
		{"unknown code", raw(1, `{"ok":false,"error":{"code":"root","message":"x"}}`), `"root"`},
		{"base from the future", append(raw(1, strings.Replace(whole, `"base":0`, `"base":9`, 1)), 1, 2, 3, 4), "base 9"},
		{"unknown base", append(raw(1, strings.NewReplacer(`"base":0`, `"base":1`, `"number":1`, `"number":2`).Replace(whole)), 1, 2, 3, 4), "changes frame 1, but the last one is 0"},
		{"rectangle off the screen", append(raw(1, strings.Replace(whole, `[0,0,1,1]`, `[0,0,2,1]`, 1)), 1, 2, 3, 4), "is not on a screen"},
		{"screen too large", append(raw(1, strings.Replace(whole, `[1,1]`, `[8192,8192]`, 1)), 1, 2, 3, 4), "8192x8192"},
		{"wrong length of pixels", append(raw(1, strings.Replace(whole, `"len":4`, `"len":3`, 1)), 1, 2, 3, 4), "instead of 4"},
		{"broken pixels", raw(1, strings.NewReplacer(`"raw"`, `"rle"`, `"len":4`, `"len":8`, `"payload_len":4`, `"payload_len":8`).Replace(whole), 0, 0, 0, 1, 1, 2, 3, 4), "decode runs"},
		{"output of no command", raw(1, `{"ok":true,"exec":{"exit_code":0,"stdout_len":0,"stderr_len":0,"stdout_total":0,"stderr_total":0}}`), "carries exec"},
		{"data of no file", raw(1, `{"ok":true,"data_len":1,"payload_len":1}`, 1), "carries data"},
		{"data that is not there", raw(1, `{"ok":true,"data_len":67108864}`), "payload_len is 0, but the parts have 67108864"},
		{"negative data", raw(1, `{"ok":true,"data_len":-1}`), "data_len -1"},
		{"a file of no name", raw(1, `{"ok":true,"file":{"name":"","type":"file","size":0,"mode":0,"owner":"","modified":0}}`), "file name"},
		{"an entry that leads elsewhere", raw(1, `{"ok":true,"listing":{"files":[{"name":"../x","type":"file","size":0,"mode":0,"owner":"","modified":0}],"total":1}}`), "is a path"},
		{"more entries than there are", raw(1, `{"ok":true,"listing":{"files":[{"name":"x","type":"file","size":0,"mode":0,"owner":"","modified":0}],"total":0}}`), "1 files of 0"},
		{"a window far away", raw(1, `{"ok":true,"windows":[{"id":1,"title":"","class":"","region":[0,0,65537,1]}]}`), "window lies at"},
		{"too many windows", raw(1, `{"ok":true,"windows":[`+strings.Repeat(`{"id":1,"title":"","class":"","region":[0,0,1,1]},`, MaxWindows)+`{"id":1,"title":"","class":"","region":[0,0,1,1]}]}`), "windows are more than"},
		{"a job that runs and does not", raw(1, `{"ok":true,"exec":{"exit_code":0,"running":true,"stdout_len":0,"stderr_len":0,"stdout_total":0,"stderr_total":0}}`), "contradicts itself"},
		{"a change nowhere", raw(1, `{"ok":true,"settle":{"reason":"quiet","elapsed_ms":1,"quiet_ms":180,"limit_ms":3000,"changed":true,"rects":[[0,0,0,1]]}}`), "settle tells the rectangle"},
		{"steps of no batch", raw(1, `{"ok":true,"steps":[{"ok":true}]}`), "carries steps"},
		{"a step of neither kind", raw(1, `{"ok":true,"steps":[{"ok":false}]}`), "exactly when"},
		{"half a frame", raw(1, `{"ok":true}`)[:12], "in the middle of a message"},
		{"half a prefix", []byte{1, 0, 0}, "in the middle of a message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, guest, r := hostile(t)
			done := do(t.Context(), c, Wait{})
			if _, err := ReadFrame(r); err != nil {
				t.Fatal(err)
			}
			go func() {
				guest.Write(tt.send)
				if strings.HasPrefix(tt.name, "half") {
					guest.Close()
				}
			}()
			<-c.Done()
			err := c.Err()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("connection ended with %v, want %q", err, tt.want)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("reason has %d bytes", len(err.Error()))
			}
			var pe *ProtocolError
			if isProtocol := errors.As(err, &pe); isProtocol != !strings.HasPrefix(tt.name, "half") {
				t.Errorf("error %v is a ProtocolError: %v", err, isProtocol)
			}
			if res := <-done; tt.name != "answered twice" {
				wantCode(t, res.err, CodeUnknown)
			} else if res.err != nil {
				t.Error(res.err)
			}
		})
	}
}

func TestHostileAnswersThatLackWhatWasAsked(t *testing.T) {
	for _, tt := range []struct {
		action Action
		want   string
	}{
		{CursorPosition{}, "lacks x, y"},
		{ReadFile{Path: "a"}, "lacks file"},
		{ListFiles{Path: "."}, "lacks listing"},
		{Exec{Command: "true"}, "lacks exec"},
		{Batch{[]Step{{Wait{}}}}, "not all of its steps are"},
	} {
		c, guest, r := hostile(t)
		done := do(t.Context(), c, tt.action)
		if _, err := ReadFrame(r); err != nil {
			t.Fatal(err)
		}
		go guest.Write(raw(1, `{"ok":true}`))
		<-c.Done()
		if err := c.Err(); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: connection ended with %v, want %q", tt.action.Name(), err, tt.want)
		}
		<-done
	}
}

// A promise of 64 MiB costs nothing until the bytes arrive.
func TestHostilePromise(t *testing.T) {
	c, guest, r := hostile(t)
	done := do(t.Context(), c, Wait{})
	if _, err := ReadFrame(r); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := guest.Write(raw(1, `{"ok":true,"payload_len":67108864}`, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := guest.Write([]byte{4}); err != nil { // returns when the client has taken it
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 1<<20 {
		t.Errorf("a promise of 64 MiB made the client allocate %d bytes", grown)
	}
	guest.Close()
	<-done
}

// A guest that sends a byte a second holds up neither Picture nor the contexts
// of callers, and is cut off in the end.
func TestHostileByteASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, guest, r := hostile(t)
		go io.Copy(io.Discard, r)
		var sender sync.WaitGroup
		defer sender.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		slow := raw(1, `{"ok":true,"notices":["`+strings.Repeat("x", 1000)+`"]}`)
		sender.Go(func() {
			for _, b := range slow {
				if _, err := guest.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		start := time.Now()
		_, err := c.Do(ctx, Wait{}, Observe{})
		wantCode(t, err, CodeUnknown)
		if took := time.Since(start); took != time.Second+cancelGrace {
			t.Errorf("Do returned after %v", took)
		}
		c.Mirror().Picture(true)
		<-c.Done()
		if took := time.Since(start); took > frameTimeout+time.Second {
			t.Errorf("the guest was cut off after %v", took)
		}
		if !strings.Contains(c.Err().Error(), "took longer than") {
			t.Errorf("connection ended with %v", c.Err())
		}
	})
}

// A guest that reads nothing does not block callers, and is cut off.
func TestHostileReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := hostile(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := do(t.Context(), c, Wait{})
		synctest.Wait()
		_, err := c.Do(ctx, Wait{}, Observe{})
		wantCode(t, err, CodeCancelled) // it never left the queue
		r := <-first
		wantCode(t, r.err, CodeUnknown)
		if !strings.Contains(c.Err().Error(), "send to guest") {
			t.Errorf("connection ended with %v", c.Err())
		}
	})
}

// A guest that guesses the id of an action which it was not yet sent.
func TestHostileGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, guest, _ := hostile(t)
		first := do(t.Context(), c, Wait{}) // its write blocks: the guest does not read
		synctest.Wait()
		second := do(t.Context(), c, Wait{})
		synctest.Wait()
		if _, err := guest.Write(raw(2, `{"ok":true}`)); err != nil {
			t.Fatal(err)
		}
		r := <-second
		wantCode(t, r.err, CodeUnavailable)
		<-first
		if !strings.Contains(c.Err().Error(), "request 2, which is not under way") {
			t.Errorf("connection ended with %v", c.Err())
		}
	})
}

// A guest may be silent for as long as nothing is asked of it.
func TestGuestMayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		for range 2 {
			time.Sleep(10 * frameTimeout)
			done := do(t.Context(), c, Wait{})
			id, _ := readRequest(t, g)
			if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
				t.Fatal(err)
			}
			if r := <-done; r.err != nil {
				t.Fatal(r.err)
			}
		}
	})
}

// A guest that floods with responses is cut off at the first that nobody asked
// for.
func TestHostileFlood(t *testing.T) {
	c, guest, _ := hostile(t)
	flood := raw(99, `{"ok":true}`)
	writes := 0
	for ; writes < 1000; writes++ {
		if _, err := guest.Write(flood); err != nil {
			break
		}
	}
	<-c.Done()
	if writes == 1000 {
		t.Error("1000 unasked responses were taken")
	}
}

// Text of the guest comes out bounded and without what controls a terminal.
func TestHostileText(t *testing.T) {
	c, guest, r := hostile(t)
	done := do(t.Context(), c, Wait{})
	if _, err := ReadFrame(r); err != nil {
		t.Fatal(err)
	}
	notices := strings.Repeat(`"a\u001b[31mb\u202ec\nd",`, 100)
	header := `{"ok":false,"error":{"code":"internal","message":"` + strings.Repeat("é", 100_000) + `"},"notices":[` + strings.TrimSuffix(notices, ",") + `]}`
	go guest.Write(raw(1, header))
	res := <-done
	var e *Error
	if !errors.As(res.err, &e) || len(e.Message) > maxMessage || !strings.HasSuffix(e.Message, "é…") {
		t.Errorf("message has %d bytes and ends with %q", len(e.Message), e.Message[len(e.Message)-8:])
	}
	if len(res.res.Notices) != maxNotices || res.res.Notices[0] != "abc d" {
		t.Errorf("%d notices, the first is %q", len(res.res.Notices), res.res.Notices[0])
	}
}

func TestHelloRefused(t *testing.T) {
	good := `{"protocol":1,"agent":"a","token":"` + testToken + `","connection":"control","screen":[4,3]}`
	tests := []struct {
		name  string
		hello []byte
		want  string
	}{
		{"other version", raw(0, strings.Replace(good, `"protocol":1`, `"protocol":2,"new":true`, 1)), "version 1 and the guest agent version 2"},
		{"no version", raw(0, `{}`), "no protocol version"},
		{"wrong token", raw(0, strings.Replace(good, testToken, "other", 1)), "wrong boot token"},
		{"empty token", raw(0, strings.Replace(good, testToken, "", 1)), "token of 0 bytes"},
		{"unknown connection", raw(0, strings.Replace(good, "control", "shell", 1)), `"shell"`},
		{"impossible screen", raw(0, strings.Replace(good, "[4,3]", "[0,3]", 1)), "0x3"},
		{"unknown field", raw(0, strings.Replace(good, `"agent"`, `"Agent"`, 1)), `"Agent"`},
		{"long agent", raw(0, strings.Replace(good, `"a"`, `"`+strings.Repeat("a", 300)+`"`, 1)), "300 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host, guest := net.Pipe()
			welcome := make(chan string, 1)
			go func() {
				guest.Write(tt.hello)
				m, err := ReadFrame(guest)
				if err != nil {
					welcome <- err.Error()
				} else {
					welcome <- string(m.Header)
				}
				if _, err := guest.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the refusal the guest reads %v, want EOF", err)
				}
				guest.Close()
			}()
			c, err := NewClient(t.Context(), host, ClientConfig{Token: testToken})
			if err == nil {
				c.Close()
				t.Fatal("NewClient succeeded")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("NewClient: %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), testToken) {
				t.Errorf("NewClient tells the token: %v", err)
			}
			var w Welcome
			if err := Unmarshal([]byte(<-welcome), &w); err != nil || !strings.Contains(w.Error, strings.ReplaceAll(tt.want, `\`, "")) {
				t.Errorf("guest was told %q (%v), want %q", w.Error, err, tt.want)
			}
		})
	}
}

func TestHelloNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, guest := net.Pipe()
		defer guest.Close()
		start := time.Now()
		_, err := NewClient(t.Context(), host, ClientConfig{Token: testToken})
		if err == nil || time.Since(start) != helloTimeout {
			t.Errorf("NewClient: %v after %v", err, time.Since(start))
		}

		host, guest2 := net.Pipe()
		defer guest2.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := NewClient(ctx, host, ClientConfig{Token: testToken}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("NewClient: %v, want the context's error", err)
		}
	})
}

// A client without a token would take any guest.
func TestHelloNeedsToken(t *testing.T) {
	host, guest := net.Pipe()
	go NewGuest(t.Context(), guest, testHello)
	if _, err := NewClient(t.Context(), host, ClientConfig{}); err == nil {
		t.Error("NewClient accepted a guest without a token to check")
	}
	guest.Close()
}

func TestGuestRefused(t *testing.T) {
	tests := []struct{ name, welcome, want string }{
		{"with a reason", `{"protocol":1,"error":"no\u001b room"}`, "no room"},
		{"other version", `{"protocol":7,"error":"whatever","more":1}`, "version 7 and the guest agent version 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host, guest := net.Pipe()
			defer host.Close()
			go func() {
				ReadFrame(host)
				host.Write(raw(0, tt.welcome))
			}()
			_, err := NewGuest(t.Context(), guest, testHello)
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason, tt.want) {
				t.Errorf("NewGuest: %v, want a refusal with %q", err, tt.want)
			}
		})
	}
}

// A request that the guest cannot understand is answered, not fatal.
func TestGuestInvalidRequest(t *testing.T) {
	host, guest := net.Pipe()
	defer host.Close()
	go func() {
		ReadFrame(host)
		host.Write(raw(0, `{"protocol":1}`))
		host.Write(raw(5, `{"action":"fly"}`))
		host.Write(raw(6, `{"action":"screenshot"}`))
		host.Write(raw(0, `{"action":"screenshot"}`))
	}()
	g, err := NewGuest(t.Context(), guest, testHello)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	id, _, err := g.ReadRequest()
	wantCode(t, err, CodeInvalid)
	if id != 5 {
		t.Errorf("invalid request has id %d", id)
	}
	if id, req := readRequest(t, g); id != 6 || req.Action != (Screenshot{}) {
		t.Errorf("request %d: %+v", id, req)
	}
	var pe *ProtocolError
	if _, _, err := g.ReadRequest(); !errors.As(err, &pe) {
		t.Errorf("request with id 0: %v", err)
	}
}

func TestGuestRefusesToSendNonsense(t *testing.T) {
	c, g := pair(t)
	done := do(t.Context(), c, Wait{})
	id, _ := readRequest(t, g)
	if err := g.WriteResponse(id, Response{}, nil); err == nil {
		t.Error("a response without ok and error was sent")
	}
	if err := g.WriteResponse(id, Response{OK: true}, []byte{1}); err == nil {
		t.Error("a payload that belongs to nothing was sent")
	}
	if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
		t.Error(err)
	}
	if r := <-done; r.err != nil {
		t.Error(r.err)
	}
}

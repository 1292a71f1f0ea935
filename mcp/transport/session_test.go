package transport

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// direct asks a transport without a connection, so that a test can turn its
// clock.
func direct(ctx context.Context, tr *Transport, method, body string, headers ...string) *httptest.ResponseRecorder {
	return directTo(ctx, tr, method, "/mcp", body, headers...)
}

func directTo(ctx context.Context, tr *Transport, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("X-Client", "alice")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	tr.mux().ServeHTTP(w, r)
	return w
}

func alive(tr *Transport, id string) bool {
	return direct(context.Background(), tr, "POST", request(1, "echo"), headerSession, id).Code == http.StatusOK
}

func TestSessionLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		tr := New(Config{Backend: b, Grace: time.Minute, Life: time.Hour})
		id := direct(t.Context(), tr, "POST", request(0, "initialize")).Header().Get(headerSession)

		time.Sleep(59 * time.Second)
		if !alive(tr, id) { // which begins the minute anew
			t.Fatal("it ended before its time")
		}
		time.Sleep(59 * time.Second)

		// A stream keeps it, and the minute begins when that breaks.
		ctx, hangUp := context.WithCancel(t.Context())
		listened := make(chan struct{})
		go func() {
			defer close(listened)
			direct(ctx, tr, "GET", "", headerSession, id)
		}()
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		hangUp()
		<-listened
		time.Sleep(59 * time.Second)
		if !alive(tr, id) {
			t.Fatal("it ended with its stream")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if alive(tr, id) || tr.Sessions() != 0 {
			t.Error("it has not ended")
		}
		if open, _ := b.count(); open != 0 {
			t.Error("its conversation is open")
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSessionGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := New(Config{Backend: newBackend(), Grace: time.Minute, Life: time.Hour})
		id := direct(t.Context(), tr, "POST", request(0, "initialize")).Header().Get(headerSession)
		listened := make(chan time.Time)
		begun := time.Now()
		go func() {
			direct(t.Context(), tr, "GET", "", headerSession, id)
			listened <- time.Now()
		}()
		if age := (<-listened).Sub(begun); age != time.Hour {
			t.Errorf("it ended after %v", age)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A request goes on when its connection breaks, and is cancelled when nobody
// comes for its answer.
func TestAbandonedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		tr := New(Config{Backend: b})
		id := direct(t.Context(), tr, "POST", request(0, "initialize")).Header().Get(headerSession)
		hold := func(method, body string, headers ...string) {
			ctx, hangUp := context.WithTimeout(t.Context(), 10*time.Second)
			defer hangUp()
			direct(ctx, tr, method, body, append(headers, headerSession, id)...)
		}
		hold("POST", request(1, "hold"))
		time.Sleep(abandoned - time.Second)
		hold("GET", "", headerLastEvent, "1.0") // someone does come
		begun := time.Now()
		if err := <-b.cancelled; !errors.Is(err, errAbandoned) {
			t.Errorf("it was cancelled by %v", err)
		}
		if after := time.Since(begun); after != abandoned {
			t.Errorf("it was cancelled after %v", after)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A call that goes on without its client counts against the limits of the client
// as long as it does.
func TestAbandonedRequestCounts(t *testing.T) {
	for name, limits := range map[string]quota.Limits{
		"requests": {Requests: 1},
		"bytes":    {Held: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				tr := New(Config{Backend: b, Quota: quota.NewBook(limits)})
				id := direct(t.Context(), tr, "POST", request(0, "initialize")).Header().Get(headerSession)
				ctx, hangUp := context.WithTimeout(t.Context(), time.Second)
				defer hangUp()
				direct(ctx, tr, "POST", request(1, "hold"), headerSession, id)
				next := func() int {
					return direct(t.Context(), tr, "POST", request(2, "echo"), headerSession, id).Code
				}
				if code := next(); code != http.StatusTooManyRequests {
					t.Errorf("beside it another is answered %d", code)
				}
				<-b.cancelled
				synctest.Wait()
				if code := next(); code != http.StatusOK {
					t.Errorf("after it another is answered %d", code)
				}
				if err := tr.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What is kept for clients that come back is bounded.
func TestFinishedStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := New(Config{Backend: newBackend()})
		id := direct(t.Context(), tr, "POST", request(0, "initialize")).Header().Get(headerSession)
		s := tr.sessions[id]
		for range 10 * maxFinished {
			alive(tr, id)
		}
		synctest.Wait()
		if n := len(s.streams); n > maxFinished {
			t.Errorf("%d streams are kept", n)
		}
		for range 10 {
			if !s.use() {
				t.Fatal("the session has ended")
			}
			_, r := s.open(s.ctx, func() {})
			for range 2 * maxEvents {
				r.Send(rpc.Outgoing{Data: make([]byte, maxLog/maxEvents)})
			}
			if n := r.kept(); n > maxLog {
				t.Errorf("a stream keeps %d bytes", n)
			}
			r.Close()
		}
		if n := len(s.streams); n != 1 {
			t.Errorf("%d large streams are kept", n)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzEventID(f *testing.F) {
	f.Add("1.0")
	f.Add("l.-1")
	f.Fuzz(func(t *testing.T, id string) {
		stream, n, ok := parseEventID(id)
		if ok && n < -1 {
			t.Errorf("%q is event %d of %q", id, n, stream)
		}
	})
}

package transport

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// The headers of the protocol.
const (
	headerSession   = "Mcp-Session-Id"
	headerVersion   = "Mcp-Protocol-Version"
	headerLastEvent = "Last-Event-Id"
)

// Revisions of the protocol that differ here. They are ordered as strings.
const (
	stateless = "2026-07-28" // has no sessions
	primed    = "2025-11-25" // has streams whose first event is empty
)

// legacy are the revisions with sessions.
var legacy = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// patience is how long an answer is waited for before the response begins
// without it, so that nobody on the way takes it for dead.
const patience = time.Second

// Streamable returns the handler of streamable HTTP, with and without sessions.
func (t *Transport) Streamable() http.Handler {
	return t.handler(map[string]call{
		http.MethodPost:   t.post,
		http.MethodGet:    t.get,
		http.MethodDelete: t.delete,
	})
}

// call handles a request of a client.
type call func(w http.ResponseWriter, r *http.Request, id auth.Identity, c *charge)

// handler returns a handler that knows who makes a request.
func (t *Transport) handler(methods map[string]call) http.Handler {
	var allowed []string
	for m := range methods {
		allowed = append(allowed, m)
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do := methods[r.Method]
		if do == nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			http.Error(w, "this method is not served here", http.StatusMethodNotAllowed)
			return
		}
		id, ok := auth.From(r.Context())
		if !ok {
			http.Error(w, "who makes the request is not known", http.StatusUnauthorized)
			return
		}
		account := t.cfg.Quota.Of(id.Name)
		free, err := account.Request()
		if err != nil {
			refuse(w, err)
			return
		}
		c := newCharge(account, free)
		defer c.release()
		t.cfg.Taken(r.Context(), id.Name)
		do(counted{w, account}, r, id, c)
	})
}

// counted counts what is written against a quota.
type counted struct {
	http.ResponseWriter
	account *quota.Account
}

func (c counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.account.Sent(int64(n))
	return n, err
}

// post takes one message.
func (t *Transport) post(w http.ResponseWriter, r *http.Request, id auth.Identity, c *charge) {
	if !t.enter() {
		refuse(w, errClosing)
		return
	}
	defer t.leave()
	m, ok := t.read(w, r, id, c)
	if !ok {
		return
	}
	version := r.Header.Get(headerVersion)
	meta := metaVersion(m)
	switch {
	case version >= stateless || meta >= stateless:
		t.postStateless(w, r, c, m, version, meta)
	case m.Method != "initialize" && version != "" && !slices.Contains(legacy, version):
		fail(w, http.StatusBadRequest, m.ID, rpc.CodeInvalid, "this revision of the protocol is not known: use one of "+strings.Join(legacy, ", ")+", "+stateless)
	case m.Method == "initialize" && m.IsRequest():
		t.initialize(w, r, id, m)
	default:
		s, ok := t.session(w, r, id, m.ID)
		if !ok {
			return
		}
		defer s.release()
		t.postTo(w, r, s, c, m)
	}
}

// session returns the session that a request names, as in use, or answers why there is none.
func (t *Transport) session(w http.ResponseWriter, r *http.Request, id auth.Identity, request json.RawMessage) (*session, bool) {
	name := r.Header.Get(headerSession)
	if name == "" {
		fail(w, http.StatusBadRequest, request, rpc.CodeInvalid, "there is no "+headerSession+" header: begin with initialize, and send the id that it is answered with")
		return nil, false
	}
	s, ok := t.find(id, name, false)
	if !ok {
		fail(w, http.StatusNotFound, request, rpc.CodeInvalid, "this session has ended: begin a new one with initialize")
	}
	return s, ok
}

// initialize opens a session.
func (t *Transport) initialize(w http.ResponseWriter, r *http.Request, id auth.Identity, m *rpc.Message) {
	s, err := t.open(id, false)
	if err != nil {
		refuse(w, err)
		return
	}
	defer s.release()
	answered := newStream("", false, nil)
	s.peer.Receive(rpc.WithHeader(s.ctx, r.Header), m, answered)
	out, _, ok, _, _ := answered.after(0) // it is handled at once
	if !ok || out.Code != 0 {
		defer t.end(s, errDeleted)
	}
	if !ok {
		refuse(w, errClosing)
		return
	}
	if out.Code == 0 {
		w.Header().Set(headerSession, s.id)
	}
	answer(w, http.StatusOK, out.Data)
}

// postTo hands a message to a session.
func (t *Transport) postTo(w http.ResponseWriter, r *http.Request, s *session, c *charge, m *rpc.Message) {
	ctx := rpc.WithHeader(s.ctx, r.Header)
	if !m.IsRequest() {
		s.peer.Receive(ctx, m, nil)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if !s.use() { // until the stream is closed
		fail(w, http.StatusNotFound, m.ID, rpc.CodeInvalid, "this session has ended: begin a new one with initialize")
		return
	}
	c.use()
	ctx, stream := s.open(ctx, c.release)
	s.attach(stream)
	defer s.detach(stream)
	s.peer.Receive(ctx, m, stream)
	t.respond(w, r, stream.stream, r.Header.Get(headerVersion) >= primed, nil)
}

// respond answers a POST with what its stream holds: as JSON if that is an answer that
// comes soon and nothing else, as events otherwise. status, when not nil, gives
// the status of a JSON answer by its error code.
func (t *Transport) respond(w http.ResponseWriter, r *http.Request, s *stream, prime bool, status func(code int) int) {
	soon := time.NewTimer(patience)
	defer soon.Stop()
	streams := acceptsEvents(r.Header)
	for n := 0; ; {
		m, at, ok, closed, changed := s.after(n)
		switch {
		case ok && m.Answer:
			code := http.StatusOK
			if status != nil {
				code = status(m.Code)
			}
			answer(w, code, m.Data)
			return
		case ok && streams, closed && !ok:
			t.events(w, r, s, 0, prime)
			return
		case ok: // the client wants the answer alone
			n = at + 1
			continue
		}
		select {
		case <-changed:
		case <-soon.C:
			if streams {
				t.events(w, r, s, 0, prime)
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// events answers with the events of a stream from number n on.
func (t *Transport) events(w http.ResponseWriter, r *http.Request, s *stream, n int, prime bool) {
	e := newEventWriter(w, s.keep)
	w.WriteHeader(http.StatusOK)
	begin := e.conn.Flush
	if prime {
		begin = func() error { return e.prime(s.id) }
	}
	if err := begin(); err != nil {
		t.log.Debug("a stream broke off", "err", err)
		return
	}
	t.follow(e, r, s, n)
}

// follow writes events until the stream is closed, the client goes, or the
// transport closes.
func (t *Transport) follow(e *eventWriter, r *http.Request, s *stream, n int) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(t.ctx, func() { cancel(errClosing) })()
	if err := e.follow(ctx, s, n); err != nil {
		t.log.Debug("a stream broke off", "err", err)
	}
}

// get opens a stream of what belongs to no request, or one that the client has
// lost.
func (t *Transport) get(w http.ResponseWriter, r *http.Request, id auth.Identity, _ *charge) {
	if t.noSessions(w, r) {
		return
	}
	if !acceptsEvents(r.Header) {
		http.Error(w, "send Accept: text/event-stream", http.StatusNotAcceptable)
		return
	}
	s, ok := t.session(w, r, id, nil)
	if !ok {
		return
	}
	defer s.release()
	last := r.Header.Get(headerLastEvent)
	if last == "" {
		l := s.listen()
		defer l.forget()
		t.events(w, r, l, 0, false)
		return
	}
	name, n, ok := parseEventID(last)
	stream := s.find(name)
	if !ok || stream == nil {
		http.Error(w, "there is no such event any more", http.StatusNotFound)
		return
	}
	s.attach(stream)
	defer s.detach(stream)
	t.events(w, r, stream.stream, n+1, false)
}

// delete ends a session.
func (t *Transport) delete(w http.ResponseWriter, r *http.Request, id auth.Identity, _ *charge) {
	if t.noSessions(w, r) {
		return
	}
	s, ok := t.session(w, r, id, nil)
	if !ok {
		return
	}
	defer s.release()
	t.end(s, errDeleted)
	w.WriteHeader(http.StatusNoContent)
}

// noSessions answers a GET or DELETE of a client whose revision has no sessions.
func (t *Transport) noSessions(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get(headerVersion) < stateless {
		return false
	}
	w.Header().Set("Allow", http.MethodPost)
	http.Error(w, "revision "+stateless+" of the protocol has no sessions: send POST requests alone", http.StatusMethodNotAllowed)
	return true
}

// acceptsEvents reports whether a client takes server-sent events.
func acceptsEvents(h http.Header) bool {
	accept := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	return accept == "" || strings.Contains(accept, "text/event-stream") ||
		strings.Contains(accept, "*/*") || strings.Contains(accept, "text/*")
}

package transport

import (
	"fmt"
	"net/http"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// SSE returns the handler of the streams of revision 2024-11-05. Each is a
// session, whose client is told to post its messages to the path that
// [Transport.Messages] is served at.
func (t *Transport) SSE(messages string) http.Handler {
	return t.handler(map[string]call{http.MethodGet: func(w http.ResponseWriter, r *http.Request, id auth.Identity, _ *charge) {
		if !t.enter() {
			refuse(w, errClosing)
			return
		}
		s, err := t.open(id, true)
		t.leave()
		if err != nil {
			refuse(w, err)
			return
		}
		defer s.release()
		l := s.listen()
		defer l.forget()
		defer s.lose()
		e := newEventWriter(w, false)
		w.WriteHeader(http.StatusOK)
		if err := e.write(fmt.Appendf(nil, "event: endpoint\ndata: %s?sessionId=%s\n\n", messages, s.id)); err != nil {
			return
		}
		t.follow(e, r, l, 0)
	}})
}

// Messages returns the handler of the messages of revision 2024-11-05, which
// are answered on the stream of their session.
func (t *Transport) Messages() http.Handler {
	return t.handler(map[string]call{http.MethodPost: t.message})
}

func (t *Transport) message(w http.ResponseWriter, r *http.Request, id auth.Identity, c *charge) {
	if !t.enter() {
		refuse(w, errClosing)
		return
	}
	m, ok := t.read(w, r, id, c)
	if !ok {
		t.leave()
		return
	}
	s, ok := t.find(id, r.URL.Query().Get("sessionId"), true)
	if ok && s.ctx.Err() != nil { // nobody would hear the answer
		s.release()
		ok = false
	}
	if !ok {
		t.leave()
		fail(w, http.StatusNotFound, m.ID, rpc.CodeInvalid, "this session has ended: open a new stream")
		return
	}
	c.use()
	over := func() {
		s.release()
		c.release()
		t.leave()
	}
	s.peer.Receive(rpc.WithHeader(s.ctx, r.Header), m, onListener{s, over})
	if !m.IsRequest() {
		over()
	}
	w.WriteHeader(http.StatusAccepted)
}

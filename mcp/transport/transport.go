package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// Backend handles what clients send. It must be safe for concurrent use.
type Backend interface {
	// Converse begins a conversation with a client.
	Converse(id auth.Identity) (Conversation, error)

	// Handle handles a message that belongs to no conversation, of who is in the
	// context.
	Handle(ctx context.Context, m *rpc.Message) *rpc.Answer
}

// Conversation is the other side of a session. It must be safe for concurrent
// use.
type Conversation interface {
	Handle(ctx context.Context, m *rpc.Message) *rpc.Answer

	// Empty reports whether the client would miss nothing if it were closed.
	Empty() bool

	// Close ends it, and returns when all that belongs to it is gone or ctx is
	// done.
	Close(ctx context.Context) error
}

// Config says how a [Transport] works. Backend is needed.
type Config struct {
	Backend Backend
	Quota   *quota.Book   // nil bounds nothing but the sessions of an identity: 64
	Grace   time.Duration // for which a session outlives its last use; 0 means 15 minutes
	Life    time.Duration // after which a session ends in any case; 0 means a day
	Logger  *slog.Logger  // nil discards

	// Taken is told of each request that is taken, with its context, and of which
	// client it is; nil when nobody wants to know.
	Taken func(ctx context.Context, client string)
}

// Transport serves sessions over HTTP. It is safe for concurrent use; Shutdown must end it.
type Transport struct {
	cfg Config
	log *slog.Logger

	wg sync.WaitGroup // conversations that are being closed

	ctx  context.Context // ends when streams are to end
	stop context.CancelFunc

	mu       sync.Mutex
	closing  bool
	requests int           // being handled
	rest     chan struct{} // closed when closing and requests is 0
	sessions map[string]*session
}

// Defaults of a Config, and how long the end of a conversation may take.
const (
	defaultGrace    = 15 * time.Minute
	defaultLife     = 24 * time.Hour
	defaultSessions = 64
	endTimeout      = 10 * time.Second
)

// Why sessions end.
var (
	errIdle     = errors.New("the session was not used for a while")
	errOld      = errors.New("the session has reached its maximum age")
	errDeleted  = errors.New("the client ended the session")
	errReplaced = errors.New("the client opened too many sessions")
	errClosing  = errors.New("the server is closing")
)

// New returns a Transport.
func New(cfg Config) *Transport {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Quota == nil {
		cfg.Quota = quota.NewBook(quota.Limits{Sessions: defaultSessions})
	}
	if cfg.Taken == nil {
		cfg.Taken = func(context.Context, string) {}
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Life == 0 {
		cfg.Life = defaultLife
	}
	t := &Transport{
		cfg:      cfg,
		log:      cfg.Logger,
		rest:     make(chan struct{}),
		sessions: make(map[string]*session),
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Sessions returns how many sessions there are.
func (t *Transport) Sessions() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions)
}

// Closing reports whether new messages are refused.
func (t *Transport) Closing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closing
}

// Shutdown refuses new messages, waits until those in flight have been handled
// or ctx is done, ends every session, and returns when that is done. The streams of
// clients end by it, so that an HTTP server can be shut down after it.
func (t *Transport) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	first := !t.closing
	t.closing = true
	if first && t.requests == 0 {
		close(t.rest)
	}
	t.mu.Unlock()
	var err error
	select {
	case <-t.rest:
	case <-ctx.Done():
		err = fmt.Errorf("finish calls in flight: %w", context.Cause(ctx))
	}
	t.mu.Lock()
	var all []*session
	for _, s := range t.sessions {
		all = append(all, s)
	}
	t.stop()
	t.mu.Unlock()
	for _, s := range all {
		t.end(s, errClosing)
	}
	t.wg.Wait()
	return err
}

// enter counts a request as being handled, until leave is called once. It fails when the transport closes.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.requests++
	return true
}

func (t *Transport) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests--; t.requests == 0 && t.closing {
		close(t.rest)
	}
}

// open begins a session of the client. One that has too many loses one that it does not
// use for the new one.
func (t *Transport) open(id auth.Identity, sse bool) (*session, error) {
	account := t.cfg.Quota.Of(id.Name)
	free, err := account.Session()
	if err != nil && t.replace(id) {
		free, err = account.Session()
	}
	if err != nil {
		return nil, err
	}
	conv, err := t.cfg.Backend.Converse(id)
	if err != nil {
		free()
		return nil, err
	}
	s := &session{
		id:      newID(),
		owner:   id,
		conv:    conv,
		sse:     sse,
		opened:  time.Now(),
		free:    free,
		account: account,
		grace:   t.cfg.Grace,
		streams: make(map[string]*reading),
		uses:    1,
	}
	s.peer = rpc.NewPeer(rpc.Config{Handler: conv.Handle, Ordered: "tools/call", First: "initialize", Logger: t.log})
	s.ctx, s.cancel = context.WithCancelCause(auth.With(context.Background(), id))
	s.idle = func() { t.end(s, errIdle) }
	s.hard = time.AfterFunc(t.cfg.Life, func() { t.end(s, errOld) })
	if !t.add(s) {
		t.close(s)
		return nil, errClosing
	}
	t.log.Debug("session opened", "session", s.id[:6], "client", id.Name)
	return s, nil
}

// add makes a session known, unless the transport has closed.
func (t *Transport) add(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		s.shut(errClosing)
		s.free()
		return false
	}
	t.sessions[s.id] = s
	return true
}

// replace ends the oldest session of a client that nothing depends on.
func (t *Transport) replace(id auth.Identity) bool {
	t.mu.Lock()
	var oldest *session
	for _, s := range t.sessions {
		if s.owner == id && s.spare() && (oldest == nil || s.opened.Before(oldest.opened)) {
			oldest = s
		}
	}
	t.mu.Unlock()
	if oldest == nil {
		return false
	}
	t.end(oldest, errReplaced)
	return true
}

// thin drops what is kept of answers of a client that may want them again, but
// may as well not.
func (t *Transport) thin(id auth.Identity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if s.owner == id {
			s.thin()
		}
	}
}

// find returns a session, of the client that opened it alone and as it opened it,
// as in use.
func (t *Transport) find(id auth.Identity, session string, sse bool) (*session, bool) {
	t.mu.Lock()
	s := t.sessions[session]
	t.mu.Unlock()
	if s == nil || s.owner != id || s.sse != sse || !s.use() {
		return nil, false
	}
	return s, true
}

// end ends a session in the background.
func (t *Transport) end(s *session, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.shut(why) {
		return
	}
	delete(t.sessions, s.id)
	s.free()
	t.log.Debug("session ended", "session", s.id[:6], "client", s.owner.Name, "why", why)
	t.wg.Go(func() { t.close(s) })
}

// close closes the conversation of a session that has ended.
func (t *Transport) close(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := errors.Join(s.conv.Close(ctx), s.peer.Close(ctx)); err != nil {
		t.log.Warn("a conversation did not end as it should", "session", s.id[:6], "err", err)
	}
	s.forget()
}

// read reads the message of a POST, which c is charged with. When that fails the
// request has been answered.
func (t *Transport) read(w http.ResponseWriter, r *http.Request, id auth.Identity, c *charge) (m *rpc.Message, ok bool) {
	size := r.ContentLength
	if size < 0 {
		size = unknownSize
	}
	free, err := c.account.Hold(size)
	if err != nil && c.account.Full() {
		t.thin(id)
		free, err = c.account.Hold(size)
	}
	if err != nil {
		refuse(w, err)
		return nil, false
	}
	c.add(free)
	data, err := readBody(r.Body, r.ContentLength)
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			fail(w, http.StatusRequestEntityTooLarge, nil, rpc.CodeInvalid, fmt.Sprintf("the body is larger than %d bytes: send less at once", tooLarge.Limit))
			return nil, false
		}
		fail(w, http.StatusBadRequest, nil, rpc.CodeParse, "the body did not arrive whole")
		return nil, false
	}
	m, refusals := rpc.Parse(data)
	if refusals != nil {
		answer(w, http.StatusBadRequest, refusals[0])
		return nil, false
	}
	return m, true
}

// unknownSize is what a body counts for whose size is not announced: all that it
// may have.
const unknownSize = 4 << 20

// readBody reads a body, whose size may be announced, into little more memory than it
// takes: many clients may send large ones at once.
func readBody(r io.Reader, announced int64) ([]byte, error) {
	const slack = 512 // in which the end is read
	size := int64(16 << 10)
	if announced >= 0 {
		size = min(announced, unknownSize)
	}
	data := make([]byte, 0, size+slack)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return data, err
		case len(data) == cap(data):
			next := 4 * cap(data)
			if cap(data) < unknownSize {
				next = min(next, unknownSize+slack)
			}
			data = append(make([]byte, 0, next), data...)
		}
	}
}

// answer answers with a JSON-RPC message.
func answer(w http.ResponseWriter, status int, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// fail answers with a JSON-RPC error.
func fail(w http.ResponseWriter, status int, id json.RawMessage, code int, why string) {
	answer(w, status, rpc.Refusal(id, code, why))
}

// refuse answers who has reached a limit, or when the server cannot serve.
func refuse(w http.ResponseWriter, err error) {
	var limit *quota.Error
	if errors.As(err, &limit) {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, limit.Seconds())))
		fail(w, http.StatusTooManyRequests, nil, rpc.CodeBusy, err.Error())
		return
	}
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, nil, rpc.CodeBusy, err.Error())
}

package desktop

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// MaxInFlight is how many actions a [Client] has under way at once. More wait
// in [Client.Do] for their turn.
const MaxInFlight = 64

const (
	cancelGrace  = 5 * time.Second  // for the guest to answer what was cancelled
	writeTimeout = 30 * time.Second // for the guest to take one request
	frameTimeout = 60 * time.Second // from the first byte of a response to its last
	helloTimeout = 30 * time.Second // for the guest to say hello once it has connected
	keepBuffer   = 8 << 20          // payload buffer kept from one response to the next
)

var errNoHello = fmt.Errorf("the guest agent did not say hello within %v", helloTimeout)

// Client is the host's end of a control connection. It is safe for concurrent
// use; actions run in parallel as far as the guest allows.
//
// Two goroutines belong to a Client until it has ended: one writes requests in
// the order in which they were asked for, one reads responses and applies
// their frames to the mirror in the order in which they arrive. Neither ever
// waits for a caller, so a guest that is slow or silent holds up nothing but
// the actions sent to it.
type Client struct {
	conn   net.Conn
	hello  Hello
	mirror Mirror

	slots chan struct{} // holds one token for each action under way
	queue chan *call    // to the writer; has room for all that slots admits
	done  chan struct{} // closed with the connection, after err is set
	err   error
	wg    sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	lastID  uint32
	calls   map[uint32]*call // waiting for a response, by req_id
	notices []string         // of responses that nobody took, for the next one
}

// call is one request: an action, or the cancel of one.
type call struct {
	id      uint32
	header  []byte
	payload []byte // of an action that is a carrier
	action  Action
	spec    Spec // of the action
	limit   time.Duration
	answer  chan answer // has room for one
	cancel  *call       // the action that this cancels, or nil

	// Of an action, set once by due.
	deadline time.Time
	overdue  *time.Timer // ends the connection, unless it is stopped

	// Guarded by Client.mu.
	sent      bool // the writer has begun to write it
	abandoned bool // the writer shall skip it
	left      bool // nobody waits for answer any more
	owed      int  // responses to an action and its cancel that are to come
}

type answer struct {
	result *Result
	err    error
}

// ClientConfig is what a Client needs to know of the guest it talks to.
type ClientConfig struct {
	Token  string  // that the hello must show
	Resume *Resume // for a guest that was started from a saved state; nil for any other
}

// Resume makes a guest that was started from a saved state another one than the
// one that was saved.
type Resume struct {
	Token string // of the guest that was saved, which the hello may show instead
	Boot  Boot   // what the guest is from then on; UnixTime is filled in when it is sent
}

// Result is a response with its payload taken apart.
type Result struct {
	Response
	Stdout, Stderr []byte // of an Exec or of a job
	Data           []byte // of a file, or copied text
}

// NewClient takes over conn, on which the guest has yet to say hello, and
// returns when the hello was checked. When it fails, conn is closed; a guest
// that speaks another version is told so and gives a *[VersionError].
func NewClient(ctx context.Context, conn net.Conn, cfg ClientConfig) (*Client, error) {
	c := &Client{
		conn:  conn,
		slots: make(chan struct{}, MaxInFlight),
		queue: make(chan *call, 2*MaxInFlight),
		done:  make(chan struct{}),
		calls: make(map[uint32]*call),
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, errNoHello)
	defer cancel()
	err := withContext(ctx, conn, func() (err error) {
		c.hello, err = welcome(conn, cfg, ConnControl)
		return err
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet guest: %w", err)
	}
	c.mirror.size = c.hello.Screen
	c.wg.Go(c.read)
	c.wg.Go(c.write)
	return c, nil
}

// Do sends an action and waits for its answer. A failure that the guest
// reports is an *[Error], with the Result beside it, which may hold notices, a
// frame and the pointer all the same.
//
// When ctx ends first, an action that was not yet sent is dropped. Otherwise it
// is cancelled in the guest, and Do returns the guest's answer, which is a
// success if the action was done before the cancel arrived. If there is none
// within a short grace, the error has [CodeUnknown]. The errors of an ended ctx
// also match its cause.
//
// Every action has an end, also without a deadline in ctx: the time that it
// takes by itself (what it asks for, or a generous estimate), that of its
// [Observe] and of the input actions before it, and [AnswerSlack]. After that it
// is cancelled as above. A guest that does not confirm that either, or leaves
// an earlier cancel unanswered for AnswerSlack, is taken for dead: the
// connection ends, and with it all that is under way.
//
// A connection that broke while the action was under way gives [CodeUnknown],
// and one that was broken before gives [CodeUnavailable]. An action is never
// sent again.
func (c *Client) Do(ctx context.Context, a Action, o Observe) (*Result, error) {
	cl, err := newCall(a, o)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ended(ctx, CodeCancelled, "cancelled before it was sent: nothing was done")
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx, CodeCancelled, "cancelled before it was sent: nothing was done")
	case <-c.done:
		return nil, c.unavailable()
	}
	if !c.start(cl) {
		return nil, c.unavailable()
	}
	ctx, stop := cl.withDeadline(ctx)
	defer stop()
	select {
	case a := <-cl.answer:
		return a.result, a.err
	case <-ctx.Done():
		return c.cancel(ctx, cl)
	case <-c.done:
		return c.lost(cl)
	}
}

func newCall(a Action, o Observe) (*call, error) {
	if a == nil {
		return nil, Errorf(CodeInvalid, "action is nil")
	}
	spec, ok := ActionByName(a.Name())
	if !ok {
		return nil, Errorf(CodeInvalid, "action %q does not exist", a.Name())
	}
	req := Request{Action: a, Observe: o}
	header, err := Marshal(req)
	if err != nil {
		return nil, Errorf(CodeInvalid, "%v", err)
	}
	if len(header) > MaxHeader {
		return nil, Errorf(CodeInvalid, "%s is %d bytes on the wire, more than %d: send it in parts", a.Name(), len(header), MaxHeader)
	}
	return &call{header: header, payload: req.payload(), action: a, spec: spec, limit: limit(a, o), answer: make(chan answer, 1), owed: 1}, nil
}

// start registers a request and hands it to the writer. It reports false when
// the connection has ended.
func (c *Client) start(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	for {
		c.lastID++
		if _, used := c.calls[c.lastID]; c.lastID != 0 && !used {
			break
		}
	}
	cl.id = c.lastID
	if cl.cancel == nil {
		c.due(cl)
	}
	c.calls[cl.id] = cl
	c.queue <- cl // never blocks: it has room for an action and a cancel for each slot
	return true
}

// cancel ends an action whose context has ended.
func (c *Client) cancel(ctx context.Context, cl *call) (*Result, error) {
	c.mu.Lock()
	if !cl.sent && !c.ended {
		cl.abandoned = true
		cl.overdue.Stop()
		delete(c.calls, cl.id)
		c.mu.Unlock()
		return nil, ended(ctx, CodeCancelled, "cancelled before it was sent: nothing was done")
	}
	_, open := c.calls[cl.id]
	if open {
		cl.owed++
		cl.overdue.Reset(min(time.Until(cl.deadline)+cancelGrace, AnswerSlack))
	}
	c.mu.Unlock()
	if open {
		header, err := Marshal(Request{Cancel: cl.id})
		if err != nil {
			return nil, err
		}
		c.start(&call{header: header, cancel: cl})
	}
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case a := <-cl.answer:
		if a.err != nil {
			a.err = fmt.Errorf("%w (%w)", a.err, context.Cause(ctx))
		}
		return a.result, a.err
	case <-grace.C:
		c.leave(cl)
		return nil, ended(ctx, CodeUnknown, "the guest did not confirm the cancel within %v: whether it was done is not known, take a screenshot before going on", cancelGrace)
	case <-c.done:
		return c.lost(cl)
	}
}

// lost is the end of an action whose connection has ended under way.
func (c *Client) lost(cl *call) (*Result, error) {
	select {
	case a := <-cl.answer:
		return a.result, a.err
	default:
	}
	c.mu.Lock()
	sent := cl.sent
	c.mu.Unlock()
	if !sent {
		return nil, c.unavailable()
	}
	return nil, Errorf(CodeUnknown, "the connection to the desktop ended while it was under way (%v): whether it was done is not known, take a screenshot before going on", c.err)
}

func (c *Client) unavailable() error {
	return Errorf(CodeUnavailable, "the connection to the desktop has ended (%v): nothing was done", c.err)
}

func ended(ctx context.Context, code Code, format string, args ...any) error {
	return fmt.Errorf("%w (%w)", Errorf(code, format, args...), context.Cause(ctx))
}

// end closes the connection. The first reason is the one that is kept.
func (c *Client) end(err error) {
	c.mu.Lock()
	first := !c.ended
	if first {
		c.ended, c.err = true, err
		for _, cl := range c.calls {
			if cl.cancel != nil {
				cl = cl.cancel
			}
			cl.overdue.Stop()
		}
	}
	c.mu.Unlock()
	if first {
		c.conn.Close()
		close(c.done)
	}
}

// leave gives up waiting for an answer. What it has to tell that must be known
// goes to the next one.
func (c *Client) leave(cl *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl.left = true
	select {
	case a := <-cl.answer: // it came just now
		c.keep(a.result.Notices)
	default:
	}
}

// keep keeps notices for the next response that is taken: the last ones, when
// there are too many. The caller holds mu.
func (c *Client) keep(notices []string) {
	c.notices = append(c.notices, notices...)
	c.notices = slices.Clone(c.notices[max(0, len(c.notices)-maxNotices):])
}

// Hello returns what the guest said of itself, without the token.
func (c *Client) Hello() Hello { return c.hello }

// Mirror returns the mirror of the guest's screen. It stays readable after the
// connection has ended.
func (c *Client) Mirror() *Mirror { return &c.mirror }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, after Done: [net.ErrClosed] after
// Close, a *[ProtocolError] if the guest broke the protocol, or what the
// connection reported.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection and waits for the goroutines of the Client.
// Actions that are under way fail with [CodeUnknown]. It may be called more
// than once.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	c.wg.Wait()
	return nil
}

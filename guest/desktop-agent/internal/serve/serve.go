package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Browser opens addresses. See package browse.
type Browser interface {
	// Open returns when the browser has taken the address, with what the
	// host must know beside that, if anything.
	Open(ctx context.Context, url string) (notice string, err error)
	// Rest has the browser stand still until Wake, and returns when it does.
	Rest(ctx context.Context) error
	// Wake lets it go on, if it stands still.
	Wake() error
	// Pause has it stand still until Continue or Wake.
	Pause()
	// Continue lets it go on, unless Rest was called before Pause.
	Continue() error
}

// Server is what requests act on. One connection at a time may be served.
type Server struct {
	Desk      *Desk
	Runner    Runner
	Files     Files
	Clipboard Clipboard
	Windows   Windows
	Launcher  Launcher
	Browser   Browser

	deeds deeds
}

const (
	maxTasks       = 256             // requests under way on one connection
	releaseTimeout = 2 * time.Second // for the X server to let go of what was held
	pauseLimit     = time.Second     // for a browser to stand still after a start from a saved state
)

// Serve answers requests until the host closes the connection, which gives
// nil unless an answer was under way, or until ctx ends. When it returns, g is closed, nothing of its requests is
// under way, and no key or button is held.
//
// When a connection ends, the machine may be about to be saved. The browser then stands
// still until the next connection, and where that belongs to a start from the saved
// state, until the first answer to an action or for a second: what it has to catch up
// with there it does later.
func (s *Server) Serve(ctx context.Context, g *desktop.Guest) error {
	ended := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &connection{server: s, guest: g, fail: cancel, tasks: make(map[uint32]*task)}
	s.deeds.connected()
	if g.Resume() == nil {
		s.goOn()
	} else {
		c.group.Go(func() {
			limit := time.NewTimer(pauseLimit)
			defer limit.Stop()
			select {
			case <-limit.C:
				s.goOn()
			case <-ctx.Done():
			}
		})
	}
	c.lastTurn = make(chan struct{})
	close(c.lastTurn)
	defer context.AfterFunc(ctx, func() { g.Close() })()

	err := c.read(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	c.group.Wait()
	g.Close()
	s.release()
	if ended.Err() == nil {
		s.Browser.Pause()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// release lets go of every key and button. A display that is away holds none.
func (s *Server) release() {
	d, ok := s.Desk.current()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := d.ReleaseAll(ctx); err != nil {
		s.Desk.Notify("keys or buttons may still be held down: " + err.Error())
	}
}

// connection is one connection that is served.
type connection struct {
	server *Server
	guest  *desktop.Guest
	fail   context.CancelCauseFunc // ends the connection
	group  sync.WaitGroup          // of the tasks

	answered sync.Once     // what is to be done after the first answer
	lastTurn chan struct{} // closed when the last input action that came is over; the reader's own

	mu    sync.Mutex
	tasks map[uint32]*task

	camera
}

// task is one request that is under way.
type task struct {
	id     uint32
	req    desktop.Request
	spec   desktop.Spec
	cancel context.CancelFunc
	done   chan struct{} // closed when it has been answered

	before <-chan struct{} // for an input action: closed when its turn has come
	over   chan struct{}   // for an input action: to be closed when its turn is over
}

// read starts a task for every request.
func (c *connection) read(ctx context.Context) error {
	for {
		id, req, err := c.guest.ReadRequest()
		var invalid *desktop.Error
		switch {
		case errors.As(err, &invalid):
			c.write(id, desktop.Response{Error: invalid}, nil)
		case err != nil:
			return err
		case req.Action == nil:
			c.cancel(id, req.Cancel)
		default:
			if err := c.start(ctx, id, req); err != nil {
				return err
			}
		}
	}
}

func (c *connection) start(ctx context.Context, id uint32, req desktop.Request) error {
	spec, ok := desktop.ActionByName(req.Action.Name())
	if _, handled := handlers[spec.Name]; !ok || !handled {
		c.write(id, desktop.Response{Error: desktop.Errorf(desktop.CodeInvalid, "this agent does not know the action %q", req.Action.Name())}, nil)
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &task{id: id, req: req, spec: spec, cancel: cancel, done: make(chan struct{})}
	c.mu.Lock()
	_, twice := c.tasks[id]
	full := len(c.tasks) >= maxTasks
	if !twice && !full {
		c.tasks[id] = t
	}
	c.mu.Unlock()
	if twice {
		cancel()
		return fmt.Errorf("the host gave the number %d to two requests at once", id)
	}
	if full {
		cancel()
		c.write(id, desktop.Response{Error: desktop.Errorf(desktop.CodeUnavailable, "%d actions are under way, more than the desktop takes at once: nothing was done; wait for some of them", maxTasks)}, nil)
		return nil
	}
	if spec.Input {
		t.before, t.over = c.lastTurn, make(chan struct{})
		c.lastTurn = t.over
	}
	c.group.Go(func() {
		defer cancel()
		c.run(ctx, t)
	})
	return nil
}

// run performs and answers one request.
func (c *connection) run(ctx context.Context, t *task) {
	o, err := c.perform(ctx, t)
	if err != nil {
		o.Error = failure(ctx, err)
	}
	if err != nil && o.Steps == nil {
		c.write(t.id, desktop.Response{Error: o.Error}, nil)
	} else {
		c.observe(ctx, t, o)
	}
	c.answered.Do(c.server.goOn)
	c.mu.Lock()
	delete(c.tasks, t.id)
	c.mu.Unlock()
	close(t.done)
	if t.over != nil {
		// Only now, because an action that was cancelled while it waited
		// answers at once and passes on its turn when that comes.
		<-t.before
		closeOnce(t)
	}
}

// perform runs the handler, an input action's in its turn.
func (c *connection) perform(ctx context.Context, t *task) (outcome, error) {
	defer c.server.deeds.begin(t.spec)()
	if t.over == nil {
		return c.server.do(ctx, t.spec, t.req.Action)
	}
	select {
	case <-t.before:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return outcome{}, desktop.Errorf(desktop.CodeCancelled, "cancelled before its turn: nothing was done")
	}
	defer closeOnce(t)
	if !t.spec.Cancellable {
		ctx = context.WithoutCancel(ctx)
	}
	o, err := c.server.do(ctx, t.spec, t.req.Action)
	if err != nil && (o.Steps != nil || failure(ctx, err).Code != desktop.CodeInvalid) {
		c.server.release()
	}
	return o, err
}

// do performs one action. A browser that stands still is seen by who looks as it was
// when it was last at work; who does something finds it at work.
func (s *Server) do(ctx context.Context, spec desktop.Spec, a desktop.Action) (outcome, error) {
	switch a.(type) {
	case desktop.RestBrowser:
	case desktop.Wait, desktop.ExecOutput, desktop.GetClipboard:
		s.goOn() // one that is paused may be what is waited for
	default:
		if !spec.Looks {
			s.notifyStill(s.Browser.Wake())
		}
	}
	return handlers[spec.Name](ctx, s, a)
}

// goOn lets a browser go on that was paused.
func (s *Server) goOn() { s.notifyStill(s.Browser.Continue()) }

// notifyStill tells the host of a browser that could not be made to go on.
func (s *Server) notifyStill(err error) {
	if err != nil {
		s.Desk.Notify("the browser stands still, and could not be made to go on: " + err.Error())
	}
}

// closeOnce ends the turn of an input action. Only its own goroutine calls it.
func closeOnce(t *task) {
	if t.over != nil {
		close(t.over)
		t.over = nil
	}
}

// cancel stops a task and confirms that once nothing of it can reach the
// desktop any more.
func (c *connection) cancel(id, target uint32) {
	c.mu.Lock()
	t := c.tasks[target]
	c.mu.Unlock()
	if t == nil {
		c.write(id, desktop.Response{Error: desktop.Errorf(desktop.CodeInvalid, "request %d is not under way: it has been answered", target)}, nil)
		return
	}
	t.cancel()
	c.group.Go(func() {
		<-t.done
		c.write(id, desktop.Response{OK: true}, nil)
	})
}

// write sends a response without a picture, with the notices that wait.
func (c *connection) write(id uint32, r desktop.Response, payload []byte) {
	r.Notices = append(c.server.Desk.takeNotices(), r.Notices...)
	if err := c.guest.WriteResponse(id, r, payload); err != nil {
		c.fail(fmt.Errorf("answer request %d: %w", id, err))
	}
}

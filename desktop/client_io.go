package desktop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// write sends what is queued until the connection ends.
func (c *Client) write() {
	for {
		select {
		case cl := <-c.queue:
			if !c.take(cl) {
				continue
			}
			if err := c.send(cl); err != nil {
				c.end(fmt.Errorf("send to guest: %w", err))
				return
			}
		case <-c.done:
			return
		}
	}
}

// take marks a request as sent, or frees the slot of one that was abandoned.
func (c *Client) take(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl.abandoned {
		<-c.slots
		return false
	}
	cl.sent = true
	return true
}

func (c *Client) send(cl *call) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return WriteFrame(c.conn, cl.id, cl.header, cl.payload)
}

// read takes responses until the connection ends.
func (c *Client) read() {
	r := bufio.NewReaderSize(c.conn, 16<<10)
	var m Message
	for {
		if err := c.receive(r, &m); err != nil {
			c.end(err)
			return
		}
		if cap(m.Payload) > keepBuffer {
			m.Payload = nil
		}
	}
}

// receive reads one response into m and acts on it. Waiting for its first byte
// may take for ever; from then on the guest must be brisk.
func (c *Client) receive(r *bufio.Reader, m *Message) error {
	if _, err := r.Peek(1); err != nil {
		return readError(err)
	}
	// A deadline cannot be set on a connection that has just ended. Then the read
	// says so, or finds that the whole message had arrived before.
	c.conn.SetReadDeadline(time.Now().Add(frameTimeout))
	if err := m.read(r, MaxPayload); err != nil {
		return readError(err)
	}
	c.conn.SetReadDeadline(time.Time{})
	cl, err := c.answered(m.ID)
	if err != nil {
		return err
	}
	res, err := c.open(m, cl)
	if err != nil {
		return err
	}
	c.finish(cl, res)
	return nil
}

func readError(err error) error {
	switch {
	case err == io.EOF:
		return errors.New("the guest closed the connection")
	case err == io.ErrUnexpectedEOF:
		return errors.New("the guest closed the connection in the middle of a message")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return broken(fmt.Errorf("a message took longer than %v to arrive", frameTimeout))
	}
	return fmt.Errorf("receive from guest: %w", err)
}

// answered takes the request with this id out of the list of those that wait.
func (c *Client) answered(id uint32) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl, ok := c.calls[id]
	if !ok || !cl.sent {
		return nil, broken(fmt.Errorf("response to request %d, which is not under way", id))
	}
	delete(c.calls, id)
	return cl, nil
}

// open decodes a response, brings the mirror up to date and takes the payload
// apart.
func (c *Client) open(m *Message, cl *call) (*Result, error) {
	res := new(Result)
	if err := Unmarshal(m.Header, &res.Response); err != nil {
		return nil, broken(fmt.Errorf("decode response: %w", err))
	}
	if err := res.answers(cl); err != nil {
		return nil, broken(err)
	}
	frame := len(m.Payload) - res.DataLen
	if res.DataLen > 0 {
		res.Data = bytes.Clone(m.Payload[frame:])
	}
	if e := res.Exec; e != nil {
		frame -= e.StdoutLen + e.StderrLen
		res.Stdout = bytes.Clone(m.Payload[frame:][:e.StdoutLen])
		res.Stderr = bytes.Clone(m.Payload[frame+e.StdoutLen:][:e.StderrLen])
	}
	if res.Frame != nil {
		if err := c.mirror.Apply(res.Frame, m.Payload[:frame]); err != nil {
			return nil, broken(err)
		}
	}
	if res.Error != nil {
		res.Error.Message = PlainLine(res.Error.Message, maxMessage)
	}
	res.Notices = slices.Clip(res.Notices[:min(len(res.Notices), maxNotices)])
	for _, s := range res.Steps {
		if s.Error != nil {
			s.Error.Message = PlainLine(s.Error.Message, maxMessage)
		}
	}
	for i := range res.Windows {
		w := &res.Windows[i]
		w.Title, w.Class = PlainLine(w.Title, maxMessage), PlainLine(w.Class, maxMessage)
	}
	for i, n := range res.Notices {
		res.Notices[i] = PlainLine(n, maxMessage)
	}
	return res, nil
}

// answers reports a success that lacks what its action answers, so that callers
// can rely on it.
func (r *Result) answers(cl *call) error {
	holds := r.holds()
	if cl.cancel != nil {
		if r.Frame != nil || holds != 0 {
			return fmt.Errorf("response to a cancel carries a frame or %v", holds)
		}
		return nil
	}
	name, want := cl.spec.Name, cl.spec.Answers
	if extra := holds &^ want &^ AnswersPointer; extra != 0 {
		return fmt.Errorf("response to %s carries %v", name, extra)
	}
	if b, ok := cl.action.(Batch); ok {
		if err := r.answersBatch(len(b.Actions)); err != nil {
			return err
		}
	}
	if missing := want & always &^ holds; r.OK && missing != 0 {
		return fmt.Errorf("response to %s lacks %v", name, missing)
	}
	return nil
}

// holds returns what a response answers.
func (r *Response) holds() Answers {
	var a Answers
	for field, is := range map[Answers]bool{
		AnswersPointer: r.X != nil,
		AnswersOutput:  r.Exec != nil,
		AnswersSteps:   r.Steps != nil,
		AnswersFile:    r.File != nil,
		AnswersListing: r.Listing != nil,
		AnswersWindows: r.Windows != nil,
		AnswersData:    r.DataLen > 0,
	} {
		if is {
			a |= field
		}
	}
	return a
}

// finish hands a response to who waits for it, and frees the slot once the
// guest owes nothing more. The notices of a response that nobody takes are told
// by the next one.
func (c *Client) finish(cl *call, res *Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	action := cl
	switch {
	case cl.cancel != nil:
		action = cl.cancel
		c.keep(res.Notices)
	case cl.left:
		c.keep(res.Notices)
	default:
		res.Notices = append(c.notices, res.Notices...)
		c.notices = nil
		var err error
		if res.Error != nil {
			err = res.Error
		}
		cl.answer <- answer{res, err}
	}
	if action.owed--; action.owed == 0 {
		action.overdue.Stop()
		<-c.slots
	}
}

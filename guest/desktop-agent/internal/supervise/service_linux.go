package supervise

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
)

// Times between the end of a program and its next start. The first restart is
// immediate; each one after that waits twice as long, until the program has run
// for steady.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 10 * time.Second
	steady     = 10 * time.Second
)

// Service is a program that shall run all the time.
type Service struct {
	// Name stands in the log.
	Name string
	// Command waits for what the program needs and says how to start it. It
	// is called before every start. The files of its result are closed after
	// the start. Its error stops the service.
	Command func(ctx context.Context) (Command, error)
	// Ready, if not nil, is opened when the program has written a line to its
	// descriptor 3, and shut when it has ended.
	Ready *Gate
	// Talk, if not nil, speaks with the program, whose descriptor 3 is the other
	// end of conn, while ctx lasts, which ends with the program. What it reads
	// or writes fails then. It excludes Ready.
	Talk func(ctx context.Context, conn io.ReadWriter)
}

// Keep keeps a service running until ctx ends, and then kills it and returns
// when it is gone. It returns nil then; before, only when the service cannot
// be started by any means.
func (r *Reaper) Keep(ctx context.Context, s Service, log *bootlog.Log) error {
	var wait backoff
	for {
		err := s.run(ctx, r, log, &wait)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		timer := time.NewTimer(wait.delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// run lets the program run once.
func (s Service) run(ctx context.Context, r *Reaper, log *bootlog.Log, wait *backoff) error {
	c, err := s.Command(ctx)
	if err != nil {
		return err
	}
	if c.Cgroup != nil {
		defer c.Cgroup.Close()
	}
	defer closeAll(c.Files)
	var ours *os.File
	if s.Ready != nil || s.Talk != nil {
		pair := os.Pipe
		if s.Talk != nil {
			pair = socketPair
		}
		var theirs *os.File
		if ours, theirs, err = pair(); err != nil {
			return err
		}
		defer ours.Close()
		c.Files = append(c.Files, theirs)
	}
	begun := time.Now()
	p, err := r.Start(c)
	closeAll(c.Files)
	if err != nil {
		wait.after(0)
		log.Printf("%s: %v; next try in %v", s.Name, err, wait.delay)
		return nil
	}
	switch {
	case s.Talk != nil:
		defer s.talk(ctx, ours)()
	case s.Ready != nil:
		defer s.watch(ours, log)()
	}
	select {
	case <-p.Done():
		wait.after(time.Since(begun))
		log.Printf("%s ended with %s; starting it again in %v", s.Name, p.End(), wait.delay)
	case <-ctx.Done():
		p.Kill()
		<-p.Done()
	}
	return nil
}

// talk runs Talk. The function that it returns ends it.
func (s Service) talk(ctx context.Context, conn *os.File) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Talk(ctx, conn)
	}()
	return func() {
		cancel()
		conn.SetDeadline(time.Unix(1, 0))
		<-done
	}
}

// socketPair returns two ends of a stream. The first heeds deadlines; the second
// blocks, as programs expect of what they inherit.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// watch opens the gate once a line has come. The function that it returns ends
// the watch and shuts the gate.
func (s Service) watch(ready *os.File, log *bootlog.Log) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := bufio.NewReader(ready).ReadSlice('\n'); err == nil {
			log.Phase(s.Name)
			s.Ready.Open()
		}
	}()
	return func() {
		// A child of the program may hold the other end open.
		ready.SetReadDeadline(time.Unix(1, 0))
		<-done
		s.Ready.Shut()
	}
}

// backoff is the delay before the next start.
type backoff struct {
	delay time.Duration
	next  time.Duration
}

// after computes the delay after a program that ran so long.
func (b *backoff) after(ran time.Duration) {
	if ran >= steady {
		b.next = 0
	}
	b.delay = b.next
	b.next = min(max(2*b.next, firstDelay), lastDelay)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

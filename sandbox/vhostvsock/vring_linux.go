package vhostvsock

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// vring is a queue as the VMM sets it up, and the goroutine that the guest's
// kicks wake. It belongs to the goroutine of Serve, but for what a comment says.
type vring struct {
	link  *link
	queue *queue

	size    uint16
	addr    vringAddr
	base    uint16
	enabled bool
	used    bool // was started before, so that a base of another number is a reset

	kick   *os.File      // nil while stopped; the device's lock guards a change
	kickFD int           // the number of kick
	call   int           // eventfd, or -1; guarded by the device's lock
	idle   chan struct{} // closed when the goroutine of kick is done
}

func newVring(l *link, q *queue) *vring {
	v := &vring{link: l, queue: q, call: -1}
	q.notify = v.interrupt
	return v
}

// vring returns the queue of an index in a message.
func (s *server) vring(index uint32) (*vring, error) {
	if index >= uint32(len(s.vrings)) {
		return nil, fmt.Errorf("there is no queue %d", index)
	}
	return s.vrings[index], nil
}

// setVring handles the requests that set up a queue.
func (s *server) setVring(m *message) error {
	switch m.request {
	case reqSetVringAddr:
		index, addr, err := m.vringAddr()
		if err != nil {
			return err
		}
		v, err := s.vring(index)
		if err != nil {
			return err
		}
		v.addr = addr
		return nil
	case reqSetVringKick, reqSetVringCall, reqSetVringErr:
		return s.setVringFD(m)
	}

	index, num, err := m.vringState()
	if err != nil {
		return err
	}
	v, err := s.vring(index)
	if err != nil {
		return err
	}
	switch m.request {
	case reqSetVringNum:
		if num == 0 || num > maxQueueSize || num&(num-1) != 0 {
			return fmt.Errorf("queue size %d is not a power of two up to %d", num, maxQueueSize)
		}
		v.size = uint16(num)
	case reqSetVringBase:
		if num > 1<<16-1 {
			return fmt.Errorf("vring base %d is over 65535", num)
		}
		// A VMM that was stopped goes on where it stopped. Anywhere else, the
		// driver has begun anew and knows of no connection.
		if v.used && uint16(num) != v.base {
			s.reset()
		}
		v.base = uint16(num)
	case reqSetVringEnable:
		v.enabled = num == 1
		return s.update(v)
	}
	return nil
}

func (s *server) setVringFD(m *message) error {
	n, err := m.uint64()
	if err != nil {
		return err
	}
	v, err := s.vring(uint32(n & vringIndexMask))
	if err != nil {
		return err
	}
	fd := -1
	if n&vringNoFD == 0 {
		if fd, err = m.takeFD(); err != nil {
			return err
		}
	}
	if fd >= 0 {
		if err := checkEventFD(fd); err != nil {
			unix.Close(fd)
			return err
		}
	}
	switch m.request {
	case reqSetVringKick:
		if fd < 0 {
			return errors.New("queue without a kick eventfd would have to be polled")
		}
		v.stop()
		return s.start(v, fd)
	case reqSetVringCall:
		v.setCall(fd)
	case reqSetVringErr:
		if fd >= 0 {
			unix.Close(fd) // an error ends the connection, which the VMM cannot miss
		}
	}
	return nil
}

// checkEventFD makes sure that fd is an eventfd that does not block, which a
// hostile VMM may not have sent.
func checkEventFD(fd int) error {
	kind, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return fmt.Errorf("look at descriptor: %w", err)
	}
	if kind != "anon_inode:[eventfd]" {
		return fmt.Errorf("descriptor is no eventfd but %s", kind)
	}
	return unix.SetNonblock(fd, true)
}

// start begins to listen for kicks on fd.
func (s *server) start(v *vring, fd int) error {
	v.idle = make(chan struct{})
	s.dev.mu.Lock()
	v.kick, v.kickFD = os.NewFile(uintptr(fd), "kick"), fd
	s.dev.mu.Unlock()
	go v.serve(v.kick, v.idle)
	return s.update(v)
}

// update makes the queue run if it is both started and enabled.
func (s *server) update(v *vring) error {
	s.dev.mu.Lock()
	defer s.dev.mu.Unlock()
	if v.kick == nil || !v.enabled {
		v.pause()
		return nil
	}
	if v.queue.live {
		return nil
	}
	if err := s.activate(v); err != nil {
		return err
	}
	v.wake() // for what the guest has queued before
	return nil
}

// activate makes the queue run on the memory of now. The device is locked.
func (s *server) activate(v *vring) error {
	if s.link.mem == nil || v.size == 0 {
		return errors.New("queue is started before its memory and size are known")
	}
	if s.features&featureVersion1 == 0 {
		return errors.New("guest driver does not know virtio 1.0")
	}
	n := uint64(v.size)
	desc, err := s.ring("descriptor table", v.addr.desc, descLen*n, 16)
	if err != nil {
		return err
	}
	avail, err := s.ring("available ring", v.addr.avail, 4+2*n, 2)
	if err != nil {
		return err
	}
	used, err := s.ring("used ring", v.addr.used, 4+elemLen*n, 4)
	if err != nil {
		return err
	}
	v.pause()
	v.used = true
	s.dev.cfg.Logger.Debug("vsock queue runs", "pid", s.pid, "transmit", v.queue == &s.link.tx, "size", v.size, "base", v.base)
	return v.queue.start(s.link.mem, v.size, desc, avail, used, v.base)
}

// ring returns the guest-physical address of a part of a queue.
func (s *server) ring(what string, user, size, align uint64) (uint64, error) {
	addr, err := s.regions.guestAddr(user, size)
	if err == nil && addr%align != 0 {
		err = fmt.Errorf("address %#x is not aligned to %d bytes", addr, align)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return addr, nil
}

// getVringBase stops a queue and tells how far it has come.
func (s *server) getVringBase(m *message) ([]byte, error) {
	index, _, err := m.vringState()
	if err != nil {
		return nil, err
	}
	v, err := s.vring(index)
	if err != nil {
		return nil, err
	}
	v.stop()
	return putUint64(uint64(index) | uint64(v.base)<<32), nil
}

// pause stops the queue. The device is locked.
func (v *vring) pause() {
	if v.queue.live {
		v.base = v.queue.next
		v.queue.stop()
	}
}

// stop stops the queue and waits for its goroutine.
func (v *vring) stop() {
	if v.kick == nil {
		return
	}
	v.link.dev.mu.Lock()
	v.pause()
	kick := v.kick
	v.kick = nil
	v.link.dev.mu.Unlock()
	kick.Close()
	<-v.idle
}

// close stops the queue for good.
func (v *vring) close() {
	v.stop()
	v.setCall(-1)
}

// serve moves packets whenever the guest kicks. It ends when kick is closed.
func (v *vring) serve(kick *os.File, idle chan struct{}) {
	defer close(idle)
	mu := &v.link.dev.mu
	var count [8]byte
	for {
		if _, err := kick.Read(count[:]); err != nil {
			if !errors.Is(err, os.ErrClosed) {
				v.link.hangUp(fmt.Errorf("read kick eventfd: %w", err))
			}
			return
		}
		for more := true; more; {
			mu.Lock()
			if v.queue == &v.link.tx {
				more = v.link.receive()
			} else {
				v.link.transmit()
				more = false
			}
			mu.Unlock()
		}
	}
}

// one is what an eventfd is signalled with.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// wake has the goroutine look at the queue. The device is locked.
func (v *vring) wake() {
	if v.kick != nil {
		_, _ = unix.Write(v.kickFD, one) // EAGAIN: it has been woken often enough
	}
}

// interrupt tells the guest that buffers were used. The device is locked.
func (v *vring) interrupt() {
	if v.call >= 0 {
		_, _ = unix.Write(v.call, one)
	}
}

// setCall takes over the eventfd that interrupts the guest, -1 for none.
func (v *vring) setCall(fd int) {
	v.link.dev.mu.Lock()
	defer v.link.dev.mu.Unlock()
	if v.call >= 0 {
		unix.Close(v.call)
	}
	v.call = fd
	if v.used {
		v.interrupt() // what was used in between has told nobody
	}
}

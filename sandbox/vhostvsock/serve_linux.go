package vhostvsock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// server speaks vhost-user for one link.
type server struct {
	dev  *Device
	link *link
	conn *net.UnixConn
	pid  int

	regions  regions
	features uint64
	vrings   [2]*vring

	once  sync.Once
	cause error // why the server was told to end
}

// Serve speaks vhost-user with the VMM on conn and moves packets between the
// guest and the host until the VMM closes its end or dies, ctx is done,
// [Device.Close] is called, or the VMM or its guest breaks a rule. It closes conn.
// The error is
// nil only in the first case; in the second it is the cause of ctx, in the third
// it is [net.ErrClosed].
//
// pid is the process whose memory the guest's is. It must not be reaped before
// Serve has returned: a reused process ID would be written into.
//
// One Serve works at a time. A later one gives the device to a driver that has
// just been started or plugged in: connections end with the Serve that they
// began in.
func (d *Device) Serve(ctx context.Context, conn *net.UnixConn, pid int) error {
	s := &server{dev: d, conn: conn, pid: pid}
	defer conn.Close()
	link, err := d.attach(s.end)
	if err != nil {
		return fmt.Errorf("serve vsock device: %w", err)
	}
	s.link = link
	s.vrings = [2]*vring{newVring(link, &link.rx), newVring(link, &link.tx)}
	link.wakeTx = s.vrings[1].wake

	stop := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	err = s.run()
	stop()
	for _, v := range s.vrings {
		v.close()
	}
	d.detach(link)

	s.end(err) // the first cause stands
	d.cfg.Logger.Debug("vsock device is not served any more", "pid", pid, "cause", s.cause)
	if s.cause != nil {
		return fmt.Errorf("serve vsock device: %w", s.cause)
	}
	return nil
}

// end makes run return. The first cause wins.
func (s *server) end(cause error) {
	s.once.Do(func() {
		if !errors.Is(cause, errMemoryGone) {
			s.cause = cause
		}
		s.conn.Close()
	})
}

// run handles messages until there are no more.
func (s *server) run() error {
	var reply []byte
	for {
		m, err := s.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive from VMM: %w", err)
		}
		payload, err := s.handle(m)
		m.closeFDs()
		if err != nil {
			return fmt.Errorf("handle request %d of VMM: %w", m.request, err)
		}
		if payload == nil {
			continue
		}
		reply = m.appendReply(reply[:0], payload)
		if _, err := s.conn.Write(reply); err != nil {
			return fmt.Errorf("reply to VMM: %w", err)
		}
	}
}

// receive reads one message. At its very beginning the end of the stream is
// [io.EOF].
func (s *server) receive() (*message, error) {
	m := new(message)
	var head [messageHeaderLen]byte
	oob := make([]byte, unix.CmsgSpace(4*maxRegions))
	for n := 0; n < len(head); {
		got, oobn, flags, _, err := s.conn.ReadMsgUnix(head[n:], oob)
		if fdErr := m.addFDs(oob[:oobn]); err == nil {
			err = fdErr
		}
		if err == nil && flags&unix.MSG_CTRUNC != 0 {
			err = errors.New("message carries too many file descriptors")
		}
		if errors.Is(err, io.EOF) && n > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			m.closeFDs()
			return nil, err
		}
		n += got
	}
	size, err := m.decodeHeader(&head)
	if err == nil && size > 0 {
		m.payload = make([]byte, size)
		if _, err = io.ReadFull(s.conn, m.payload); errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		m.closeFDs()
		return nil, err
	}
	return m, nil
}

// addFDs takes over the descriptors that came with a part of a message.
func (m *message) addFDs(oob []byte) error {
	if len(oob) == 0 {
		return nil
	}
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("parse control message: %w", err)
	}
	for _, cmsg := range cmsgs {
		fds, err := unix.ParseUnixRights(&cmsg)
		if err != nil {
			return fmt.Errorf("parse file descriptors: %w", err)
		}
		m.fds = append(m.fds, fds...)
	}
	return nil
}

// takeFD returns the one descriptor of a message, which the caller then owns.
func (m *message) takeFD() (int, error) {
	if len(m.fds) != 1 {
		return -1, fmt.Errorf("message carries %d file descriptors, not one", len(m.fds))
	}
	fd := m.fds[0]
	m.fds = nil
	return fd, nil
}

func (m *message) closeFDs() {
	for _, fd := range m.fds {
		unix.Close(fd)
	}
	m.fds = nil
}

// handle acts on a message and returns the payload of the reply, nil for none.
func (s *server) handle(m *message) (reply []byte, err error) {
	switch m.request {
	case reqGetFeatures:
		return putUint64(features), nil
	case reqGetProtocolFeatures:
		return putUint64(protocolFeatures), nil
	case reqGetVringBase:
		return s.getVringBase(m)
	case reqGetConfig:
		return s.getConfig(m)
	case reqSetFeatures:
		err = s.setFeatures(m)
	case reqSetProtocolFeatures:
		var f uint64
		if f, err = m.uint64(); err == nil && f&^protocolFeatures != 0 {
			err = fmt.Errorf("protocol features %#x were not offered", f&^protocolFeatures)
		}
	case reqSetOwner:
	case reqResetOwner:
		for _, v := range s.vrings {
			v.stop()
		}
		s.reset()
	case reqSetMemTable:
		err = s.setMemTable(m)
	case reqSetVringNum, reqSetVringAddr, reqSetVringBase, reqSetVringKick, reqSetVringCall, reqSetVringErr, reqSetVringEnable:
		err = s.setVring(m)
	default:
		err = errors.New("request is unknown")
	}
	if err == nil && m.needReply {
		reply = putUint64(0)
	}
	return reply, err
}

func putUint64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func (s *server) setFeatures(m *message) error {
	f, err := m.uint64()
	if err != nil {
		return err
	}
	if f&^features != 0 {
		return fmt.Errorf("features %#x were not offered", f&^features)
	}
	s.features = f
	if f&featureProtocol == 0 {
		for _, v := range s.vrings {
			v.enabled = true // there is no request to do it
		}
	}
	return nil
}

func (s *server) getConfig(m *message) ([]byte, error) {
	offset, size, err := m.configRange()
	if err != nil {
		return nil, err
	}
	var space [configLen]byte
	binary.LittleEndian.PutUint64(space[:], s.dev.cfg.GuestCID)
	return append(m.payload[:12:12], space[offset:offset+size]...), nil
}

// setMemTable makes the guest's memory known, also while the queues run: the VMM
// sends a new table when the guest's memory map changes.
func (s *server) setMemTable(m *message) error {
	rs, err := m.memTable()
	if err != nil {
		return err
	}
	mem, err := s.dev.openMemory(s.pid, rs)
	if err != nil {
		return err
	}
	s.dev.mu.Lock()
	defer s.dev.mu.Unlock()
	s.regions = rs
	if s.link.mem != nil {
		s.link.mem.close()
	}
	s.link.mem = mem
	for _, v := range s.vrings {
		if v.queue.live {
			if err := s.activate(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// reset ends the connections of a driver that has begun anew.
func (s *server) reset() {
	s.dev.cfg.Logger.Debug("vsock driver has begun anew", "pid", s.pid)
	s.dev.mu.Lock()
	defer s.dev.mu.Unlock()
	s.link.resetConns(errConnReset)
}

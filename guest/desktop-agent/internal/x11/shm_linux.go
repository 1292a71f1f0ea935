package x11

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// segment is a piece of System V shared memory. It is System V's because xgb
// cannot pass file descriptors.
type segment struct {
	id  int
	pix []byte
}

// newSegment makes a segment of size bytes that the X server at the other end
// of the socket may attach, even when it runs as another user.
func newSegment(size int, socket rawConn) (*segment, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, size, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	pix, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach shared memory: %w", err), (&segment{id: id}).remove())
	}
	s := &segment{id: id, pix: pix}
	if err := s.give(socket); err != nil {
		return nil, errors.Join(err, s.remove(), s.detach())
	}
	return s, nil
}

// give makes the user of the server the owner of the segment. The creator keeps
// its access.
func (s *segment) give(socket rawConn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("look at the X server's socket: %w", err)
	}
	var peer *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		peer, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return fmt.Errorf("ask for the X server's user: %w", errors.Join(err, credErr))
	}
	if int(peer.Uid) == unix.Geteuid() {
		return nil
	}
	var desc unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(s.id, unix.IPC_STAT, &desc); err != nil {
		return fmt.Errorf("look at shared memory: %w", err)
	}
	desc.Perm.Uid = peer.Uid
	if _, err := unix.SysvShmCtl(s.id, unix.IPC_SET, &desc); err != nil {
		return fmt.Errorf("give shared memory to the X server's user: %w", err)
	}
	return nil
}

// remove makes the segment go away when the last process has detached it.
func (s *segment) remove() error {
	if _, err := unix.SysvShmCtl(s.id, unix.IPC_RMID, nil); err != nil {
		return fmt.Errorf("remove shared memory: %w", err)
	}
	return nil
}

func (s *segment) detach() error {
	if err := unix.SysvShmDetach(s.pix); err != nil {
		return fmt.Errorf("detach shared memory: %w", err)
	}
	return nil
}

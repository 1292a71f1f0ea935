package x11

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// rawConn is a socket that can be asked who is at its other end.
type rawConn interface {
	SyscallConn() (syscall.RawConn, error)
}

func (c *camera) open(d *Display) {
	if _, err := d.extension("MIT-SHM"); err != nil {
		d.log.Warn("x11: pictures go through the socket, which is slow", "error", err)
		return
	}
	c.shared = true
}

func (c *camera) close() {
	c.taking.Lock()
	defer c.taking.Unlock()
	if c.segment != nil {
		_ = c.segment.detach() // fails only for memory that is not ours
		c.segment = nil
	}
}

// refit prepares for a screen of another size, of which nothing is known.
func (d *Display) refit(size desktop.Size) error {
	bytes := size.Width * size.Height * 4
	d.camera.size, d.shadow, d.changed, d.follows = size, make([]byte, bytes), newTiles(size), false
	if d.segment != nil {
		shm.Detach(d.conn, d.seg)
		_ = d.segment.detach() // fails only for memory that is not ours
		d.segment = nil
	}
	if d.shared {
		err := d.share(bytes)
		if err == nil {
			return nil
		}
		d.shared = false
		d.log.Warn("x11: pictures go through the socket, which is slow", "error", err)
	}
	d.plain = make([]byte, bytes)
	return nil
}

// share makes memory that the server writes pixels to.
func (d *Display) share(size int) error {
	socket, ok := d.wire.Conn.(rawConn)
	if !ok {
		return errors.New("the connection is not a socket")
	}
	s, err := newSegment(size, socket)
	if err != nil {
		return err
	}
	if d.seg == 0 {
		if d.seg, err = shm.NewSegId(d.conn); err != nil {
			return errors.Join(err, s.remove(), s.detach())
		}
	}
	err = shm.AttachChecked(d.conn, d.seg, uint32(s.id), false).Check()
	// Both sides are attached or it has failed: from here on the memory lives
	// exactly as long as they do.
	if err := errors.Join(err, s.remove()); err != nil {
		return errors.Join(fmt.Errorf("attach shared memory: %w", err), s.detach())
	}
	d.segment = s
	return nil
}

const allPlanes = 0xffffffff

// fetch returns the pixels of rectangles that do not overlap, one after the
// other, in memory that is valid until the next fetch.
func (d *Display) fetch(areas []desktop.Rect) ([]byte, error) {
	if d.segment == nil {
		return d.fetchPlain(areas)
	}
	replies := make([]shm.GetImageCookie, len(areas))
	offset := 0
	for i, r := range areas {
		replies[i] = shm.GetImage(d.conn, xproto.Drawable(d.root), int16(r.X0), int16(r.Y0),
			uint16(r.Width()), uint16(r.Height()), allPlanes, xproto.ImageFormatZPixmap, d.seg, uint32(offset))
		offset += area(r) * 4
	}
	for i, r := range areas {
		if _, err := await(d, replies[i]); err != nil {
			return nil, fmt.Errorf("fetch pixels of %v: %w", r, err)
		}
	}
	return d.segment.pix, nil
}

func (d *Display) fetchPlain(areas []desktop.Rect) ([]byte, error) {
	offset := 0
	for _, r := range areas {
		reply, err := await(d, xproto.GetImage(d.conn, xproto.ImageFormatZPixmap, xproto.Drawable(d.root),
			int16(r.X0), int16(r.Y0), uint16(r.Width()), uint16(r.Height()), allPlanes))
		if err != nil {
			return nil, fmt.Errorf("fetch pixels of %v: %w", r, err)
		}
		if len(reply.Data) < area(r)*4 {
			return nil, fmt.Errorf("fetch pixels of %v: got %d bytes", r, len(reply.Data))
		}
		offset += copy(d.plain[offset:], reply.Data[:area(r)*4])
	}
	return d.plain, nil
}

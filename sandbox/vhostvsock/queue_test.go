package vhostvsock

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A driver that breaks the rules of its rings is cut off, with a word about what
// it did, and the connections of it end.
func TestBrokenDriver(t *testing.T) {
	u16 := func(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
	tests := []struct {
		name   string
		breaks func(r *rig)
		want   string
	}{
		{"available index runs ahead", func(r *rig) {
			r.tx.put(r.tx.avail+2, u16(r.tx.availIdx+r.tx.size+1))
		}, "available index is 129 ahead in a queue of 128"},
		{"head out of range", func(r *rig) {
			r.tx.offer(128)
		}, "descriptor 128 in a queue of 128"},
		{"next out of range", func(r *rig) {
			r.tx.putDesc(0, ramBase, headerLen, descNext, 500)
			r.tx.offer(0)
		}, "descriptor 500 in a queue of 128"},
		{"loop of one", func(r *rig) {
			r.tx.putDesc(0, ramBase, headerLen, descNext, 0)
			r.tx.offer(0)
		}, "descriptor chain at 0 has a loop"},
		{"loop of many", func(r *rig) {
			for i := range uint16(128) {
				r.tx.putDesc(i, ramBase, headerLen, descNext, (i+1)%128)
			}
			r.tx.offer(5)
		}, "descriptor chain at 5 has a loop"},
		{"indirect descriptor", func(r *rig) {
			r.tx.putDesc(0, ramBase, headerLen, descIndirect, 0)
			r.tx.offer(0)
		}, "descriptor 0 is indirect"},
		{"packet to write to", func(r *rig) {
			r.tx.putDesc(0, ramBase, headerLen, descWrite, 0)
			r.tx.offer(0)
		}, "descriptor 0 has the wrong direction"},
		{"packet outside of RAM", func(r *rig) {
			r.tx.putDesc(0, 0, headerLen, 0, 0)
			r.tx.offer(0)
		}, "read header: 0x0+0x2c is outside RAM"},
		{"packet over the end of RAM", func(r *rig) {
			r.tx.putDesc(0, ramBase+ramSize-headerLen+1, headerLen, 0, 0)
			r.tx.offer(0)
		}, "is outside RAM"},
		{"packet that wraps round", func(r *rig) {
			r.tx.putDesc(0, 1<<64-1, headerLen, 0, 0)
			r.tx.offer(0)
		}, "is outside RAM"},
		{"payload outside of RAM", func(r *rig) {
			var b [headerLen]byte
			h := header{srcCID: testCID, dstCID: HostCID, srcPort: guestPort, dstPort: hostPort, typ: typeStream, op: opData, len: 10}
			h.encode(&b)
			r.tx.put(r.tx.slot(0), b[:])
			r.tx.putDesc(0, r.tx.slot(0), headerLen, descNext, 1)
			r.tx.putDesc(1, 12345, 10, 0, 0)
			r.tx.offer(0)
		}, "0x3039+0xa is outside RAM"},
		{"packet without a header", func(r *rig) {
			r.tx.putDesc(0, r.tx.slot(0), headerLen-1, 0, 0)
			r.tx.offer(0)
		}, "packet of 43 bytes has no room for a header"},
		{"empty packet", func(r *rig) {
			r.tx.putDesc(0, r.tx.slot(0), 0, 0, 0)
			r.tx.offer(0)
		}, "packet of 0 bytes has no room for a header"},
		{"payload longer than the packet", func(r *rig) {
			h := header{op: opData, srcPort: guestPort, dstPort: hostPort, srcCID: testCID, dstCID: HostCID, typ: typeStream, len: 11}
			r.trySend(h, make([]byte, 10))
		}, "packet of 54 bytes claims a payload of 11"},
		{"receive buffer to read from", func(r *rig) {
			r.rx.putDesc(0, r.rx.slot(0), headerLen, 0, 0)
			r.rx.offer(0)
		}, "receive queue: descriptor 0 has the wrong direction"},
		{"receive buffer without room", func(r *rig) {
			r.rx.putDesc(0, r.rx.slot(0), 10, descWrite, 0)
			r.rx.offer(0)
		}, "receive buffer of 10 bytes has no room for a header"},
		{"receive buffer outside of RAM", func(r *rig) {
			r.rx.putDesc(0, 1<<40, 4096, descWrite, 0)
			r.rx.offer(0)
		}, "write packet: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bareRig(t, Config{}, 128)
			c := connWithoutBuffers(t, r)
			tt.breaks(r)
			r.kickTX()
			go func() { _, _ = c.Write([]byte("x")) }() // which needs a receive buffer
			r.hungUp(t, tt.want)
			r.hungUp(t, tt.want)
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("connection goes on")
			}
		})
	}
}

// Bytes go to and come from buffers in any number of pieces.
func TestScatteredBuffers(t *testing.T) {
	r := bareRig(t, Config{}, 128)
	at := r.rx.slot(0)
	for i := range uint16(100) {
		flags := uint16(descWrite | descNext)
		n := uint32(1)
		if i%10 == 5 {
			n = 0
		}
		if i == 99 {
			flags, n = descWrite, 100
		}
		r.rx.putDesc(i, at+uint64(i)*3, n, flags, i+1)
	}
	r.rx.offer(0)
	r.send(t, header{op: opData, srcPort: 7, dstPort: 8}, "")

	if head, n, ok := r.rx.pop(); !ok || head != 0 || n != headerLen {
		t.Fatalf("used %d, %d, %v", head, n, ok)
	}
	var got header
	var b [headerLen]byte
	j := 0
	for i := uint64(0); j < headerLen; i++ {
		if i%10 != 5 {
			b[j] = r.rx.get(at+i*3, 1)[0]
			j++
		}
	}
	got.decode(&b)
	want := header{srcCID: HostCID, dstCID: testCID, srcPort: 8, dstPort: 7, typ: typeStream, op: opReset}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(header{})); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

// A queue that was stopped goes on where it was, with all its connections.
func TestStopAndGoOn(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{})
	r.dev.mu.Lock()
	r.link.rx.stop()
	r.link.tx.stop()
	r.dev.mu.Unlock()

	r.send(t, toHost(opData), "meanwhile")
	wrote := make(chan error, 1)
	go func() { _, err := c.Write([]byte("from the host")); wrote <- err }()
	r.silent(t)

	r.dev.mu.Lock()
	for q, dq := range map[*queue]*driverQueue{&r.link.rx: r.rx, &r.link.tx: r.tx} {
		if err := q.start(dq.mem, dq.size, dq.desc, dq.avail, dq.used, q.next); err != nil {
			t.Error(err)
		}
	}
	r.dev.mu.Unlock()
	r.kickTX()
	mustRead(t, c, "meanwhile")
	r.kickRX()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if p := r.expect(t, opData, hostPort, guestPort); p.payload != "from the host" {
		t.Errorf("payload is %q", p.payload)
	}
}

func TestInterruptOnlyWhenAsked(t *testing.T) {
	r := newRig(t, Config{})
	r.rx.put(r.rx.avail, binary.LittleEndian.AppendUint16(nil, availNoInterrupt))
	r.send(t, header{op: opData}, "")
	select {
	case <-r.irq:
		t.Error("interrupt that was not wanted")
	default:
	}
	r.rx.put(r.rx.avail, binary.LittleEndian.AppendUint16(nil, 0))
	r.send(t, header{op: opData}, "")
	select {
	case <-r.irq:
	default:
		t.Error("no interrupt")
	}
}

func TestRegions(t *testing.T) {
	valid := []region{{guest: 4 << 30, size: 1 << 30, user: 0x7000_0000_0000}, {guest: 0, size: 3 << 30, user: 0x6000_0000_0000}}
	rs, err := newRegions(valid)
	if err != nil {
		t.Fatal(err)
	}

	type place struct {
		user, n uint64
		ok      bool
	}
	for s, want := range map[span]place{
		{0, 10}:              {0x6000_0000_0000, 10, true},
		{3<<30 - 4, 10}:      {0x6000_0000_0000 + 3<<30 - 4, 4, true},
		{3 << 30, 1}:         {},
		{4<<30 + 5, 1}:       {0x7000_0000_0005, 1, true},
		{5<<30 - 1, 1 << 63}: {0x7000_0000_0000 + 1<<30 - 1, 1, true},
		{5 << 30, 1}:         {},
		{1<<64 - 1, 1}:       {},
	} {
		user, n, err := rs.resolve(s)
		if got := (place{user, n, err == nil}); got != want {
			t.Errorf("resolve(%#x+%d) = %+v, not %+v", s.addr, s.len, got, want)
		}
	}
	for _, tt := range []struct {
		user, n uint64
		want    uint64
		ok      bool
	}{
		{0x7000_0000_0000, 1 << 30, 4 << 30, true},
		{0x7000_0000_0001, 1 << 30, 0, false},
		{0x6000_0000_0010, 16, 16, true},
		{0x6000_0000_0010, 1<<64 - 8, 0, false},
		{0x5fff_ffff_ffff, 1, 0, false},
	} {
		got, err := rs.guestAddr(tt.user, tt.n)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("guestAddr(%#x, %#x) = %#x, %v", tt.user, tt.n, got, err)
		}
	}

	for name, table := range map[string][]region{
		"none":            {},
		"too many":        make([]region, maxRegions+1),
		"empty":           {{guest: 0, size: 0, user: 0}},
		"guest wraps":     {{guest: 1<<64 - 10, size: 11, user: 0}},
		"user wraps":      {{guest: 0, size: 11, user: 1<<64 - 10}},
		"regions overlap": {{guest: 0, size: 11, user: 0}, {guest: 10, size: 1, user: 100}},
	} {
		if _, err := newRegions(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// connWithoutBuffers returns a connection of a guest whose queues are empty.
func connWithoutBuffers(t testing.TB, r *rig) net.Conn {
	t.Helper()
	l, err := r.dev.Listen(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	r.rx.post(r.rx.free[0], payloadMax)
	r.send(t, toHost(opRequest), "")
	if _, _, ok := r.rx.pop(); !ok {
		t.Fatal("no answer")
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

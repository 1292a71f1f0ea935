package vhostvsock

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ram is guest memory for tests: bytes at the guest-physical address ramBase.
type ram struct {
	mu sync.Mutex
	b  []byte
}

const (
	ramBase = 1 << 20
	ramSize = 4 << 20
)

func newRAM() *ram { return &ram{b: make([]byte, ramSize)} }

func (r *ram) read(dst [][]byte, src []span) error {
	return r.each(dst, src, func(p, mem []byte) { copy(p, mem) })
}

func (r *ram) write(dst []span, src [][]byte) error {
	return r.each(src, dst, func(p, mem []byte) { copy(mem, p) })
}

func (r *ram) each(bufs [][]byte, spans []span, move func(p, mem []byte)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var flat []byte
	for _, s := range spans {
		if s.addr < ramBase || s.addr-ramBase > uint64(len(r.b)) || s.len > uint64(len(r.b))-(s.addr-ramBase) {
			return fmt.Errorf("%#x+%#x is outside RAM", s.addr, s.len)
		}
	}
	for _, s := range spans {
		mem := r.b[s.addr-ramBase:][:s.len]
		for len(mem) > 0 {
			for len(flat) == 0 {
				if len(bufs) == 0 {
					return fmt.Errorf("copy of unequal lengths")
				}
				flat, bufs = bufs[0], bufs[1:]
			}
			n := min(len(flat), len(mem))
			move(flat[:n], mem[:n])
			flat, mem = flat[n:], mem[n:]
		}
	}
	for _, b := range bufs {
		if len(b) > 0 {
			return fmt.Errorf("copy of unequal lengths")
		}
	}
	if len(flat) > 0 {
		return fmt.Errorf("copy of unequal lengths")
	}
	return nil
}

func (r *ram) close() error { return nil }

// driverQueue is the driver's side of a queue. Buffer i is the descriptors 2i,
// for a header, and 2i+1, for a payload.
type driverQueue struct {
	mem               memory
	size              uint16
	desc, avail, used uint64
	bufs              uint64
	write             bool // the device writes
	free              []uint16
	availIdx, usedIdx uint16
}

const (
	slotLen    = 8 << 10 // of memory for a buffer
	payloadMax = 4 << 10 // as Linux posts for receiving
)

func newDriverQueue(mem memory, at uint64, size uint16, write bool) *driverQueue {
	q := &driverQueue{
		mem: mem, size: size, write: write,
		desc: at, avail: at + 16<<10, used: at + 32<<10, bufs: at + 48<<10,
	}
	for i := range size / 2 {
		q.free = append(q.free, i)
	}
	return q
}

func (q *driverQueue) put(addr uint64, b []byte) {
	if err := q.mem.write([]span{{addr, uint64(len(b))}}, [][]byte{b}); err != nil {
		panic(err)
	}
}

func (q *driverQueue) get(addr uint64, n int) []byte {
	b := make([]byte, n)
	if err := q.mem.read([][]byte{b}, []span{{addr, uint64(n)}}); err != nil {
		panic(err)
	}
	return b
}

func (q *driverQueue) slot(i uint16) uint64 { return q.bufs + uint64(i)*slotLen }

// putDesc writes a descriptor.
func (q *driverQueue) putDesc(i uint16, addr uint64, n uint32, flags, next uint16) {
	b := binary.LittleEndian.AppendUint64(nil, addr)
	b = binary.LittleEndian.AppendUint32(b, n)
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint16(b, next)
	q.put(q.desc+descLen*uint64(i), b)
}

// offer makes the chain that starts at head available.
func (q *driverQueue) offer(head uint16) {
	q.put(q.avail+4+2*uint64(q.availIdx%q.size), binary.LittleEndian.AppendUint16(nil, head))
	q.availIdx++
	q.put(q.avail+2, binary.LittleEndian.AppendUint16(nil, q.availIdx))
}

// post makes a buffer with room for n bytes of payload available.
func (q *driverQueue) post(i uint16, n int) {
	var dir uint16
	if q.write {
		dir = descWrite
	}
	at := q.slot(i)
	if n == 0 {
		q.putDesc(2*i, at, headerLen, dir, 0)
	} else {
		q.putDesc(2*i, at, headerLen, dir|descNext, 2*i+1)
		q.putDesc(2*i+1, at+headerLen, uint32(n), dir, 0)
	}
	q.offer(2 * i)
}

// pop returns a buffer that the device has used, and how much it wrote.
func (q *driverQueue) pop() (i uint16, n int, ok bool) {
	if binary.LittleEndian.Uint16(q.get(q.used+2, 2)) == q.usedIdx {
		return 0, 0, false
	}
	elem := q.get(q.used+4+elemLen*uint64(q.usedIdx%q.size), elemLen)
	q.usedIdx++
	return uint16(binary.LittleEndian.Uint32(elem) / 2), int(binary.LittleEndian.Uint32(elem[4:])), true
}

// driver is the guest's side of a device: rings and packets, no sockets. Its
// methods are for one goroutine.
type driver struct {
	cid            uint64
	rx, tx         *driverQueue
	kickRX, kickTX func()
	irq            chan struct{} // the device has used a receive buffer
}

type packet struct {
	header
	payload string
}

func newDriver(mem memory, cid uint64, size uint16) *driver {
	return &driver{
		cid: cid,
		rx:  newDriverQueue(mem, ramBase, size, true),
		tx:  newDriverQueue(mem, ramBase+ramSize/2, size, false),
		irq: make(chan struct{}, 1),
	}
}

// feed gives the device n receive buffers, or all when n is negative.
func (g *driver) feed(n int) {
	for ; n != 0 && len(g.rx.free) > 0; n-- {
		i := g.rx.free[0]
		g.rx.free = g.rx.free[1:]
		g.rx.post(i, payloadMax)
	}
	g.kickRX()
}

// trySend sends a packet unless the transmit queue is full.
func (g *driver) trySend(h header, payload []byte) bool {
	for {
		i, _, ok := g.tx.pop()
		if !ok {
			break
		}
		g.tx.free = append(g.tx.free, i)
	}
	if len(g.tx.free) == 0 {
		return false
	}
	i := g.tx.free[0]
	g.tx.free = g.tx.free[1:]
	var b [headerLen]byte
	h.encode(&b)
	g.tx.put(g.tx.slot(i), append(b[:], payload...))
	g.tx.post(i, len(payload))
	g.kickTX()
	return true
}

// send sends a packet from a port of the guest to one of the host. Fields of h
// that are zero get what a well-behaved guest writes there.
func (g *driver) send(t testing.TB, h header, payload string) {
	t.Helper()
	if h.srcCID == 0 {
		h.srcCID = g.cid
	}
	if h.dstCID == 0 {
		h.dstCID = HostCID
	}
	if h.typ == 0 {
		h.typ = typeStream
	}
	if h.bufAlloc == 0 {
		h.bufAlloc = 64 << 10
	}
	h.len = uint32(len(payload))
	if !g.trySend(h, []byte(payload)) {
		t.Fatal("transmit queue is full")
	}
}

// tryRecv returns a packet that has arrived, and gives its buffer back.
func (g *driver) tryRecv() (packet, bool) {
	i, n, ok := g.rx.pop()
	if !ok {
		return packet{}, false
	}
	b := g.rx.get(g.rx.slot(i), n)
	var p packet
	p.decode((*[headerLen]byte)(b))
	p.payload = string(b[headerLen:])
	g.rx.post(i, payloadMax)
	g.kickRX()
	return p, true
}

// recv returns the next packet.
func (g *driver) recv(t testing.TB) packet {
	t.Helper()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	for {
		if p, ok := g.tryRecv(); ok {
			return p
		}
		select {
		case <-g.irq:
		case <-late.C:
			t.Fatal("no packet came")
		}
	}
}

// expect fails unless the next packet is an op between the two ports, and
// returns it.
func (g *driver) expect(t testing.TB, want op, host, guest uint32) packet {
	t.Helper()
	p := g.recv(t)
	type ends struct {
		Op                 op
		SrcCID, DstCID     uint64
		SrcPort, DstPort   uint32
		Type               uint16
		Length, PayloadLen uint32
	}
	got := ends{p.op, p.srcCID, p.dstCID, p.srcPort, p.dstPort, p.typ, p.len, uint32(len(p.payload))}
	exp := ends{want, HostCID, g.cid, host, guest, p.typ, p.len, p.len}
	if diff := cmp.Diff(exp, got); diff != "" {
		t.Fatalf("packet (-want +got):\n%s", diff)
	}
	return p
}

// silent fails if a packet has arrived.
func (g *driver) silent(t testing.TB) {
	t.Helper()
	if p, ok := g.tryRecv(); ok {
		t.Fatalf("unexpected packet: %+v", p)
	}
}

// rig is a device with a driver, without a VMM between them.
type rig struct {
	*driver
	dev  *Device
	link *link
	err  error         // why the device hung up; read it after down is closed
	down chan struct{} // closed when the device has hung up
	wake chan struct{} // the device wants to be kicked for transmission

	unplug func() // takes the driver away
}

const testCID = 3

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	r := bareRig(t, cfg, 128)
	r.feed(-1)
	return r
}

// bareRig is a rig with queues of a size and without receive buffers.
func bareRig(t testing.TB, cfg Config, size uint16) *rig {
	t.Helper()
	cfg.GuestCID = testCID
	dev, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		driver: newDriver(newRAM(), testCID, size),
		dev:    dev,
		down:   make(chan struct{}),
		wake:   make(chan struct{}, 1),
	}
	var once sync.Once
	r.link, err = dev.attach(func(err error) {
		once.Do(func() {
			r.err = err
			close(r.down)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.connect()
	r.unplug = sync.OnceFunc(func() { dev.detach(r.link) })
	t.Cleanup(func() {
		r.unplug()
		dev.Close()
	})
	return r
}

// connect starts the queues of the device.
func (r *rig) connect() {
	locked := func(f func()) func() {
		return func() {
			r.dev.mu.Lock()
			defer r.dev.mu.Unlock()
			f()
		}
	}
	r.kickRX = locked(r.link.transmit)
	r.kickTX = locked(func() {
		for r.link.receive() {
		}
	})
	locked(func() {
		r.link.mem = r.rx.mem
		r.link.wakeTx = func() { signal(r.wake) }
		r.link.rx.notify = func() { signal(r.irq) }
		r.link.tx.notify = func() {}
		for q, dq := range map[*queue]*driverQueue{&r.link.rx: r.rx, &r.link.tx: r.tx} {
			if err := q.start(dq.mem, dq.size, dq.desc, dq.avail, dq.used, dq.availIdx); err != nil {
				panic(err)
			}
		}
	})()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hungUp fails unless the device has ended with an error that says want.
func (r *rig) hungUp(t testing.TB, want string) {
	t.Helper()
	select {
	case <-r.down:
	case <-time.After(10 * time.Second):
		t.Fatal("device goes on")
	}
	if r.err == nil || !strings.Contains(r.err.Error(), want) {
		t.Fatalf("error is %v, not one that says %q", r.err, want)
	}
}

package vhostvsock

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vmm is the other end of vhost-user: it sets a device up for a driver, as QEMU
// does. The guest's RAM is memory of the test itself, which the device reaches
// the way it reaches that of another process.
type vmm struct {
	*driver
	dev    *Device
	conn   *net.UnixConn
	user   uint64 // address of the RAM
	kicks  [2]int
	calls  [2]int
	served chan error
}

// newVMM starts Serve. end must be called.
func newVMM(t testing.TB, dev *Device) *vmm {
	t.Helper()
	ram, err := unix.Mmap(-1, 0, ramSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(ram) })
	v := &vmm{dev: dev, user: uint64(uintptr(unsafe.Pointer(&ram[0]))), served: make(chan error, 1)}

	mem, err := openMemory(os.Getpid(), regions{{guest: ramBase, size: ramSize, user: v.user}})
	if err != nil {
		t.Fatal(err)
	}
	v.driver = newDriver(mem, testCID, 128)
	for _, fds := range []*[2]int{&v.kicks, &v.calls} {
		for i := range fds {
			fds[i] = eventFD(t)
		}
	}
	v.kickRX = func() { _, _ = unix.Write(v.kicks[0], one) }
	v.kickTX = func() { _, _ = unix.Write(v.kicks[1], one) }

	ours, theirs := socketPair(t)
	c, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	v.conn = c.(*net.UnixConn)
	t.Cleanup(func() { v.conn.Close() })
	_ = v.conn.SetDeadline(time.Now().Add(time.Minute))
	go func() { v.served <- dev.Serve(context.WithoutCancel(t.Context()), ours, os.Getpid()) }()
	return v
}

// eventFD is one like those of QEMU.
func eventFD(t testing.TB) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// words32 and words64 are payloads.
func words32(n ...uint32) (b []byte) {
	for _, n := range n {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func words64(n ...uint64) (b []byte) {
	for _, n := range n {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// tell sends a request and asks for an answer, unless it is one already.
func (v *vmm) tell(t testing.TB, req request, payload []byte, fds ...int) {
	t.Helper()
	if got := v.ask(t, req, messageNeedReply, payload, fds...); len(got) != 8 || binary.LittleEndian.Uint64(got) != 0 {
		t.Fatalf("request %d is answered with %x", req, got)
	}
}

// ask sends a request and returns the payload of the answer.
func (v *vmm) ask(t testing.TB, req request, flags uint32, payload []byte, fds ...int) []byte {
	t.Helper()
	v.request(t, req, flags, payload, fds...)
	var head [messageHeaderLen]byte
	if _, err := io.ReadFull(v.conn, head[:]); err != nil {
		t.Fatalf("answer to request %d: %v", req, err)
	}
	if got := request(binary.LittleEndian.Uint32(head[:])); got != req {
		t.Fatalf("answer to %d is one to %d", req, got)
	}
	answer := make([]byte, binary.LittleEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(v.conn, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// request sends a request.
func (v *vmm) request(t testing.TB, req request, flags uint32, payload []byte, fds ...int) {
	t.Helper()
	b := append(words32(uint32(req), messageVersion|flags, uint32(len(payload))), payload...)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := v.conn.WriteMsgUnix(b, oob, nil); err != nil {
		t.Fatal(err)
	}
}

// setMemory tells where the RAM is.
func (v *vmm) setMemory(t testing.TB) {
	t.Helper()
	fd, err := unix.MemfdCreate("ram", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	v.tell(t, reqSetMemTable, append(words32(1, 0), words64(ramBase, ramSize, v.user, 0)...), fd)
}

// start starts the queues from the bases on, in QEMU's order.
func (v *vmm) start(t testing.TB, bases [2]uint16) {
	t.Helper()
	v.tell(t, reqSetFeatures, words64(features))
	v.setMemory(t)
	for i, q := range []*driverQueue{v.rx, v.tx} {
		n := uint32(i)
		v.tell(t, reqSetVringNum, words32(n, uint32(q.size)))
		v.tell(t, reqSetVringBase, words32(n, uint32(bases[i])))
		v.tell(t, reqSetVringAddr, append(words32(n, 0), words64(v.at(q.desc), v.at(q.used), v.at(q.avail), 0)...))
		v.tell(t, reqSetVringKick, words64(uint64(n)), v.kicks[i])
		v.tell(t, reqSetVringCall, words64(uint64(n)), v.calls[i])
	}
	for i := range uint32(2) {
		v.tell(t, reqSetVringEnable, words32(i, 1))
	}
}

// stop stops the queues and returns how far they have come.
func (v *vmm) stop(t testing.TB) (bases [2]uint16) {
	t.Helper()
	for i := range bases {
		v.tell(t, reqSetVringEnable, words32(uint32(i), 0))
		got := v.ask(t, reqGetVringBase, 0, words32(uint32(i), 0))
		if len(got) != 8 || binary.LittleEndian.Uint32(got) != uint32(i) {
			t.Fatalf("vring base is answered with %x", got)
		}
		bases[i] = binary.LittleEndian.Uint16(got[4:])
	}
	return bases
}

func (v *vmm) at(guest uint64) uint64 { return v.user + guest - ramBase }

// recv returns the next packet, for which the device interrupts.
func (v *vmm) recv(t testing.TB) packet {
	t.Helper()
	for {
		if p, ok := v.tryRecv(); ok {
			return p
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(v.calls[0]), Events: unix.POLLIN}}, 10_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("no packet came: %v", err)
		}
		_, _ = unix.Read(v.calls[0], make([]byte, 8))
	}
}

// end closes the connection and returns what Serve says.
func (v *vmm) end() error {
	v.conn.Close()
	return <-v.served
}

package vhostvsock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func newDevice(t testing.TB) *Device {
	t.Helper()
	d, err := New(Config{GuestCID: testCID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// connect opens a connection from the guest and returns the host's end.
func (v *vmm) connect(t testing.TB, port uint32) net.Conn {
	t.Helper()
	l, err := v.dev.Listen(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v.send(t, header{op: opRequest, srcPort: port, dstPort: hostPort}, "")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if p := v.recv(t); p.op != opResponse {
		t.Fatalf("packet %+v", p)
	}
	return c
}

// exchange passes bytes both ways.
func (v *vmm) exchange(t testing.TB, c net.Conn) {
	t.Helper()
	v.send(t, header{op: opData, srcPort: c.RemoteAddr().(Addr).Port, dstPort: hostPort}, "ping")
	mustRead(t, c, "ping")
	mustWrite(t, c, "pong")
	if p := v.recv(t); p.payload != "pong" {
		t.Fatalf("packet %+v", p)
	}
}

func TestServe(t *testing.T) {
	before := openFDs(t)
	d := newDevice(t)
	for range 2 { // a second driver finds the device as the first did
		v := newVMM(t, d)
		if got, want := v.ask(t, reqGetFeatures, 0, nil), words64(features); !bytes.Equal(got, want) {
			t.Errorf("features %x, not %x", got, want)
		}
		if got, want := v.ask(t, reqGetProtocolFeatures, 0, nil), words64(protocolFeatures); !bytes.Equal(got, want) {
			t.Errorf("protocol features %x, not %x", got, want)
		}
		v.tell(t, reqSetProtocolFeatures, words64(protocolFeatures))
		v.tell(t, reqSetOwner, nil)
		config := append(words32(0, 8, 0), make([]byte, 8)...)
		if got, want := v.ask(t, reqGetConfig, 0, config), append(words32(0, 8, 0), words64(testCID)...); !bytes.Equal(got, want) {
			t.Errorf("config %x, not %x", got, want)
		}
		v.start(t, [2]uint16{})
		v.feed(-1)
		c := v.connect(t, guestPort)
		v.exchange(t, c)

		v.setMemory(t) // also while the queues run
		v.exchange(t, c)

		if err := v.end(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		wantReadError(t, c, syscall.ECONNRESET)
		for i := range v.kicks {
			unix.Close(v.kicks[i])
			unix.Close(v.calls[i])
			v.kicks[i], v.calls[i] = -1, -1
		}
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// openFDs counts the descriptors of this process.
func openFDs(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// A VMM that is stopped and goes on keeps its connections. A driver that has
// begun anew has none.
func TestServeStopAndStart(t *testing.T) {
	v := newVMM(t, newDevice(t))
	v.start(t, [2]uint16{})
	v.feed(-1)
	c := v.connect(t, guestPort)
	v.exchange(t, c)

	bases := v.stop(t)
	if bases[0] == 0 || bases[1] == 0 {
		t.Errorf("queues have come to %v", bases)
	}
	v.send(t, toHost(opData), "meanwhile")
	v.start(t, bases)
	mustRead(t, c, "meanwhile")
	v.exchange(t, c)

	v.stop(t)
	v.driver = newDriver(v.rx.mem, testCID, 128)
	v.kickRX = func() { _, _ = unix.Write(v.kicks[0], one) }
	v.kickTX = func() { _, _ = unix.Write(v.kicks[1], one) }
	for _, q := range []*driverQueue{v.rx, v.tx} {
		q.put(q.used, make([]byte, 4))
		q.put(q.avail, make([]byte, 4))
	}
	v.start(t, [2]uint16{})
	wantReadError(t, c, syscall.ECONNRESET)
	v.feed(-1)
	v.exchange(t, v.connect(t, guestPort))
	if err := v.end(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeEnds(t *testing.T) {
	t.Run("with its context", func(t *testing.T) {
		d := newDevice(t)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ours, _ := socketPair(t)
		served := make(chan error)
		go func() { served <- d.Serve(ctx, ours, os.Getpid()) }()
		cancel(cause)
		if err := <-served; !errors.Is(err, cause) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("with its device", func(t *testing.T) {
		v := newVMM(t, newDevice(t))
		v.start(t, [2]uint16{})
		v.dev.Close()
		if err := <-v.served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("when its guest breaks a ring", func(t *testing.T) {
		v := newVMM(t, newDevice(t))
		v.start(t, [2]uint16{})
		v.tx.offer(999)
		v.kickTX()
		if err := <-v.served; err == nil || !strings.Contains(err.Error(), "guest broke its vsock device") {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("in order when its VMM has died", func(t *testing.T) {
		var dead atomic.Bool
		d := newDevice(t)
		open := d.openMemory
		d.openMemory = func(pid int, rs regions) (memory, error) {
			m, err := open(pid, rs)
			return mortalMemory{m, &dead}, err
		}
		v := newVMM(t, d)
		v.start(t, [2]uint16{})
		v.feed(-1)
		c := v.connect(t, guestPort)
		dead.Store(true)
		_, _ = c.Write([]byte("is anybody there?"))
		wantReadError(t, c, syscall.ECONNRESET)
		if err := <-v.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("at once when another works", func(t *testing.T) {
		v := newVMM(t, newDevice(t))
		v.tell(t, reqSetOwner, nil)
		ours, _ := socketPair(t)
		if err := v.dev.Serve(t.Context(), ours, os.Getpid()); err == nil {
			t.Error("second Serve works")
		}
		if err := v.end(); err != nil {
			t.Errorf("first Serve: %v", err)
		}
	})
}

// mortalMemory is memory of a VMM that may be dead.
type mortalMemory struct {
	memory
	dead *atomic.Bool
}

func (m mortalMemory) read(dst [][]byte, src []span) error {
	if m.dead.Load() {
		return errMemoryGone
	}
	return m.memory.read(dst, src)
}

// A VMM that breaks a rule of vhost-user is cut off.
func TestBrokenVMM(t *testing.T) {
	pipe := func(t *testing.T) int {
		t.Helper()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return int(r.Fd())
	}
	type send func(req request, payload []byte, fds ...int)
	tests := []struct {
		name   string
		breaks func(t *testing.T, v *vmm, send send)
		want   string
	}{
		{"unknown request", func(_ *testing.T, _ *vmm, send send) { send(77, nil) }, "handle request 77 of VMM: request is unknown"},
		{"short payload", func(_ *testing.T, _ *vmm, send send) { send(reqSetFeatures, []byte{1}) }, "message 2 has a payload of 1 bytes"},
		{"long payload", func(_ *testing.T, _ *vmm, send send) { send(reqSetFeatures, make([]byte, maxMessage+1)) }, "message 2 has a payload of 513 bytes"},
		{"wrong version", func(t *testing.T, v *vmm, _ send) {
			if _, err := v.conn.Write(words32(1, 2, 0)); err != nil {
				t.Fatal(err)
			}
		}, "message 1 has flags 0x2"},
		{"half a header", func(t *testing.T, v *vmm, _ send) {
			if _, err := v.conn.Write([]byte{1, 0, 0}); err != nil {
				t.Fatal(err)
			}
			v.conn.Close()
		}, "unexpected EOF"},
		{"feature that was not offered", func(_ *testing.T, _ *vmm, send send) { send(reqSetFeatures, words64(1<<28)) }, "features 0x10000000 were not offered"},
		{"protocol feature that was not offered", func(_ *testing.T, _ *vmm, send send) {
			send(reqSetProtocolFeatures, words64(1))
		}, "protocol features 0x1 were not offered"},
		{"no memory", func(_ *testing.T, _ *vmm, send send) { send(reqSetMemTable, words32(0, 0)) }, "memory table has 0 regions"},
		{"memory of which less is there", func(_ *testing.T, _ *vmm, send send) { send(reqSetMemTable, words32(2, 0)) }, "message 5 has a payload of 8 bytes"},
		{"memory that is not there", func(_ *testing.T, _ *vmm, send send) {
			send(reqSetMemTable, append(words32(1, 0), words64(0, 4096, 4096, 0)...))
		}, "read memory of process"},
		{"too many descriptors", func(t *testing.T, _ *vmm, send send) {
			fds := make([]int, maxRegions+5)
			for i := range fds {
				fds[i] = eventFD(t)
			}
			send(reqSetMemTable, nil, fds...)
		}, "too many file descriptors"},
		{"queue that does not exist", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringNum, words32(2, 128)) }, "there is no queue 2"},
		{"queue of an odd size", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringNum, words32(0, 100)) }, "queue size 100"},
		{"queue that is too large", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringNum, words32(0, 1024)) }, "queue size 1024"},
		{"base out of range", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringBase, words32(0, 1<<16)) }, "vring base 65536"},
		{"kick without a descriptor", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringKick, words64(0)) }, "message carries 0 file descriptors"},
		{"kick to be polled", func(_ *testing.T, _ *vmm, send send) { send(reqSetVringKick, words64(vringNoFD)) }, "would have to be polled"},
		{"kick by a pipe", func(t *testing.T, _ *vmm, send send) { send(reqSetVringKick, words64(0), pipe(t)) }, "descriptor is no eventfd but pipe:"},
		{"call by a pipe", func(t *testing.T, _ *vmm, send send) { send(reqSetVringCall, words64(0), pipe(t)) }, "descriptor is no eventfd but pipe:"},
		{"config out of range", func(_ *testing.T, _ *vmm, send send) { send(reqGetConfig, words32(4, 5, 0)) }, "config space has no 5 bytes at 4"},
		{"queue without memory", func(_ *testing.T, v *vmm, send send) {
			send(reqSetVringKick, words64(0), v.kicks[0])
			send(reqSetVringEnable, words32(0, 1))
		}, "queue is started before its memory and size are known"},
		{"queue outside of memory", func(t *testing.T, v *vmm, send send) {
			v.tell(t, reqSetFeatures, words64(features))
			v.setMemory(t)
			send(reqSetVringNum, words32(0, 128))
			send(reqSetVringAddr, append(words32(0, 0), words64(0, 0, 0, 0)...))
			send(reqSetVringEnable, words32(0, 1))
			send(reqSetVringKick, words64(0), v.kicks[0])
		}, "descriptor table: 2048 bytes at the VMM's address 0x0"},
		{"queue that is not aligned", func(t *testing.T, v *vmm, send send) {
			v.tell(t, reqSetFeatures, words64(features))
			v.setMemory(t)
			send(reqSetVringNum, words32(0, 128))
			send(reqSetVringAddr, append(words32(0, 0), words64(v.user, v.user+2, v.user, 0)...))
			send(reqSetVringEnable, words32(0, 1))
			send(reqSetVringKick, words64(0), v.kicks[0])
		}, "used ring: address 0x100002 is not aligned to 4 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVMM(t, newDevice(t))
			tt.breaks(t, v, func(req request, payload []byte, fds ...int) {
				v.request(t, req, 0, payload, fds...)
			})
			if err := <-v.served; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Serve: %v, which does not say %q", err, tt.want)
			}
		})
	}
}

// Where process_vm_readv is forbidden, /proc/PID/mem does the same.
func TestProcessMemory(t *testing.T) {
	for _, door := range []string{"process_vm", "/proc/PID/mem"} {
		t.Run(door, func(t *testing.T) {
			v := newVMM(t, newDevice(t))
			defer func() { _ = v.end() }()
			mem := &processMemory{pid: os.Getpid(), regions: regions{
				{guest: 0, size: 100, user: v.user},
				{guest: 100, size: 100, user: v.user + 4096},
				{guest: 1000, size: 100, user: 4096}, // nothing is there
			}}
			if door != "process_vm" {
				file, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				mem.file = file
			}
			defer mem.close()

			if err := mem.write([]span{{90, 20}, {0, 0}, {5, 2}}, [][]byte{[]byte("0123456789abcdefghij"), nil, []byte("kl")}); err != nil {
				t.Fatal(err)
			}
			got := [3][]byte{make([]byte, 2), make([]byte, 15), make([]byte, 5)}
			if err := mem.read(got[:], []span{{5, 2}, {90, 10}, {100, 10}}); err != nil {
				t.Fatal(err)
			}
			if s := string(bytes.Join(got[:], []byte("|"))); s != "kl|0123456789abcde|fghij" {
				t.Errorf("read %q", s)
			}
			for _, s := range []span{{195, 10}, {1000, 1}, {1 << 40, 1}} {
				if err := mem.read([][]byte{make([]byte, s.len)}, []span{s}); err == nil {
					t.Errorf("%d bytes at %#x could be read", s.len, s.addr)
				}
			}
			if err := mem.read([][]byte{make([]byte, 3)}, []span{{0, 2}}); err == nil {
				t.Error("copy of unequal lengths")
			}
			if err := mem.read([][]byte{make([]byte, 2)}, []span{{0, 3}}); err == nil {
				t.Error("copy of unequal lengths")
			}
		})
	}
	for _, door := range []string{"process_vm", "/proc/PID/mem"} {
		t.Run(door+" of a process that ends", func(t *testing.T) {
			cmd, at := victim(t)
			mem := &processMemory{pid: cmd.Process.Pid, regions: regions{{guest: 0, size: 1, user: at}}}
			if door != "process_vm" {
				file, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", mem.pid), os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				mem.file = file
			}
			defer mem.close()
			b := [][]byte{make([]byte, 1)}
			if err := mem.read(b, []span{{0, 1}}); err != nil {
				t.Fatal(err)
			}
			end(t, cmd)
			if err := mem.read(b, []span{{0, 1}}); !errors.Is(err, errMemoryGone) {
				t.Errorf("read: %v", err)
			}
			if err := mem.write([]span{{0, 1}}, b); !errors.Is(err, errMemoryGone) {
				t.Errorf("write: %v", err)
			}
		})
	}
}

// victim starts a process and returns an address of which it has memory.
func victim(t testing.TB) (cmd *exec.Cmd, at uint64) {
	t.Helper()
	cmd = exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	// Once it answers, it is the program and no copy of this one.
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(line, "[stack]\n") {
			if _, err := fmt.Sscanf(line, "%x-", &at); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cmd, at
}

// end ends a process, which is not reaped yet.
func end(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

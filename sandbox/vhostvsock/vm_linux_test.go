package vhostvsock

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// vm is QEMU with a guest that runs testdata/guest.
type vm struct {
	dev     *Device
	pid     int
	qmp     *net.UnixConn
	events  *bufio.Reader
	console *lockedBuffer
	served  chan error // result of each Serve
}

// bootVM boots a guest on a new device. The guest's memory is private to QEMU,
// as a start from a saved state has it.
func bootVM(t *testing.T) *vm {
	image := testimage.WithInit(t, "sandbox/vhostvsock/testdata/guest")
	qemu, err := exec.LookPath("qemu-system-" + map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH])
	if err != nil {
		t.Fatal(err)
	}
	dev, err := New(Config{GuestCID: testCID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })

	vsockOurs, vsockTheirs := socketPair(t)
	qmpOurs, qmpTheirs := socketPair(t)
	t.Cleanup(func() { qmpOurs.Close() })
	m := &vm{dev: dev, qmp: qmpOurs, events: bufio.NewReader(qmpOurs), console: new(lockedBuffer), served: make(chan error, 1)}
	cmd := exec.Command(qemu,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "256",
		"-object", "memory-backend-memfd,id=ram,size=256M,share=off", "-machine", "memory-backend=ram",
		"-kernel", image.Kernel, "-initrd", image.Initramfs,
		"-append", "console=ttyS0 quiet panic=-1",
		"-serial", "stdio",
		"-device", "pcie-root-port,id=root0,chassis=1,slot=1",
		"-chardev", "socket,id=vsock,fd=3", "-device", "vhost-user-vsock-pci,id=vsock0,chardev=vsock,bus=root0",
		"-chardev", "socket,id=qmp,fd=4", "-mon", "qmp,mode=control",
	)
	cmd.Stdout, cmd.Stderr = m.console, m.console
	cmd.ExtraFiles = []*os.File{vsockTheirs, qmpTheirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when this thread dies, with the test
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	vsockTheirs.Close()
	qmpTheirs.Close()
	m.pid = cmd.Process.Pid
	m.serve(t, vsockOurs)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if err := <-m.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("console:\n%s", m.console.String())
		}
	})
	if _, err := m.readQMP("QMP"); err != nil {
		t.Fatalf("greeting of QEMU: %v\n%s", err, m.console.String())
	}
	m.command(t, "qmp_capabilities", nil)
	return m
}

// serve starts Serve on conn.
func (m *vm) serve(t *testing.T, conn *net.UnixConn) {
	ctx := context.WithoutCancel(t.Context()) // the end of QEMU is the end of it
	go func() { m.served <- m.dev.Serve(ctx, conn, m.pid) }()
}

// command runs a command of QMP, with descriptors sent along.
func (m *vm) command(t *testing.T, name string, args map[string]any, fds ...int) {
	t.Helper()
	if err := m.tryCommand(name, args, fds...); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type command struct {
	Execute   string         `json:"execute"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

func (m *vm) tryCommand(name string, args map[string]any, fds ...int) error {
	b, err := json.Marshal(command{name, args})
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := m.qmp.WriteMsgUnix(b, oob, nil); err != nil {
		return err
	}
	_, err = m.readQMP("return")
	return err
}

// readQMP reads up to a message that has the key.
func (m *vm) readQMP(key string) (json.RawMessage, error) {
	_ = m.qmp.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		line, err := m.events.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		var msg map[string]json.RawMessage
		if err := json.Unmarshal(line, &msg); err != nil {
			return nil, err
		}
		if e, ok := msg["error"]; ok {
			return nil, fmt.Errorf("%s", e)
		}
		if v, ok := msg[key]; ok {
			return v, nil
		}
	}
}

// awaitEvent reads up to an event of QMP.
func (m *vm) awaitEvent(t *testing.T, name string) {
	t.Helper()
	for {
		e, err := m.readQMP("event")
		if err != nil {
			t.Fatal(err)
		}
		if string(e) == `"`+name+`"` {
			return
		}
	}
}

// socketPair returns our end as a connection, which its user closes, and the
// other as a file.
func socketPair(t testing.TB) (*net.UnixConn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(fds[0]), "ours")
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { theirs.Close() })
	return c.(*net.UnixConn), theirs
}

// lockedBuffer collects the console.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

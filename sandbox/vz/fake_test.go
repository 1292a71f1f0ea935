package vz

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The library waits for connections of listeners that are closed, and for
		// states of machines that have ended.
		goleak.IgnoreAnyFunction("github.com/Code-Hex/vz/v3.(*VirtioSocketListener).AcceptVirtioSocketConnection"),
		goleak.IgnoreAnyFunction("github.com/Code-Hex/go-infinity-channel.(*Channel[...]).infinite"),
	)
}

// fakeHypervisor stands in for the framework. Its guests are goroutines.
type fakeHypervisor struct {
	unusable error
	unsaving error
	failing  string // the call of every machine that fails

	mu    sync.Mutex
	made  []*fakeVM
	calls []string // that were made of all machines
}

func (h *fakeHypervisor) usable() error   { return h.unusable }
func (h *fakeHypervisor) saves() error    { return h.unsaving }
func (h *fakeHypervisor) version() string { return "macOS 99.0 99A1" }

func (h *fakeHypervisor) create(s spec) (vm, error) {
	if err := h.call("create"); err != nil {
		return nil, err
	}
	if err := s.check(limits{minCPUs: 1, maxCPUs: 8, minMemory: 1 << 20, maxMemory: 8 << 30}); err != nil {
		return nil, err
	}
	v := &fakeVM{hv: h, spec: s, id: s.identifier, dialled: make(chan net.Conn), ended: make(chan error, 1)}
	if v.id == nil {
		h.mu.Lock()
		v.id = fmt.Appendf(nil, "machine %d", len(h.made))
		h.mu.Unlock()
	}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.tty, v.out = io.Pipe()
	h.mu.Lock()
	h.made = append(h.made, v)
	h.mu.Unlock()
	return v, nil
}

// call notes a call of a machine, and fails if it is to fail.
func (h *fakeHypervisor) call(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, name)
	if h.failing == name {
		return errors.New(name + " fails")
	}
	return nil
}

// last returns the machine that was made last.
func (h *fakeHypervisor) last() *fakeVM {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.made[len(h.made)-1]
}

// fakeVM is a machine whose guest reads its boot file from its initramfs, dials
// the port that it finds there, and is a desktop.
type fakeVM struct {
	hv   *fakeHypervisor
	spec spec
	id   []byte
	tty  *io.PipeReader
	out  *io.PipeWriter

	ctx    context.Context // of the guest
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	boot     desktop.Boot // what the guest takes itself for
	listener *fakeListener

	dialled chan net.Conn // host's ends
	ended   chan error    // what wait returns

	// answer is what the guest does when it is dialled; nil refuses.
	answer func(port uint32) (net.Conn, error)
}

func (v *fakeVM) identifier() []byte     { return v.id }
func (v *fakeVM) console() io.ReadCloser { return v.tty }
func (v *fakeVM) close()                 { v.out.Close() }

func (v *fakeVM) start() error {
	if err := v.hv.call("start"); err != nil {
		return err
	}
	boot, err := readBoot(v.spec.initramfs)
	if err != nil {
		return err
	}
	v.boot = boot
	v.run()
	return nil
}

func (v *fakeVM) run() {
	v.wg.Go(func() {
		for v.ctx.Err() == nil {
			host, guest := net.Pipe()
			select {
			case v.dialled <- host:
				v.mu.Lock()
				boot := v.boot
				v.mu.Unlock()
				sandboxtest.Serve(v.ctx, guest, sandboxtest.Hello(boot))
			case <-v.ctx.Done():
				host.Close()
				guest.Close()
			}
		}
	})
}

func (v *fakeVM) pause() error { return v.hv.call("pause") }

func (v *fakeVM) resume() error {
	if err := v.hv.call("resume"); err != nil {
		return err
	}
	return nil
}

func (v *fakeVM) stop() error {
	v.cancel()
	v.wg.Wait()
	select {
	case v.ended <- nil:
	default:
	}
	return v.hv.call("stop")
}

func (v *fakeVM) savable() error { return v.hv.unsaving }

func (v *fakeVM) save(path string) error {
	if err := v.hv.call("save"); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.listener != nil && !v.listener.isClosed() {
		return errors.New("the guest could still dial")
	}
	data, err := json.Marshal(v.boot)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(v.id, data...), 0o600)
}

func (v *fakeVM) restore(path string) error {
	if err := v.hv.call("restore"); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data, ok := bytes.CutPrefix(data, v.id)
	if !ok {
		return errors.New("invalid argument") // all that the framework says
	}
	if err := json.Unmarshal(data, &v.boot); err != nil {
		return err
	}
	v.run()
	return nil
}

func (v *fakeVM) listen(port uint32) (net.Listener, error) {
	if err := v.hv.call("listen"); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.listener != nil && !v.listener.isClosed() {
		return nil, errors.New("something listens already")
	}
	if port != v.boot.Port {
		return nil, fmt.Errorf("the guest dials %d, not %d", v.boot.Port, port)
	}
	v.listener = &fakeListener{vm: v, closed: make(chan struct{})}
	return v.listener, nil
}

func (v *fakeVM) connect(port uint32) (net.Conn, error) {
	if v.answer == nil {
		return nil, refusal(errors.New("connection reset by peer"), "NSPOSIXErrorDomain", int(syscall.ECONNRESET))
	}
	return v.answer(port)
}

func (v *fakeVM) wait(ctx context.Context) error {
	select {
	case err := <-v.ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type fakeListener struct {
	vm     *fakeVM
	once   sync.Once
	closed chan struct{}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.vm.dialled:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *fakeListener) Addr() net.Addr { return nil }

func (l *fakeListener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// readBoot reads an initramfs as a kernel does, archive after archive, for the
// boot file.
func readBoot(path string) (boot desktop.Boot, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return boot, err
	}
	at := bytes.LastIndex(data, []byte("070701"))
	for ; at > 0; at = bytes.LastIndex(data[:at], []byte("070701")) {
		records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(data[at:])))
		if err != nil {
			return boot, err
		}
		for _, r := range records {
			if r.Name == desktop.BootFile {
				text, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
				if err != nil {
					return boot, err
				}
				return boot, json.Unmarshal(text, &boot)
			}
		}
	}
	return boot, errors.New("the initramfs holds no boot file")
}

// imageConfig returns a config whose files are there.
func imageConfig(t *testing.T) sandbox.Config {
	t.Helper()
	dir := t.TempDir()
	cfg := sandboxtest.Config()
	cfg.Kernel, cfg.Initramfs, cfg.Root.Path = dir+"/kernel", dir+"/initramfs", dir+"/root"
	for path, data := range map[string][]byte{
		cfg.Kernel:    arm64Image("kernel"),
		cfg.Initramfs: []byte("modules and agent"),
		cfg.Root.Path: make([]byte, 512),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

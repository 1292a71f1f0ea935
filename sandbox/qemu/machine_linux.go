package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/ring"
	"github.com/vmette/vmette-mcp/sandbox/internal/steps"
	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// What is kept of a machine's output.
const (
	consoleSize = 64 << 10 // of the guest's serial console
	stderrSize  = 4 << 10  // of QEMU's own messages
)

// machine is one QEMU process and what belongs to it.
type machine struct {
	binary    string
	isolation sandbox.Isolation
	doorKind  Door
	cred      *syscall.Credential // whom QEMU runs as; nil for the same user
	cfg       sandbox.Config
	boot      desktop.Boot
	dir       string
	state     *state // to start from; nil for a cold boot
	log       *slog.Logger

	memory   *os.File  // the guest's: its own, or the state's with private pages over it
	scratch  *os.File  // the guest's scratch disk, which QEMU has open too; nil without one
	files    fileTable // for QEMU, until it has them
	door     door
	doorOnce sync.Once // closes it
	cmd      commandLine
	frames   net.Conn // our end of the network card's cable; nil without one
	qmpConn  *net.UnixConn
	ttyConn  *net.UnixConn
	child    *child
	shares   []shareServer
	shareErr error // why one of them ended by itself
	qmp      *qmp.Client
	console  *ring.Ring
	stderr   *ring.Ring
	incoming chan net.Conn

	ctx    context.Context // of what serves the running machine
	cancel context.CancelFunc
	wg     sync.WaitGroup
	events events

	saving     sync.Mutex // held while the machine is saved
	unplugging bool       // the guest may let go of a device at any time; guarded by saving

	broken    chan struct{} // closed when the vsock device has broken, after serveErr was set
	breakOnce sync.Once
	serveErr  error

	shutdown chan string // the reason of QEMU's first SHUTDOWN event

	stopOnce sync.Once
	stopping chan struct{} // closed by Stop
	done     chan struct{} // closed when everything is gone
	err      error         // why it ended, after done
}

// start boots the machine. When it fails nothing is left.
func (m *machine) start(ctx context.Context, onStep func(string)) error {
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.console, m.stderr = ring.New(consoleSize), ring.New(stderrSize)
	m.incoming = make(chan net.Conn)
	m.broken, m.stopping, m.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	m.shutdown = make(chan string, 1)

	list := []steps.Step{
		{Name: "open memory", Do: m.openMemory, Undo: m.closeMemory},
		{Name: "open image", Do: m.openImage, Undo: m.files.close},
		{Name: "open disks", Do: m.openDisks, Undo: m.closeDisks},
		{Name: "open shares", Do: m.openShares, Undo: m.closeShares},
		{Name: "open vsock", Do: m.openVsock, Undo: m.closeVsock},
		{Name: "open network", Do: m.openNetwork, Undo: m.closeNetwork},
		{Name: "start qemu", Do: m.startQEMU, Undo: m.end},
		{Name: "talk to qemu", Do: m.talk},
	}
	if m.state != nil {
		list = append(list,
			steps.Step{Name: "load state", Do: m.load},
			steps.Step{Name: "plug vsock", Do: m.plugVsock},
			steps.Step{Name: "plug network", Do: m.plugNetwork},
			steps.Step{Name: "resume", Do: m.resume},
		)
	}
	undo, err := steps.Run(ctx, onStep, list...)
	if err != nil {
		m.cancel()
		if said := strings.TrimSpace(string(m.stderr.Bytes())); said != "" {
			err = fmt.Errorf("%w: qemu said: %s", err, said)
		}
		if m.shareErr != nil {
			err = fmt.Errorf("%w; %w", err, m.shareErr)
		}
		return err
	}
	go m.run(undo)
	return nil
}

// openImage opens the files that QEMU reads, so that it needs no right to find
// them.
func (m *machine) openImage(context.Context) (err error) {
	defer func() {
		if err != nil {
			m.files.close()
		}
	}()
	if m.cfg.Root.Path != "" {
		root, err := os.Open(m.cfg.Root.Path)
		if err != nil {
			return fmt.Errorf("%w: %w", sandbox.ErrIO, err)
		}
		m.cmd.rootFD = m.files.add(root)
	}
	if m.state != nil {
		return nil // the kernel runs already
	}
	kernel, err := os.Open(m.cfg.Kernel)
	if err != nil {
		return fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	}
	m.cmd.kernelFD = m.files.add(kernel)
	// QEMU opens the kernel anew through its descriptor.
	if fi, err := kernel.Stat(); err != nil {
		return err
	} else if m.cred != nil && fi.Mode().Perm()&0o004 == 0 {
		return fmt.Errorf("kernel %s cannot be read by the unprivileged user that QEMU runs as: chmod a+r it", m.cfg.Kernel)
	}
	initrd, err := m.composeInitramfs()
	if err != nil {
		return err
	}
	m.cmd.initrdFD = m.files.add(initrd)
	return nil
}

// composeInitramfs returns the initramfs with the boot file in it. It lives in
// memory, so that the boot token comes to no disk, and goes when QEMU does,
// however that ends.
func (m *machine) composeInitramfs() (*os.File, error) {
	base, err := os.Open(m.cfg.Initramfs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	}
	defer base.Close()
	return memoryFile("initramfs", func(f *os.File) error { return sandbox.WriteInitramfs(f, base, m.boot) })
}

func (m *machine) openVsock(context.Context) (err error) {
	m.door, err = openDoor(m.doorKind, m.boot.Port, &m.files, m.log)
	return err
}

func (m *machine) closeVsock() {
	m.doorOnce.Do(func() {
		if err := m.door.Close(); err != nil {
			m.log.Warn("close vsock", "err", err)
		}
	})
}

// startQEMU starts the process and everything here that serves it.
func (m *machine) startQEMU(context.Context) (err error) {
	m.cmd.qmpFD, m.qmpConn, err = m.files.addSocket("qmp")
	if err != nil {
		return err
	}
	m.cmd.consoleFD, m.ttyConn, err = m.files.addSocket("console")
	if err != nil {
		m.qmpConn.Close()
		return err
	}
	m.cmd.isolation = m.isolation
	m.cmd.cpus = m.cfg.CPUs
	m.cmd.memoryMiB = m.cfg.MemoryMiB
	m.cmd.resumed = m.state != nil
	m.cmd.vsockArgs = m.door.args(m.state == nil)
	m.cmd.netArgs = m.networkArgs()
	m.cmd.kernelArgs = append(kernelArgs(m.isolation), m.cfg.Cmdline...)

	cmd := exec.Command(m.binary, m.cmd.args()...)
	cmd.Dir = "/"
	// Nothing of the server's environment is for QEMU. Heaps of its threads' own
	// would take a MiB more (mallopt(3), M_ARENA_MAX).
	cmd.Env = []string{"MALLOC_ARENA_MAX=1"}
	cmd.Stderr = m.stderr
	m.child, err = startChild(cmd, m.files.files, childOptions{
		cred:       m.cred,
		background: m.cfg.Background,
		smallPages: m.isolation == sandbox.IsolationEmulated,
	})
	m.files.close() // QEMU's ends must be QEMU's alone, so that they close with it
	if err != nil {
		m.qmpConn.Close()
		m.ttyConn.Close()
		return err
	}
	m.wg.Go(func() {
		defer m.ttyConn.Close()
		io.Copy(m.console, m.ttyConn) // ends when QEMU does
	})
	m.serveVsock()
	m.wg.Go(m.pump)
	if err := sandbox.RecordProcess(m.dir, m.child.pid()); err != nil {
		m.end()
		return err
	}
	return nil
}

// serveVsock runs the vsock device until it is unplugged or the machine ends.
func (m *machine) serveVsock() {
	m.wg.Go(func() {
		err := m.door.serve(m.ctx, m.child.pid())
		if err != nil && m.ctx.Err() == nil && !errors.Is(err, errUnplugged) {
			m.fail(err)
		}
	})
}

// fail has the machine end because its vsock device has broken. The first error
// counts: the device is served anew each time that it is plugged in.
func (m *machine) fail(err error) {
	m.breakOnce.Do(func() {
		m.serveErr = err
		close(m.broken)
	})
}

// talk opens QMP: QEMU greets once the machine is made. Should it end before
// that, the connection ends with it.
func (m *machine) talk(ctx context.Context) (err error) {
	m.qmp, err = qmp.NewClient(ctx, m.qmpConn, m.event)
	return err
}

// event notes why QEMU is about to end.
func (m *machine) event(e qmp.Event) {
	m.log.Debug("qemu event", "event", e.Name, "data", string(e.Data))
	m.events.tell(e)
	if e.Name != "SHUTDOWN" {
		return
	}
	select {
	case m.shutdown <- e.Field("reason"):
	default:
	}
}

// pump hands the guest's connections over to Accept, one at a time: those that
// wait do so in the device, which bounds them.
func (m *machine) pump() {
	for {
		c, err := m.door.Accept()
		if err != nil {
			return
		}
		select {
		case m.incoming <- c:
		case <-m.ctx.Done():
			c.Close()
			return
		}
	}
}

// end kills QEMU and returns when nothing of it is left. The process stays
// unreaped until the vsock device has stopped: as long as the device runs, it
// writes into the memory of whatever process has that id.
func (m *machine) end() {
	m.child.kill()
	if m.qmp != nil {
		<-m.qmp.Done() // QEMU's last words have been heard
	} else {
		m.qmpConn.Close()
	}
	m.cancel()
	m.saving.Lock() // who saves it has noticed, and starts nothing more
	m.closeVsock()
	m.saving.Unlock()
	m.wg.Wait()
	m.err = m.child.wait()
}

// run owns the running machine: it waits for its end, or for a reason to end it,
// and takes everything down.
func (m *machine) run(undo func()) {
	select {
	case <-m.stopping:
	case <-m.broken:
	case <-m.child.exited:
	}
	undo()
	m.err = m.cause(m.err)
	close(m.done)
}

// cause returns why the machine ended, given how its process did.
func (m *machine) cause(exit error) error {
	select {
	case <-m.stopping:
		return nil
	default:
	}
	select {
	case reason := <-m.shutdown:
		switch reason {
		case "guest-shutdown":
			return nil
		case "guest-reset":
			return errors.New("the guest restarted itself, as it does when its kernel panics")
		}
		return fmt.Errorf("qemu shut down: %s", reason)
	default:
	}
	if m.serveErr != nil && m.child.killed() {
		return fmt.Errorf("vsock device: %w", m.serveErr)
	}
	if exit == nil {
		exit = errors.New("exit status 0")
	}
	return fmt.Errorf("qemu ended: %w: %s", exit, strings.TrimSpace(string(m.stderr.Bytes())))
}

// Isolation returns the tier of the accelerator.
func (m *machine) Isolation() sandbox.Isolation { return m.isolation }

// Accept returns the guest's next connection.
func (m *machine) Accept(ctx context.Context) (net.Conn, error) {
	select {
	case c := <-m.incoming:
		return c, nil
	case <-m.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Dial connects to a port of the guest.
func (m *machine) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	return m.door.dial(ctx, port)
}

// Stop kills QEMU.
func (m *machine) Stop() error {
	m.stopOnce.Do(func() { close(m.stopping) })
	<-m.done
	return nil
}

// Done is closed when the machine has ended.
func (m *machine) Done() <-chan struct{} { return m.done }

// Err returns why the machine ended.
func (m *machine) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// ResidentMiB returns how much memory QEMU has, the guest's included.
func (m *machine) ResidentMiB() int {
	if m.ctx.Err() != nil {
		return 0 // the process id may be another's by now
	}
	return residentMiB(m.child.pid(), m.state == nil)
}

// Console returns the last 64 KiB that the guest wrote to its serial console.
func (m *machine) Console() []byte { return m.console.Bytes() }

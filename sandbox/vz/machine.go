package vz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/ring"
	"github.com/vmette/vmette-mcp/sandbox/internal/steps"
)

// consoleSize is how many bytes are kept of a guest's console.
const consoleSize = 64 << 10

var (
	_ sandbox.Saver     = (*machine)(nil)
	_ sandbox.Dialer    = (*machine)(nil)
	_ sandbox.Networked = (*machine)(nil)
)

// machine is one machine of the framework and what belongs to it.
type machine struct {
	hv    hypervisor
	turns turns // for what must not happen to two machines at once
	arch  string
	cfg   sandbox.Config
	boot  desktop.Boot
	dir   string
	state *state // to go on from; nil for a cold boot
	log   *slog.Logger

	spec     spec
	vm       vm
	console  *ring.Ring
	conns    conns
	incoming chan net.Conn
	dialling chan struct{} // holds one for each connection to the guest that is under way
	frames   net.Conn      // our end of the network card's cable; nil without one
	listener net.Listener  // nil while nothing listens

	ctx    context.Context // of what serves the running machine
	cancel context.CancelFunc
	wg     sync.WaitGroup
	saving sync.Mutex // held while the machine is saved, and to end it

	restarted chan struct{} // closed when the guest has restarted itself

	stopOnce sync.Once
	stopping chan struct{} // closed by Stop
	done     chan struct{} // closed when everything is gone
	err      error         // why it ended, after done
	stopErr  error         // why it may not have, after done
}

// start starts the machine. When it fails nothing is left.
func (m *machine) start(ctx context.Context, onStep func(string)) error {
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.console = ring.New(consoleSize)
	m.incoming = make(chan net.Conn, maxWaiting)
	m.dialling = make(chan struct{}, maxDialling)
	m.restarted, m.stopping, m.done = make(chan struct{}), make(chan struct{}), make(chan struct{})

	list := []steps.Step{
		{Name: "prepare kernel", Do: m.prepareKernel, Undo: m.removeBootFiles},
		{Name: "write initramfs", Do: m.writeInitramfs},
		{Name: "open disks", Do: m.openDisks, Undo: m.closeDisks},
		{Name: "find shares", Do: m.resolveShares},
		{Name: "open network", Do: m.openNetwork, Undo: m.closeNetwork},
		{Name: "create machine", Do: m.create, Undo: m.discard},
		{Name: "boot", Do: func(context.Context) error { return m.vm.start() }, Undo: m.end},
		{Name: "listen on vsock", Do: m.listen},
	}
	if m.state != nil {
		list = []steps.Step{
			{Name: "describe machine", Do: m.describeLike},
			{Name: "open disks", Do: m.openDisks, Undo: m.closeDisks},
			{Name: "create machine", Do: m.create, Undo: m.discard},
			{Name: "load state", Do: m.load, Undo: m.end},
			{Name: "listen on vsock", Do: m.listen},
			{Name: "resume", Do: func(context.Context) error { return m.vm.resume() }},
		}
	}
	undo, err := steps.Run(ctx, onStep, list...)
	if err != nil {
		m.cancel()
		return err
	}
	// The framework has read them, and one of them holds a secret. Should it read
	// them again, because the guest restarts itself, that is to fail.
	m.removeBootFiles()
	go m.run(undo)
	return nil
}

// prepareKernel brings the kernel into the form that the boot loader takes.
func (m *machine) prepareKernel(context.Context) error {
	kernel, err := bootableKernel(m.arch, m.cfg.Kernel, m.dir)
	m.spec = newSpec(m.cfg, kernel, filepath.Join(m.dir, "initramfs"))
	return err
}

// writeInitramfs writes the initramfs with the boot file in it. The framework
// takes nothing but a file; this one is in a directory that only this user can
// look into, for as long as it takes to start the machine.
func (m *machine) writeInitramfs(context.Context) error {
	base, err := os.Open(m.cfg.Initramfs)
	if err != nil {
		return err
	}
	defer base.Close()
	f, err := os.OpenFile(m.spec.initramfs, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(sandbox.WriteInitramfs(f, base, m.boot), f.Close())
}

// removeBootFiles removes what is in the machine's directory.
func (m *machine) removeBootFiles() {
	for _, name := range []string{"kernel", "initramfs"} {
		if err := os.Remove(filepath.Join(m.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.log.Error("remove boot file", "err", err)
		}
	}
}

// create makes the machine, which does not run yet. From now on the end of its
// console is kept, and watched for a restart.
func (m *machine) create(context.Context) (err error) {
	if m.vm, err = m.hv.create(m.spec); err != nil {
		return err
	}
	w := io.MultiWriter(m.console, newWatcher(m.state != nil, func() { close(m.restarted) }))
	m.wg.Go(func() {
		r := m.vm.console()
		defer r.Close()
		io.Copy(w, r) // ends after the machine
	})
	return nil
}

// describeLike describes the machine that was saved. Its kernel runs already: the
// files that it would boot from are only named.
func (m *machine) describeLike(context.Context) error {
	m.spec = newSpec(m.cfg, m.cfg.Kernel, m.cfg.Initramfs)
	m.spec.identifier = m.state.Identifier
	return nil
}

// discard frees a machine that does not run, or not any more.
func (m *machine) discard() {
	m.vm.close()
	m.wg.Wait()
}

// load makes the machine what was saved.
func (m *machine) load(ctx context.Context) error {
	give, err := m.turns.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	return m.vm.restore(m.state.path())
}

// listen takes the connections that the guest opens. It dials again and again
// until somebody listens.
func (m *machine) listen(context.Context) error {
	l, err := m.vm.listen(m.boot.Port)
	if err != nil {
		return fmt.Errorf("listen on vsock port %d: %w", m.boot.Port, err)
	}
	m.listener = l
	m.wg.Go(func() { m.pump(l) })
	return nil
}

// pump hands the guest's connections over to Accept.
func (m *machine) pump(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		own := m.conns.add(c)
		if own == nil {
			continue
		}
		select {
		case m.incoming <- own:
		default:
			m.log.Warn("guest connection refused: too many wait")
			own.Close()
		}
	}
}

// hangUp ends the guest's connections and takes no more.
func (m *machine) hangUp() {
	if m.listener != nil {
		m.listener.Close()
		m.listener = nil
	}
	m.conns.hangUp()
}

// end stops the machine and returns when nothing runs that serves it.
func (m *machine) end() {
	m.cancel()
	m.saving.Lock() // who saves it has noticed, and starts nothing more
	defer m.saving.Unlock()
	if err := m.vm.stop(); err != nil {
		m.stopErr = fmt.Errorf("stop machine: %w", err)
		m.log.Error("the machine may still run", "err", m.stopErr)
	}
	m.conns.end()
	m.hangUp()
	m.discard()
}

// run owns the running machine: it waits for its end, or for a reason to end it,
// and takes everything down.
func (m *machine) run(undo func()) {
	ended := make(chan error, 1)
	m.wg.Go(func() { ended <- m.vm.wait(m.ctx) })
	select {
	case <-m.stopping:
	case <-m.restarted:
		m.err = errors.New("the guest restarted itself, as it does when its kernel panics")
	case m.err = <-ended:
	}
	undo()
	close(m.done)
}

// Isolation returns [sandbox.IsolationVZ].
func (m *machine) Isolation() sandbox.Isolation { return sandbox.IsolationVZ }

// Accept returns the guest's next connection.
func (m *machine) Accept(ctx context.Context) (net.Conn, error) {
	if m.ctx.Err() != nil {
		return nil, net.ErrClosed // what waits has been closed
	}
	select {
	case c := <-m.incoming:
		return c, nil
	case <-m.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Stop ends the machine. Its error is that of the framework.
func (m *machine) Stop() error {
	m.stopOnce.Do(func() { close(m.stopping) })
	<-m.done
	return m.stopErr
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

// Console returns the last 64 KiB that the guest wrote to its serial console.
func (m *machine) Console() []byte { return m.console.Bytes() }

package uplink

import (
	"context"
	"fmt"
	"sync"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/kmod"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uevent"
)

// Logger takes lines for people.
type Logger interface {
	Printf(format string, args ...any)
}

// Uplink keeps the guest's network card set up. It is safe for concurrent use.
type Uplink struct {
	log Logger

	mu  sync.Mutex
	net *desktop.Network // nil while there is no network
}

// New returns an Uplink that knows of no network yet.
func New(log Logger) *Uplink { return &Uplink{log: log} }

// Renew is Set in a guest that was started from a saved state: its connections end, or
// time out where the kernel cannot end them.
func (u *Uplink) Renew(n *desktop.Network) error {
	if err := cutConnections(); err != nil {
		u.log.Printf("%v", err)
	}
	return u.Set(n)
}

// Set says what the network is from now on; nil for none. It fails if the card could
// not be set up; one that is not there yet is once it comes.
func (u *Uplink) Set(n *desktop.Network) error {
	_, err := u.set(n)
	return err
}

// Start is Set for a network whose card is there from the start. It fails if that is
// not so.
func (u *Uplink) Start(n *desktop.Network) error {
	there, err := u.set(n)
	if err == nil && !there && n != nil {
		err = fmt.Errorf("set up network: there is no card %s", n.MAC)
	}
	return err
}

func (u *Uplink) set(n *desktop.Network) (there bool, err error) {
	if n != nil {
		if err := n.Validate(); err != nil {
			return false, err
		}
		if err := kmod.Load(kmod.Kept, "virtio_net"); err != nil {
			return false, fmt.Errorf("set up network: %w", err)
		}
	}
	u.mu.Lock()
	u.net = n
	u.mu.Unlock()
	return u.apply()
}

// apply sets the card up, and reports whether it is there.
func (u *Uplink) apply() (there bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.net == nil {
		return false, nil
	}
	return configure("/", u.net)
}

// Run sets the card up each time that it comes, until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	l, err := uevent.Listen()
	if err != nil {
		return fmt.Errorf("watch for network cards: %w", err)
	}
	defer l.Close()
	u.tell()
	for {
		e, err := l.Next(ctx)
		if err != nil {
			return err
		}
		if e.Action == "lost" || e.Action == "add" && e.Subsystem == "net" {
			u.tell()
		}
	}
}

// tell sets the card up, if it is there, and logs what is wrong.
func (u *Uplink) tell() {
	if _, err := u.apply(); err != nil {
		u.log.Printf("%v", err)
	}
}

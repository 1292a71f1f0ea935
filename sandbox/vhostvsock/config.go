package vhostvsock

import (
	"fmt"
	"log/slog"
)

// Defaults of a [Config].
const (
	DefaultMaxConns   = 256
	DefaultBacklog    = 64
	DefaultBufferSize = 256 << 10
	DefaultMaxResets  = 256
)

// Config says what a [Device] is. GuestCID is needed.
type Config struct {
	// GuestCID is the guest's context identifier, at least 3 and below 2^32-1.
	// It has a meaning for this device alone: guests of different devices may
	// share it.
	GuestCID uint64

	// MaxConns bounds the connections at one time, those that wait in a backlog
	// or for the end of a close included. 0 means DefaultMaxConns.
	MaxConns int

	// Backlog bounds, for each listener, the connections that wait for Accept.
	// 0 means DefaultBacklog.
	Backlog int

	// BufferSize bounds, for each connection, the received bytes that wait for
	// Read. It is the credit that the guest is given. 0 means DefaultBufferSize;
	// at least 4 KiB, at most 16 MiB.
	BufferSize int

	// MaxResets bounds the resets that wait for a receive buffer of the guest.
	// No packet is taken from the guest while it is reached. 0 means
	// DefaultMaxResets.
	MaxResets int

	// Logger is told, at level Debug, when a driver comes and goes. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.Backlog == 0 {
		c.Backlog = DefaultBacklog
	}
	if c.BufferSize == 0 {
		c.BufferSize = DefaultBufferSize
	}
	if c.MaxResets == 0 {
		c.MaxResets = DefaultMaxResets
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate checks c after withDefaults.
func (c Config) validate() error {
	switch {
	case c.GuestCID <= HostCID || c.GuestCID >= portAny:
		return fmt.Errorf("guest CID %d is not between 3 and %d", c.GuestCID, uint64(portAny-1))
	case c.MaxConns < 0 || c.Backlog < 0 || c.MaxResets < 0:
		return fmt.Errorf("a limit is negative: %d connections, backlog of %d, %d resets", c.MaxConns, c.Backlog, c.MaxResets)
	case c.BufferSize < 4<<10 || c.BufferSize > 16<<20:
		return fmt.Errorf("buffer size %d is not between 4 KiB and 16 MiB", c.BufferSize)
	}
	return nil
}

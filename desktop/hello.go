package desktop

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of a [Hello].
const (
	maxAgent    = 256 // bytes of the agent's name
	maxToken    = 256 // bytes of the boot token
	maxFeatures = 64
	maxFeature  = 64 // bytes of the name of one
)

// VersionError is a peer that speaks another version of the protocol.
type VersionError struct {
	Host, Guest int
}

// Error names both versions and says what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("host speaks protocol version %d and the guest agent version %d: build both from the same source", e.Host, e.Guest)
}

// Validate reports a hello whose parts are missing, too long or impossible.
// The version is not looked at: see [VersionError].
func (h Hello) Validate() error {
	switch {
	case len(h.Agent) > maxAgent:
		return fmt.Errorf("hello: agent has %d bytes, over the limit of %d", len(h.Agent), maxAgent)
	case h.Token == "" || len(h.Token) > maxToken:
		return fmt.Errorf("hello: token of %d bytes is not between 1 and %d", len(h.Token), maxToken)
	case h.Connection != ConnControl && !slices.Contains(streams, h.Connection):
		return fmt.Errorf("hello: connection %q does not exist", h.Connection)
	case h.Connection != ConnControl && h.Screen != (Size{}):
		return fmt.Errorf("hello: connection %q has no screen", h.Connection)
	case h.Connection == ConnControl && !h.Screen.Valid():
		return fmt.Errorf("hello: no screen has the size %v", h.Screen)
	case h.Restarts < 0:
		return fmt.Errorf("hello: restarts is %d", h.Restarts)
	case len(h.Features) > maxFeatures:
		return fmt.Errorf("hello: %d features are over the limit of %d", len(h.Features), maxFeatures)
	}
	for _, f := range h.Features {
		if f == "" || len(f) > maxFeature {
			return fmt.Errorf("hello: a feature's name of %d bytes is not between 1 and %d", len(f), maxFeature)
		}
	}
	return nil
}

// Validate reports a welcome that contradicts itself or a boot that no guest
// could resume as. The version is not looked at: see [VersionError].
func (w Welcome) Validate() error {
	switch b := w.Resume; {
	case b == nil:
		return nil
	case w.Error != "":
		return errors.New("welcome: both a refusal and a resume")
	case b.Token == "" || len(b.Token) > maxToken:
		return fmt.Errorf("welcome: token of %d bytes is not between 1 and %d", len(b.Token), maxToken)
	case len(b.Entropy) > MaxEntropy:
		return fmt.Errorf("welcome: %d bytes of entropy are over the limit of %d", len(b.Entropy), MaxEntropy)
	case b.Network != nil:
		if err := b.Network.Validate(); err != nil {
			return fmt.Errorf("welcome: %w", err)
		}
	}
	return nil
}

package mcp

import (
	"fmt"
	"slices"

	"github.com/vmette/vmette-mcp/desktop"
)

// Observation says which picture the answer to an action carries.
type Observation string

// The observations. The zero value is ObserveSettled.
const (
	ObserveSettled Observation = "settled" // the screen once it has stopped changing
	ObserveChanges Observation = "changes" // the same, but only the parts that have changed since the model saw them
	ObserveNow     Observation = "now"     // the screen at once
	ObserveNone    Observation = "none"    // none
)

// Observations lists the observations.
var Observations = []Observation{ObserveSettled, ObserveChanges, ObserveNow, ObserveNone}

// Validate reports an observation that does not exist.
func (o Observation) Validate() error {
	if o == "" || slices.Contains(Observations, o) {
		return nil
	}
	return fmt.Errorf("observation %q is not settled, changes, now or none", string(o))
}

// mode is how the guest is asked to look.
func (o Observation) mode() desktop.ObserveMode {
	switch o {
	case ObserveNow:
		return desktop.ObserveNow
	case ObserveNone:
		return desktop.ObserveNone
	}
	return desktop.ObserveSettled
}

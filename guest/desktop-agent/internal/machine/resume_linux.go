package machine

import (
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Resume makes a machine that was started from a saved state another one than
// those that are started from the same state: it sets the clock, adds
// randomness of the host's, takes the new hostname and makes a new machine id.
// What fails does not keep the rest from being done.
func Resume(boot desktop.Boot) error {
	if !ValidHostname(boot.Hostname) {
		return fmt.Errorf("resume: hostname %q is not 1 to 63 letters, digits and inner hyphens", boot.Hostname)
	}
	return errors.Join(
		SetClock(time.Unix(0, boot.UnixTime)), // while it is still right
		Reseed(boot.Entropy),                  // before something is made of it
		SetHostname("/", boot.Hostname),
		NewMachineID("/"),
	)
}

package machine

import (
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Prepare makes the system under / ready for the programs of a desktop, and
// returns the user whom they belong to and the control group that is that
// user's.
func Prepare(boot desktop.Boot) (u User, cgroup string, err error) {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"mount", Mount},
		{"advance clock", func() error { return AdvanceClock(time.Unix(0, boot.UnixTime)) }},
		{"name the machine", func() error { return SetHostname("/", boot.Hostname) }},
		{"make machine id", func() error { return NewMachineID("/") }},
		{"raise loopback", RaiseLoopback},
		{"raise limits", RaiseLimits},
		{"make user", func() error {
			u, err = EnsureUser("/", !boot.NoSudo)
			return err
		}},
		{"set sudo", func() error {
			if boot.NoSudo {
				return RevokeSudo("/")
			}
			return GrantSudo("/", u)
		}},
		{"delegate control group", func() error {
			cgroup, err = DelegateCgroup(u)
			return err
		}},
	} {
		if err := step.do(); err != nil {
			return User{}, "", fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if boot.NoSudo {
		err = ForbidPrivileges()
	}
	return u, cgroup, err
}

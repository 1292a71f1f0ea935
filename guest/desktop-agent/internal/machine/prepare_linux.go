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
	if err := PrepareBare(boot); err != nil {
		return User{}, "", err
	}
	for _, step := range []step{
		{"set browser policy", func() error { return SetBrowserPolicy("/", boot.Authorities) }},
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

type step struct {
	name string
	do   func() error
}

// PrepareBare makes the system under / ready for programs of any kind.
func PrepareBare(boot desktop.Boot) error {
	for _, step := range []step{
		{"mount", Mount},
		{"advance clock", func() error { return AdvanceClock(time.Unix(0, boot.UnixTime)) }},
		{"name the machine", func() error { return SetHostname("/", boot.Hostname) }},
		{"make machine id", func() error { return NewMachineID("/") }},
		{"raise loopback", RaiseLoopback},
		{"raise limits", RaiseLimits},
		{"trust authorities", func() error { return TrustAuthorities("/", boot.Authorities) }},
		{"mount shares", func() error { return MountShares("/", boot.Shares) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

package sandbox

// VsockPort says on which vsock port of the host a guest finds its session. A
// guest reaches no other port, and no other guest reaches this one. The zero
// value is any port, another one for each sandbox.
type VsockPort struct {
	Policy VsockPolicy
	Port   uint32 // with VsockFixed: above 1023
}

// VsockPolicy is how a [VsockPort] is chosen.
type VsockPolicy string

// The policies.
const (
	VsockAuto  VsockPolicy = ""      // at random
	VsockFixed VsockPolicy = "fixed" // the number that the caller names

	// VsockDisabled is for the guest agent alone, which every sandbox needs: the host
	// dials nothing in the guest, and there must be no [Config.GuestPort].
	VsockDisabled VsockPolicy = "disabled"
)

// number returns the port of one guest.
func (p VsockPort) number() uint32 {
	if p.Policy == VsockFixed {
		return p.Port
	}
	return newPort()
}

func (c Config) validateVsock(errs *problems) {
	const lastPrivileged, wildcard = 1023, 1<<32 - 1
	switch p := c.VsockPort; {
	case p.Policy == VsockDisabled && c.GuestPort != 0:
		errs.add("vsock is disabled, and port %d of the guest is to be dialled by it: leave out one of them", c.GuestPort)
	case p.Policy != VsockFixed && p.Port != 0:
		errs.add("vsock port %d is named and not fixed", p.Port)
	case p.Policy == VsockAuto, p.Policy == VsockDisabled:
	case p.Policy != VsockFixed:
		errs.add("vsock policy %q is not %q, %q or %q", p.Policy, VsockAuto, VsockFixed, VsockDisabled)
	case p.Port <= lastPrivileged || p.Port == wildcard:
		errs.add("vsock port %d is not between %d and %d", p.Port, lastPrivileged+1, uint32(wildcard-1))
	}
}

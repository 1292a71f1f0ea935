package qemu

import "strings"

// Host is what a host can do for this backend, and why.
type Host struct {
	Binary  string      `json:"binary,omitempty"`  // path of QEMU; "" when there is none
	Version string      `json:"version,omitempty"` // of QEMU
	QEMU    Ability     `json:"qemu"`
	User    Ability     `json:"user"` // that QEMU runs without the rights of root; if not usable, it runs with the server's
	KVM     Ability     `json:"kvm"`
	Doors   []DoorState `json:"vsock"`
	Door    Door        `json:"vsock_auto"` // what DoorAuto means here; "" when no door is usable
}

// Ability says whether something is usable. If it is not, Reason says why and
// Remedy what to do about it, when anything can be done.
type Ability struct {
	Usable bool   `json:"usable"`
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// String returns "usable", or the reason and the remedy.
func (a Ability) String() string {
	if a.Usable {
		return "usable"
	}
	return strings.TrimSuffix(a.Reason+": "+a.Remedy, ": ")
}

// DoorState is the ability of one vsock door.
type DoorState struct {
	Door Door `json:"door"`
	Ability
}

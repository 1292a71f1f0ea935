package qemu

// Host is what a host can do for this backend, and why.
type Host struct {
	Binary  string      `json:"binary,omitempty"`  // path of QEMU; "" when there is none
	Version string      `json:"version,omitempty"` // of QEMU
	QEMU    Ability     `json:"qemu"`
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

// DoorState is the ability of one vsock door.
type DoorState struct {
	Door Door `json:"door"`
	Ability
}

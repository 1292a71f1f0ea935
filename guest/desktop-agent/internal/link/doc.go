// Package link finds the way from the guest to the host: AF_VSOCK to CID 2. The
// device may not be there yet when the agent is, because it is plugged in later;
// then the kernel's announcement of it starts the next try.
package link

// Package sandbox is what a sandbox is, in pure Go: one microVM with everything
// that belongs to it.
//
// A [Config] says in plain data what to boot. [Start] boots it on a [Backend]
// and returns a [Session], which owns the running sandbox and drives its
// desktop. A [Manager] holds the sandboxes of a host: it gives out handles,
// checks their owner, keeps within the host's capacity and ends what is idle.
//
// [Run] is for a single command: it boots, executes and returns the exit code and
// the output. [WorkloadOneShot] is the same with the command's streams in the
// caller's hands.
//
// A Session needs two things of its backend: one byte stream from the guest,
// authenticated by a boot token, and a way to end the guest. Nothing here
// assumes a local process, a local file or vsock.
package sandbox

// Package vhostvsock is a virtio-vsock device in pure Go, for a virtual machine
// monitor that speaks vhost-user.
//
// The guest sees an ordinary AF_VSOCK transport. The host sees a [net.Listener]
// and [net.Conn]s that belong to this one guest: there is no kernel module, no
// privilege, no host-wide space of CIDs, and nothing that a second guest could
// reach.
//
//	d, err := vhostvsock.New(vhostvsock.Config{GuestCID: 3})
//	...
//	l, err := d.Listen(1024)      // the guest dials CID 2, port 1024
//	go d.Serve(ctx, ours, qemuPID) // theirs is QEMU's chardev
//	c, err := l.Accept()
//
// On the command line of QEMU:
//
//	-chardev socket,id=vsock,fd=3 -device vhost-user-vsock-pci,chardev=vsock
//
// # Guest memory
//
// Rings and packets lie in the guest's memory, which is the VMM's memory. It is
// read and written with process_vm_readv(2) and process_vm_writev(2) at the
// addresses that the VMM tells, and never mapped: a mapping of the backing file
// would write through to it where the VMM's own view is copy-on-write, and would
// give the Go side bytes that change while it looks at them. Every index, address
// and length is copied once, checked, and only then used.
//
// # Data path
//
// Bytes to the guest are written from the slice given to Write straight into the
// guest's receive buffers; bytes from the guest land straight in the connection's
// receive buffer. What a guest can make the host hold is therefore bounded: a
// buffer for each connection, a backlog for each listener, and a queue of resets,
// all sized by [Config].
//
// # Broken guests
//
// A packet that makes no sense is dropped or answered with a reset, as the
// specification asks. A guest that breaks the rules of its rings, or a VMM that
// breaks those of vhost-user, ends its own [Device.Serve] with an error.
//
// The sources are Virtual I/O Device (VIRTIO) Version 1.2, sections 2.7 (split
// virtqueues) and 5.10 (socket device), and the vhost-user protocol of QEMU's
// documentation (interop/vhost-user).
package vhostvsock

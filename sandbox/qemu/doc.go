// Package qemu runs sandboxes with QEMU on Linux: with KVM where guests really
// run in it, with TCG, QEMU's translator, everywhere else.
//
//	b, err := qemu.New(qemu.Options{})
//	if err != nil {
//		return err
//	}
//	s, err := sandbox.Start(ctx, b, cfg, sandbox.StartOptions{})
//
// A machine is one QEMU process that gets everything it needs as inherited
// file descriptors: its disk, kernel and initramfs, one end of the socket pairs
// of its console, its QMP monitor and its vsock device. It opens no path, no
// port and no network, runs as a user of its own when the server is root, under
// QEMU's seccomp filter, and is killed by the kernel when the server dies.
//
// The guest reaches its own server through a virtio-vsock device that is a part
// of this process, see package vhostvsock; /dev/vhost-vsock is the alternative.
package qemu

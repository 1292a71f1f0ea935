// Package vz runs sandboxes on macOS, with Apple's Virtualization.framework.
//
//	b, err := vz.New(vz.Options{})
//	if err != nil {
//		return err
//	}
//	s, err := sandbox.Start(ctx, b, cfg, sandbox.StartOptions{})
//
// A machine is a process of the framework's own that lives no longer than this
// one. It has disks, directories of the host as virtio file systems, a console, a
// source of randomness, a memory balloon and a virtio-vsock device of its own, through
// which its guest reaches nothing but the listener that this package opened on it. A
// network card, if there is one, is a socket of this process: see
// [sandbox.Networked]. The framework's own networks are not used.
//
// What is decided here is decided in plain Go: the description of a machine (see
// spec), the kernel in the form that Apple's boot loader takes, the life of a
// machine, its disks and directories, its connections and its saved states. All of
// that runs, and is tested, on any system. The files whose names end in _darwin turn a
// spec into objects of the framework; they are built on macOS with cgo alone, and
// everywhere else machines are refused with an error that matches
// [sandbox.ErrUnsupported].
//
// The program that uses this package must be signed with the entitlement
// com.apple.security.virtualization. The framework needs macOS 13; machines can
// be saved on Apple silicon with macOS 14.
package vz

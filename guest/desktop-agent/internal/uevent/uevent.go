// Package uevent listens to the kernel's announcements of devices that come and
// go, so that nobody has to poll for one:
//
//	l, err := uevent.Listen()
//	for !there() {
//		if _, err := l.Next(ctx); err != nil { ... }
//	}
//
// Listen first and look afterwards: then no event is missed in between. An
// event is a reason to look again, not a proof of anything, because the kernel
// drops events when a listener is slow.
package uevent

import (
	"bytes"
	"errors"
)

// Event is one announcement. Its strings are those of the kernel: see
// Documentation/ABI/testing/sysfs-uevent and lib/kobject_uevent.c in Linux.
type Event struct {
	Action    string // "add", "bind", "remove", ...; "lost" when the kernel had to drop events
	Path      string // in /sys, such as "/devices/pci0000:00/0000:00:03.0/virtio1"
	Subsystem string // such as "virtio" or "block"
	Device    string // name of the node in /dev, if there is one
}

var errNotKernel = errors.New("parse uevent: not a message of the kernel")

// parse reads "ACTION@PATH\0KEY=VALUE\0...".
func parse(b []byte) (Event, error) {
	head, rest, ok := bytes.Cut(b, []byte{0})
	at := bytes.IndexByte(head, '@')
	if !ok || at <= 0 {
		return Event{}, errNotKernel
	}
	e := Event{Action: string(head[:at]), Path: string(head[at+1:])}
	for len(rest) > 0 {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte{0})
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "SUBSYSTEM":
			e.Subsystem = string(value)
		case "DEVNAME":
			e.Device = string(value)
		}
	}
	return e, nil
}

package qemu

import "fmt"

// disk is one that QEMU is given, beside the root.
type disk struct {
	fd       int
	readOnly bool
	device   bool // a block device, no file
	scratch  bool // gone with the machine: nothing of it need ever be on the host's disk
}

// diskArgs returns the arguments for the machine's own disks.
func (c commandLine) diskArgs() []string {
	var a []string
	for i, d := range c.disks {
		set, name := i+2, fmt.Sprintf("disk%d", i)
		driver := "file"
		if d.device {
			driver = "host_device"
		}
		state := "off"
		if d.readOnly {
			state = "on"
		}
		flush := ""
		if d.scratch {
			flush = ",cache.no-flush=on"
		}
		a = append(a,
			"-add-fd", fmt.Sprintf("fd=%d,set=%d", d.fd, set),
			"-blockdev", fmt.Sprintf("driver=%s,node-name=%s-file,filename=/dev/fdset/%d,read-only=%s,locking=off,discard=unmap%s", driver, name, set, state, flush),
			"-blockdev", fmt.Sprintf("driver=raw,node-name=%s,file=%[1]s-file,read-only=%s,discard=unmap", name, state),
			"-device", "virtio-blk-pci,drive="+name+",disable-legacy=on",
		)
	}
	return a
}

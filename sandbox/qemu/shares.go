package qemu

import "fmt"

// directory is one of the host that QEMU gives the guest; a program of its own answers for
// it at the other end of a socket.
type directory struct {
	fd  int // of QEMU's end
	tag string
}

// shareArgs returns the arguments for the machine's shares.
func (c commandLine) shareArgs() []string {
	var a []string
	for i, s := range c.shares {
		name := fmt.Sprintf("share%d", i)
		a = append(a,
			"-chardev", socketFD(name, s.fd),
			"-device", "vhost-user-fs-pci,chardev="+name+",tag="+s.tag,
		)
	}
	return a
}

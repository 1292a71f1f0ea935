package initrd

import "golang.org/x/sys/unix"

// takeConsole makes a console standard input, output and error, if it can be
// opened. A console whose driver is a module, such as virtio's, was not there yet
// when the kernel started this program.
func takeConsole(path string) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for standard := range 3 {
		// It fails for no descriptor that is open.
		_ = unix.Dup3(fd, standard, 0)
	}
}

package qemu

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestResidentMiB(t *testing.T) {
	const size = 64 << 20
	before := residentMiB(os.Getpid(), true)
	shared, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	grown := residentMiB(os.Getpid(), true) - before
	if err := unix.Munmap(shared); err != nil {
		t.Fatal(err)
	}
	if grown < 60 || grown > 80 {
		t.Errorf("64 MiB of shared memory count as %d", grown)
	}
	if got := residentMiB(1<<30, true); got != 0 {
		t.Errorf("a process that does not exist has %d MiB", got)
	}
}

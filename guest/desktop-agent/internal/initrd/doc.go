// Package initrd is the agent as the first program of the guest: the kernel has
// unpacked the initramfs and runs the agent from it as process 1.
//
// [Run] loads the kernel modules that the initramfs brings, reads what the host
// says of this boot, loads the drivers that it takes, waits for the disk, and makes
//
//	/         overlay of a tmpfs, or a scratch disk, on the read-only image; or a directory of the host
//	/dev      devtmpfs
//	/proc     proc
//	/sys      sysfs
//	/run      tmpfs; /run/vmette is the agent's own, with the agent's program
//
// the root of the same process. There is no second program to execute, so the
// boot token never leaves the memory of process 1.
package initrd

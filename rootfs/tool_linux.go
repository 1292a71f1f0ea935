package rootfs

import "syscall"

// childOf makes the kernel kill the child when its parent dies.
func childOf(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr.Pdeathsig = syscall.SIGKILL
	return attr
}

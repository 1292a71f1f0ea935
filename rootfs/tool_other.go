//go:build !linux

package rootfs

import "syscall"

// childOf leaves it to the guard to kill the child when its parent dies.
func childOf(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }

package machine

import "golang.org/x/sys/unix"

// PowerOff ends the machine at once. It does not return: if the kernel refuses,
// the caller waits for the host to end it.
func PowerOff() {
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

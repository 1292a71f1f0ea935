package machine

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// randPool is struct rand_pool_info of linux/random.h, with room for the most
// that the host sends.
type randPool struct {
	bits, size int32
	buf        [desktop.MaxEntropy]byte
}

// Reseed adds entropy, which must be secret, to the kernel's generator of random
// numbers, and has that use it from the next number on. See random(4).
func Reseed(entropy []byte) error {
	p := randPool{bits: int32(8 * len(entropy)), size: int32(len(entropy))}
	if copy(p.buf[:], entropy) < len(entropy) || len(entropy) == 0 {
		return fmt.Errorf("reseed random generator: %d bytes of entropy are not between 1 and %d", len(entropy), len(p.buf))
	}
	dev, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("reseed random generator: %w", err)
	}
	defer dev.Close()
	err = errors.Join(
		ioctl(dev, unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&p))),
		ioctl(dev, unix.RNDRESEEDCRNG, 0),
	)
	if err != nil {
		return fmt.Errorf("reseed random generator: %w", err)
	}
	return nil
}

func ioctl(f *os.File, request, arg uintptr) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) { _, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, arg) })
	if err == nil && errno != 0 {
		err = os.NewSyscallError("ioctl", errno)
	}
	return err
}

//go:build linux

// Command guest is the init of the guest that the integration test boots. It
// loads the image's kernel modules, and then serves what a test of sockets needs,
// each on its own port.
package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"strings"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

func main() {
	if err := run(); err != nil {
		log.Print(err)
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	if err := unix.Mount("dev", "/dev", "devtmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	modules, err := os.ReadFile("/" + desktop.ModulesFile)
	if err != nil {
		return err
	}
	for m := range strings.FieldsSeq(string(modules)) {
		if err := load("/" + m); err != nil {
			return fmt.Errorf("load %s: %w", m, err)
		}
	}
	errs := make(chan error)
	for port, serve := range map[uint32]func(*vsock.Conn) error{
		7:  echo,
		9:  sink,
		19: source,
		20: callBack,
		21: mute,
	} {
		l, err := vsock.Listen(port, nil)
		if err != nil {
			return err
		}
		go func() { errs <- accept(l, serve) }()
	}
	hello, err := vsock.Dial(vsock.Host, 1024, nil)
	if err != nil {
		return err
	}
	hello.Close()
	return <-errs
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

func accept(l net.Listener, serve func(*vsock.Conn) error) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := serve(c.(*vsock.Conn)); err != nil {
				log.Print(err)
			}
		}()
	}
}

// echo sends back what it gets.
func echo(c *vsock.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// sink reads to the end of the stream and then answers with the number of bytes
// and their checksum.
func sink(c *vsock.Conn) error {
	sum := crc32.NewIEEE()
	n, err := io.CopyBuffer(sum, onlyReader{c}, make([]byte, 256<<10))
	if err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(n))
	_, err = c.Write(binary.LittleEndian.AppendUint32(b, sum.Sum32()))
	return err
}

type onlyReader struct{ io.Reader }

// source reads a number of bytes, sends so many, and ends the stream.
func source(c *vsock.Conn) error {
	var b [8]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint64(b[:])
	buf := make([]byte, 256<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(buf)
	for n > 0 {
		m, err := c.Write(buf[:min(n, uint64(len(buf)))])
		if err != nil {
			return err
		}
		n -= uint64(m)
	}
	return nil
}

// callBack reads a port of the host, dials it, says how that went, and echoes on
// the new connection.
func callBack(c *vsock.Conn) error {
	var b [4]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	host, err := vsock.Dial(vsock.Host, binary.LittleEndian.Uint32(b[:]), nil)
	if err != nil {
		_, err = io.WriteString(c, err.Error())
		return err
	}
	defer host.Close()
	if _, err := io.WriteString(c, "connected"); err != nil {
		return err
	}
	return echo(host)
}

// mute never reads until the host hangs up, which a write finds out.
func mute(c *vsock.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = raw.Control(func(fd uintptr) {
		_, pollErr = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLHUP | unix.POLLRDHUP}}, -1)
	})
	if err != nil {
		return err
	}
	return pollErr
}

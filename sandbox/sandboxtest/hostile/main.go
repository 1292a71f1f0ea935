//go:build linux

// Command hostile is the first process of a guest that does its host every
// harm it can think of over vsock: beside a loop of connections that say
// nothing, nonsense or lies, it says the right hello again and again, and
// answers the first request on each of these connections in another wrong way.
// Tests boot it in place of the guest agent.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// patience is how long an attack lasts that the host does not end.
const patience = 500 * time.Millisecond

func main() {
	boot, err := prepare()
	if err != nil {
		fmt.Println("hostile:", err)
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	for _, lie := range lies {
		go func() {
			for {
				attack(boot, lie)
			}
		}()
	}
	for {
		for _, a := range attacks {
			fmt.Println("hostile: attack", a.name)
			if err := answer(boot, a.do); err != nil {
				fmt.Println("hostile:", err)
			}
		}
	}
}

// prepare does what is needed to speak vsock, and returns what the host told.
func prepare() (boot desktop.Boot, err error) {
	for _, m := range []struct{ source, target, kind string }{
		{"dev", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return boot, err
		}
		if err := unix.Mount(m.source, m.target, m.kind, 0, ""); err != nil {
			return boot, fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	list, err := os.ReadFile("/" + desktop.ModulesFile)
	if err != nil {
		return boot, err
	}
	for name := range strings.FieldsSeq(string(list)) {
		f, err := os.Open(filepath.Join("/", name))
		if err != nil {
			return boot, err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return boot, fmt.Errorf("load %s: %w", name, err)
		}
	}
	data, err := os.ReadFile("/" + desktop.BootFile)
	if err != nil {
		return boot, err
	}
	return boot, json.Unmarshal(data, &boot)
}

// attack dials the host and misbehaves until the host hangs up or it takes too
// long.
func attack(boot desktop.Boot, do func(net.Conn, desktop.Boot)) {
	conn, err := vsock.Dial(desktop.HostCID, boot.Port, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	do(conn, boot)
	drain(conn)
}

func drain(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// lies are openings of a connection that no host must believe.
var lies = []func(net.Conn, desktop.Boot){
	func(net.Conn, desktop.Boot) {},
	func(c net.Conn, _ desktop.Boot) {
		for {
			if _, err := c.Write(random(64 << 10)); err != nil {
				return
			}
		}
	},
	func(c net.Conn, _ desktop.Boot) { c.Write(frame(0, 0xffffffff, nil)) },
	func(c net.Conn, b desktop.Boot) {
		b.Token = "guessed"
		desktop.NewGuest(context.Background(), c, hello(b))
	},
	func(c net.Conn, b desktop.Boot) {
		h := hello(b)
		h.Protocol = 999
		desktop.NewGuest(context.Background(), c, h)
	},
	func(c net.Conn, _ desktop.Boot) {
		c.Write(frame(0, 1000, []byte(`{"protocol":`)))
		c.Close()
	},
}

func hello(b desktop.Boot) desktop.Hello {
	return desktop.Hello{Agent: "hostile", Token: b.Token, Screen: b.Screen}
}

// answer says the right hello, waits for a request and has do answer it.
func answer(boot desktop.Boot, do func(c net.Conn, id uint32)) error {
	conn, err := vsock.Dial(desktop.HostCID, boot.Port, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := desktop.NewGuest(context.Background(), conn, hello(boot)); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	do(conn, binary.LittleEndian.Uint32(head[:]))
	drain(conn)
	return nil
}

// attacks are wrong answers to a request.
var attacks = []struct {
	name string
	do   func(c net.Conn, id uint32)
}{
	{"wrong ids", func(c net.Conn, id uint32) {
		for i := range uint32(1000) {
			reply(c, id+1+i, `{"ok":true,"x":1,"y":1}`, nil)
		}
	}},
	{"id 0", func(c net.Conn, _ uint32) { reply(c, 0, `{"ok":true}`, nil) }},
	{"huge header", func(c net.Conn, id uint32) { c.Write(frame(id, 0xffffffff, nil)) }},
	{"huge payload", func(c net.Conn, id uint32) {
		reply(c, id, `{"ok":true,"payload_len":4294967295}`, nil)
	}},
	{"huge screen", func(c net.Conn, id uint32) {
		reply(c, id, `{"ok":true,"x":1,"y":1,"frame":{"number":1,"base":0,"size":[1000000,1000000]}}`, nil)
	}},
	{"no JSON", func(c net.Conn, id uint32) { reply(c, id, string(random(1000)), nil) }},
	{"deep JSON", func(c net.Conn, id uint32) { reply(c, id, strings.Repeat("[", 1<<20-1), nil) }},
	{"half a frame", func(c net.Conn, id uint32) { c.Write(frame(id, 1000, []byte(`{"ok":true`))) }},
	{"a payload that does not come", func(c net.Conn, id uint32) {
		reply(c, id, fmt.Sprintf(`{"ok":true,"exec":{"exit_code":0,"stdout_len":%d,"stderr_len":0,"stdout_total":%[1]d,"stderr_total":0},"payload_len":%[1]d}`, desktop.MaxOutput), random(10))
	}},
	{"one byte now and then", func(c net.Conn, id uint32) {
		tick := time.NewTicker(patience / 10)
		defer tick.Stop()
		for _, b := range frame(id, 1<<20, make([]byte, 1<<20)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			<-tick.C
		}
	}},
	{"flood", func(c net.Conn, id uint32) {
		reply(c, id, `{"ok":true,"x":1,"y":1}`, nil)
		for {
			if reply(c, id, `{"ok":true,"x":1,"y":1}`, nil) != nil {
				return
			}
		}
	}},
	{"silence", func(net.Conn, uint32) {}},
}

func reply(c net.Conn, id uint32, header string, payload []byte) error {
	_, err := c.Write(append(frame(id, uint32(len(header)), []byte(header)), payload...))
	return err
}

func frame(id, length uint32, rest []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = binary.LittleEndian.AppendUint32(b, length)
	return append(b, rest...)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

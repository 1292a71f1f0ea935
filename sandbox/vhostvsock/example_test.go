package vhostvsock_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/vmette/vmette-mcp/sandbox/vhostvsock"
)

// A VMM has been started with one end of a socket pair as its vhost-user chardev;
// conn is the other end, and pid the process.
func Example() {
	var (
		conn *net.UnixConn
		pid  int
	)
	d, err := vhostvsock.New(vhostvsock.Config{GuestCID: 3})
	if err != nil {
		log.Fatal(err)
	}
	l, err := d.Listen(1024)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(context.Background(), conn, pid) }()

	c, err := l.Accept() // the guest connects to CID 2, port 1024
	if err != nil {
		log.Fatal(err)
	}
	hello, err := io.ReadAll(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s says %q\n", c.RemoteAddr(), hello)

	d.Close()
	<-served // now the VMM may be reaped
}

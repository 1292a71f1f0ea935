// Command vsockecho is a program of a guest that its host dials: it listens on the
// vsock port 7000, says so on standard output, sends back what the first connection
// brings, and ends with that.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/mdlayher/vsock"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	l, err := vsock.Listen(7000, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("listening")
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(conn, conn)
	return err
}

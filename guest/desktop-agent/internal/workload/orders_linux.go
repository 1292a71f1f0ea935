package workload

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// orders are what the host wants of the command.
type orders struct {
	begun chan struct{} // closed once there is a command, after the next two were set
	pid   int           // of the command and its process group
	stdio *stdio
	gone  chan struct{} // closed when the host says no more
}

func newOrders() *orders { return &orders{begun: make(chan struct{}), gone: make(chan struct{})} }

// begin has the orders obeyed, those that came before included.
func (o *orders) begin(pid int, stdio *stdio) {
	o.pid, o.stdio = pid, stdio
	close(o.begun)
}

// obey does what the host orders, until it says no more.
func (o *orders) obey(ctx context.Context, host io.Reader) error {
	defer close(o.gone)
	for {
		order, err := desktop.ReadOrder(host)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-o.begun:
		case <-ctx.Done():
			return nil
		}
		if order.Size != nil {
			_ = o.stdio.resize(*order.Size) // fails only if the terminal has gone with the command
		} else if n := unix.SignalNum(order.Signal); n != 0 {
			unix.Kill(-o.pid, n) // fails only if all have gone
		}
	}
}

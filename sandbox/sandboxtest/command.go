package sandboxtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/vmette/vmette-mcp/desktop"
)

// Command is a guest's program for [sandbox.WorkloadOneShot] that behaves well. It
// knows these commands:
//
//	exit N          ends with the exit code N
//	echo OUT ERR    writes to both streams of output
//	cat             writes to the one what it reads from its input
//	signal          waits for an order and writes which it was
//	deaf            writes to the one a dot at first and for each order, and goes on
//	listen          waits for a connection of the host and sends back what comes
//	sleep           waits until it is ended
func Command(ctx context.Context, g *Guest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := func(kind string) (net.Conn, error) {
		conn, err := g.Dial(ctx)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		return conn, desktop.OpenStream(ctx, conn, kind, "fake", g.Boot.Token)
	}
	host, err := open(desktop.ConnWorkload)
	if err != nil {
		return err
	}
	var std [3]net.Conn
	for i, kind := range []string{desktop.ConnStdin, desktop.ConnStdout, desktop.ConnStderr} {
		if std[i], err = open(kind); err != nil {
			return err
		}
	}
	code, err := execute(ctx, g, host, std[0], std[1], std[2])
	if err != nil {
		return err
	}
	std[1].Close()
	std[2].Close()
	if err := desktop.WriteReport(host, desktop.Report{ExitCode: code}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, host)
	return err
}

func execute(ctx context.Context, g *Guest, host io.Reader, in io.Reader, out, errs io.Writer) (int, error) {
	switch args := g.Boot.Workload.Args; {
	case args[0] == "exit" && len(args) == 2:
		return strconv.Atoi(args[1])
	case args[0] == "echo" && len(args) == 3:
		fmt.Fprintln(out, args[1])
		_, err := fmt.Fprintln(errs, args[2])
		return 0, err
	case args[0] == "cat":
		_, err := io.Copy(out, in)
		return 0, err
	case args[0] == "signal":
		o, err := desktop.ReadOrder(host)
		if err == nil {
			_, err = fmt.Fprint(out, o.Signal)
		}
		return 0, err
	case args[0] == "deaf":
		for {
			fmt.Fprint(out, ".")
			if _, err := desktop.ReadOrder(host); err != nil {
				return 0, err
			}
		}
	case args[0] == "listen":
		conn, _, err := g.Accept(ctx)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		_, err = io.Copy(conn, conn)
		return 0, err
	case args[0] == "sleep":
		<-ctx.Done()
		return 0, nil
	}
	_, err := fmt.Fprintf(errs, "vmette: there is no program %q in PATH\n", g.Boot.Workload.Args[0])
	return 127, err
}

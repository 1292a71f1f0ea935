// Command server is what the official conformance suite of the Model Context
// Protocol is run against: the tools, prompts and resources that the suite wants
// to find, on the transport and behind the guards of the real server.
//
// It listens on the loopback address and prints the URL of its endpoint.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/mcp/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	g, err := guard.New(guard.Config{})
	if err != nil {
		return err
	}
	handle, err := newFixture()
	if err != nil {
		return err
	}
	t := transport.New(transport.Config{Backend: backend{handle}, Taken: guard.Claim})
	mux := http.NewServeMux()
	mux.Handle("/mcp", t.Streamable())
	mux.Handle("/sse", t.SSE("/message"))
	mux.Handle("/message", t.Messages())
	srv := g.Server(auth.NewGate(auth.Config{}).Wrap(mux))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%v/mcp\n", l.Addr())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(t.Shutdown(limit), srv.Shutdown(limit))
}

// backend has every conversation handled alike.
type backend struct{ handle rpc.Handler }

func (b backend) Converse(auth.Identity) (transport.Conversation, error) { return talk{b}, nil }

func (b backend) Handle(ctx context.Context, m *rpc.Message) *rpc.Answer { return b.handle(ctx, m) }

type talk struct{ backend }

func (talk) Empty() bool                 { return true }
func (talk) Close(context.Context) error { return nil }

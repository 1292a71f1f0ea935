package desktop_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vmette/vmette-mcp/desktop"
)

// agent is a guest agent that knows one action.
func agent(ctx context.Context, conn net.Conn, token string) error {
	g, err := desktop.NewGuest(ctx, conn, desktop.Hello{
		Agent:  "example",
		Token:  token,
		Screen: desktop.Size{Width: 1280, Height: 800},
	})
	if err != nil {
		return err
	}
	defer g.Close()
	for {
		id, req, err := g.ReadRequest()
		resp := desktop.Response{OK: true}
		var invalid *desktop.Error
		switch {
		case errors.As(err, &invalid):
			resp = desktop.Response{Error: invalid}
		case err != nil:
			return err
		default:
			if move, ok := req.Action.(desktop.Move); ok {
				resp.X, resp.Y = &move.To.X, &move.To.Y
			} else {
				resp = desktop.Response{Error: desktop.Errorf(desktop.CodeInvalid, "this agent can only move")}
			}
		}
		if err := g.WriteResponse(id, resp, nil); err != nil {
			return err
		}
	}
}

func ExampleClient() {
	ctx := context.Background()
	host, guest := net.Pipe()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		agent(ctx, guest, "secret of this boot")
	}()

	c, err := desktop.NewClient(ctx, host, desktop.ClientConfig{Token: "secret of this boot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := c.Do(ctx, desktop.Move{To: desktop.Point{X: 640, Y: 0}}, desktop.Observe{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("pointer at", *res.X, *res.Y)

	_, err = c.Do(ctx, desktop.Type{Text: "hello"}, desktop.Observe{})
	fmt.Println(err)

	c.Close()
	<-gone
	// Output:
	// pointer at 640 0
	// invalid: this agent can only move
}

package serve

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/clipboard"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/internal/oracle"
	"github.com/vmette/vmette-mcp/internal/oracle/matrix"
)

// Every input action in every kind of application, through the protocol and the
// agent's server, on an X server of this machine.
func TestMatrix(t *testing.T) {
	cells := matrix.Cells()
	tally := matrix.NewTally(cells)
	for _, kind := range oracle.Applications {
		t.Run(string(kind), func(t *testing.T) {
			x := x11test.Start(t, matrix.Screen)
			x.StartManager(t)
			matrix.Run(t, kind, matrix.Options{
				Host:   oracle.Local{Display: x.Display, Dir: t.TempDir()},
				Driver: serveDisplay(t, x),
				Cells:  cells,
				Limit:  5 * time.Second,
				Start:  time.Minute,
				Tally:  tally,
			})
		})
	}
	tally.Report(t, "../../../../docs/actions.md")
}

// serveDisplay serves a display and returns what performs actions on it.
func serveDisplay(t *testing.T, x *x11test.Server) oracle.Driver {
	t.Helper()
	display, err := x11.Open(t.Context(), x.Display, x11.Options{})
	if err != nil {
		t.Fatal(err)
	}
	selections := clipboard.New(x.Display)
	t.Cleanup(selections.Close)
	server := &Server{Desk: new(Desk), Runner: fakeRunner{}, Clipboard: selections, Browser: fakeBrowser{}}
	server.Desk.Place(display)
	host, guest := net.Pipe()
	end := make(chan error, 1)
	go func() {
		g, err := desktop.NewGuest(t.Context(), guest, desktop.Hello{Token: "t", Screen: matrix.Screen})
		if err == nil {
			err = server.Serve(context.Background(), g)
		}
		end <- err
	}()
	c, err := desktop.NewClient(t.Context(), host, desktop.ClientConfig{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := <-end; err != nil {
			t.Errorf("serve: %v", err)
		}
		display.Close()
	})
	return func(ctx context.Context, a desktop.Action) error {
		_, err := c.Do(ctx, a, desktop.Observe{})
		return err
	}
}

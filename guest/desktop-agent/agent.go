//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/agent"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/browse"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/link"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/orders"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/supervise"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// ordersFD is the descriptor on which process 1 writes to the agent.
const ordersFD = 3

// guestAgent is the child of process 1.
func guestAgent(ctx context.Context) error {
	if err := machine.HideMemory(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Process 1 left its end in blocking mode, which both ends of one open file
	// share: closing it would not wake the reader.
	if err := syscall.SetNonblock(ordersFD, true); err != nil {
		return err
	}
	pipe := os.NewFile(ordersFD, "orders")
	lines := orders.NewReader(pipe)
	var start orders.Start
	if err := lines.Read(&start); err != nil {
		return err
	}
	log := bootlog.New(os.Stderr)
	var servers supervise.Gate // opens anew for every X server
	answers := make(chan orders.Done, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			var o orders.Order
			if err := lines.Read(&o); err != nil {
				cancel(err)
				return
			}
			if o.Done != nil {
				answers <- *o.Done // one for each request, which wait for each other
			} else {
				servers.Shut()
				servers.Open()
			}
		}
	})
	defer reader.Wait()
	defer pipe.Close()

	err := agent.Run(ctx, agent.Config{
		Token:    start.Token,
		Restarts: start.Restarts,
		Display:  start.Display,
		Cgroup:   start.Cgroup,
		Dial: link.Dialer{Port: start.Port, Failed: func(err error) {
			log.Printf("the host cannot be reached yet: %v", err)
		}}.Dial,
		Resume: func(ctx context.Context, boot desktop.Boot) error {
			return resume(ctx, pipe, answers, boot)
		},
		AdvanceClock: func(ctx context.Context, to time.Time) error {
			return ask(ctx, pipe, answers, orders.Request{Clock: to.UnixNano()})
		},
		Server:  servers.Wait,
		Guest:   true,
		Manager: start.Manager,
		Logger:  logger(),
		Phase:   log.Phase,
	})
	var refused *desktop.RefusedError
	if errors.As(err, &refused) {
		// To end would be to be started again and to dial again.
		log.Printf("%v", err)
		<-ctx.Done()
	}
	return err
}

// resume has process 1 make the machine the one that boot says.
func resume(ctx context.Context, w io.Writer, answers <-chan orders.Done, boot desktop.Boot) error {
	before, err := os.Hostname()
	if err != nil {
		return err
	}
	err = ask(ctx, w, answers, orders.Request{Resume: &boot})
	if ctx.Err() != nil {
		return err
	}
	home, homeErr := os.UserHomeDir()
	if homeErr != nil {
		return errors.Join(err, homeErr)
	}
	return errors.Join(err, browse.MoveLocks(home, before, boot.Hostname))
}

// ask has process 1 do what the agent may not.
func ask(ctx context.Context, w io.Writer, answers <-chan orders.Done, r orders.Request) error {
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("ask process 1: %w", err)
	}
	select {
	case done := <-answers:
		if done.Error != "" {
			return errors.New(done.Error)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nativeAgent serves the X server of the environment to a host on a Unix
// socket.
func nativeAgent(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	display := flags.String("display", os.Getenv("DISPLAY"), "X `display` to serve")
	connect := flags.String("connect", "", "where the host listens, as unix:`PATH`")
	tokenFile := flags.String("token-file", "", "`file` that holds the token to show to the host")
	if err := flags.Parse(args); err != nil {
		return err
	}
	path, ok := strings.CutPrefix(*connect, "unix:")
	if !ok || *tokenFile == "" || *display == "" || flags.NArg() > 0 {
		return errors.New("use desktop-agent serve --display :N --connect unix:PATH --token-file FILE")
	}
	token, err := os.ReadFile(*tokenFile)
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	os.Setenv("DISPLAY", *display) // for what the host starts
	return agent.Run(ctx, agent.Config{
		Token:   strings.TrimSpace(string(token)),
		Display: *display,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		Logger: logger(),
	})
}

// probe is a window that says what it sees.
func probe(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	display := flags.String("display", os.Getenv("DISPLAY"), "X `display` to open the window on")
	flash := flags.Bool("flash", false, "change the colour of the window at each press of a button")
	motion := flags.Bool("motion", false, "report motion of the pointer too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return xprobe.Run(ctx, *display, xprobe.Options{Flash: *flash, Motion: *motion}, os.Stdout)
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

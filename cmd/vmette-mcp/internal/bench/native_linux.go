package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Native measures the guest agent on an X server of this host, started for the
// purpose, over a Unix socket.
func Native(ctx context.Context, agent []byte, o Options) (Report, error) {
	size := desktop.Size{Width: 1280, Height: 800}
	r := Report{Started: time.Now(), Isolation: "none", Screen: size}

	server, display, err := startX(ctx, size)
	if err != nil {
		return r, err
	}
	defer server.end()
	watcher, err := openXClient(display)
	if err != nil {
		return r, err
	}
	defer watcher.close()
	client, stop, err := startAgent(ctx, agent, display)
	if err != nil {
		return r, err
	}
	defer stop()

	s := screen{do: client.Do, mirror: client.Mirror}
	for _, kind := range []struct {
		name, what string
		paint      func(image.Point, uint64) *image.RGBA
	}{
		{"screenshot_busy", "from the request to the PNG: a photo, text and a browser, all of it changed since the last", busyPicture},
		{"screenshot_simple", "the same: one small window on an empty desktop, all of it changed", simplePicture},
	} {
		o.log("%s", kind.name)
		pictures := [2]*image.RGBA{kind.paint(watcher.size, 1), kind.paint(watcher.size, 2)}
		shown := 0
		m, err := s.looks(ctx, kind.name, kind.what, nLooks, func(context.Context) error {
			shown++
			return watcher.show(pictures[shown%2])
		})
		if err != nil {
			return r, err
		}
		r.Measurements = append(r.Measurements, m)
	}
	m, err := s.looks(ctx, "screenshot_unchanged", "from the request to the PNG, nothing changed since the last", nLooks, nil)
	if err != nil {
		return r, err
	}
	r.Measurements = append(r.Measurements, m)

	o.log("click")
	m, err = nativeClicks(ctx, client, watcher)
	if err != nil {
		return r, err
	}
	r.Measurements = append(r.Measurements, m)

	o.log("actions")
	actions, err := s.actions(ctx)
	r.Measurements = append(r.Measurements, actions...)
	return r, err
}

func nativeClicks(ctx context.Context, client *desktop.Client, watcher *xclient) (Measurement, error) {
	var samples []time.Duration
	for i := range nLooks {
		at := clickPoint(i)
		start := time.Now()
		if _, err := client.Do(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &at}, desktop.Observe{}); err != nil {
			return Measurement{}, err
		}
		select {
		case seen := <-watcher.clicks:
			samples = append(samples, seen.Sub(start))
		case <-ctx.Done():
			return Measurement{}, fmt.Errorf("wait for click: %w", context.Cause(ctx))
		}
	}
	return summarize("click_seen", "from the request to the press that another X client sees", samples), nil
}

// startX starts an X server on a display of its own choice.
func startX(ctx context.Context, size desktop.Size) (*child, string, error) {
	var cmd *exec.Cmd
	if path, err := exec.LookPath("Xvnc"); err == nil {
		cmd = exec.Command(path, "-displayfd", "3", "-geometry", size.String(), "-depth", "24", "-SecurityTypes", "None", "-rfbport", "-1", "-nolisten", "tcp")
	} else if path, err := exec.LookPath("Xvfb"); err == nil {
		cmd = exec.Command(path, "-displayfd", "3", "-screen", "0", size.String()+"x24", "-nolisten", "tcp")
	} else {
		return nil, "", errors.New("no X server to measure on: apt-get install tigervnc-standalone-server")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("start X server: %w", err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	server, err := startChild(cmd, nil)
	w.Close()
	if err != nil {
		return nil, "", fmt.Errorf("start X server: %w", err)
	}
	// The read ends when the server has answered or died, or is given up.
	unblock := context.AfterFunc(ctx, func() { r.Close() })
	defer unblock()
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		server.end()
		return nil, "", fmt.Errorf("start X server %s: it did not say its display: %w", cmd.Path, err)
	}
	return server, ":" + strings.TrimSpace(number), nil
}

// startAgent starts the guest agent on display and returns a client of it, and
// what ends both.
func startAgent(ctx context.Context, agent []byte, display string) (_ *desktop.Client, stop func(), err error) {
	dir, err := os.MkdirTemp("", "vmette-bench-")
	if err != nil {
		return nil, nil, fmt.Errorf("start agent: %w", err)
	}
	stop = func() { os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	const token = "bench" // of a socket in a directory that is ours alone
	binary, tokenFile, socket := filepath.Join(dir, "desktop-agent"), filepath.Join(dir, "token"), filepath.Join(dir, "socket")
	if err := errors.Join(os.WriteFile(binary, agent, 0o700), os.WriteFile(tokenFile, []byte(token), 0o600)); err != nil {
		return nil, nil, fmt.Errorf("start agent: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("start agent: %w", err)
	}
	defer l.Close()
	cmd := exec.Command(binary, "serve", "--display", display, "--connect", "unix:"+socket, "--token-file", tokenFile)
	cmd.Stderr = os.Stderr
	// An agent that ends before it has connected is not waited for.
	process, err := startChild(cmd, func() { l.Close() })
	if err != nil {
		return nil, nil, fmt.Errorf("start agent: %w", err)
	}
	remove := stop
	stop = func() { process.end(); remove() }

	unblock := context.AfterFunc(ctx, func() { l.Close() })
	defer unblock()
	conn, err := l.Accept()
	if err != nil {
		return nil, nil, fmt.Errorf("wait for agent: %w", err)
	}
	client, err := desktop.NewClient(ctx, conn, desktop.ClientConfig{Token: token})
	if err != nil {
		return nil, nil, err
	}
	kill := stop
	stop = func() { client.Close(); kill() }
	return client, stop, nil
}

// child is a process that does not outlive this one.
type child struct {
	process *os.Process
	gone    chan struct{} // closed when it was reaped
}

// startChild starts cmd. onExit, when not nil, is called when it has ended.
func startChild(cmd *exec.Cmd, onExit func()) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{process: cmd.Process, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		_ = cmd.Wait() // how it ended does not matter
		if onExit != nil {
			onExit()
		}
	}()
	return c, nil
}

// end kills the process and returns when it is gone.
func (c *child) end() {
	_ = c.process.Kill() // it may have ended by itself
	<-c.gone
}

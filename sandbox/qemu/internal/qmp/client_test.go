package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}`

// pair returns both ends of a socket pair.
func pair(t *testing.T) (client, server *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return conns[0], conns[1]
}

// qemu greets on conn and then answers each command with what reply returns for
// it: lines to send, in which $ID stands for the id of the command.
func qemu(t *testing.T, conn *net.UnixConn, reply func(command string) []string) {
	t.Helper()
	stopped := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-stopped })
	go func() {
		defer close(stopped)
		fmt.Fprintln(conn, greeting)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			var req struct {
				Execute string      `json:"execute"`
				ID      json.Number `json:"id"`
			}
			if err := json.Unmarshal(lines.Bytes(), &req); err != nil {
				t.Errorf("command %q: %v", lines.Text(), err)
				return
			}
			out := []string{`{"return": {}, "id": $ID}`}
			if req.Execute != "qmp_capabilities" {
				out = reply(req.Execute)
			}
			for _, l := range out {
				fmt.Fprintln(conn, strings.ReplaceAll(l, "$ID", req.ID.String()))
			}
		}
	}()
}

func open(t *testing.T, onEvent func(Event), reply func(string) []string) *Client {
	t.Helper()
	client, server := pair(t)
	qemu(t, server, reply)
	c, err := NewClient(t.Context(), client, onEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestExecute(t *testing.T) {
	c := open(t, nil, func(command string) []string {
		switch command {
		case "query-status":
			return []string{`{"return": {"status": "running"}, "id": $ID}`}
		case "cont":
			return []string{`{"error": {"class": "GenericError", "desc": "no"}, "id": $ID}`}
		case "stop": // the answer to a command that was given up comes first
			return []string{`{"return": {}, "id": 999}`, `{"return": {}, "id": $ID}`}
		}
		return nil
	})
	if got, want := c.Version().String(), "7.2.22"; got != want {
		t.Errorf("version %s, want %s", got, want)
	}
	var status struct{ Status string }
	if err := c.Execute(t.Context(), "query-status", nil, &status); err != nil || status.Status != "running" {
		t.Errorf("query-status: got %q, %v", status.Status, err)
	}
	var refused *Error
	if err := c.Execute(t.Context(), "cont", nil, nil); !errors.As(err, &refused) || refused.Desc != "no" {
		t.Errorf("cont: got %v, want an *Error", err)
	}
	if err := c.Execute(t.Context(), "stop", nil, nil); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestExecuteEndsWithContext(t *testing.T) {
	asked := make(chan struct{})
	c := open(t, nil, func(string) []string { close(asked); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := c.Execute(ctx, "stop", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestExecuteEndsWithConnection(t *testing.T) {
	client, server := pair(t)
	qemu(t, server, func(string) []string { server.Close(); return nil })
	c, err := NewClient(t.Context(), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Execute(t.Context(), "stop", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	<-c.Done()
	if err := c.Close(); err != nil {
		t.Errorf("Close after the end: %v", err)
	}
}

func TestEventsComeBeforeLaterAnswers(t *testing.T) {
	var got []string
	c := open(t, func(e Event) { got = append(got, e.Name+" "+string(e.Data)) }, func(string) []string {
		return []string{
			`{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}`,
			`{"event": "SHUTDOWN", "data": {"guest": true}, "timestamp": {"seconds": 1, "microseconds": 2}}`,
			`{"return": {}, "id": $ID}`,
		}
	})
	if err := c.Execute(t.Context(), "cont", nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"RESUME ", `SHUTDOWN {"guest": true}`}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestNewClientRefuses(t *testing.T) {
	tests := map[string]string{
		"no JSON":         "hello",
		"no object":       "[]",
		"two greetings":   greeting + "\n" + greeting,
		"half a greeting": greeting[:40],
		"endless line":    `{"event": "` + strings.Repeat("A", MaxMessage+1),
		"refusal":         `{"error": {"class": "GenericError", "desc": "no"}}`,
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				fmt.Fprintln(server, send)
				server.CloseWrite()
			}()
			if c, err := NewClient(t.Context(), client, nil); err == nil {
				c.Close()
				t.Error("NewClient succeeded")
			}
			<-sent
		})
	}
}

func TestExecutePassesFiles(t *testing.T) {
	client, server := pair(t)
	received := make(chan int, 1)
	go func() {
		fmt.Fprintln(server, greeting)
		buf, oob := make([]byte, 4096), make([]byte, 256)
		server.ReadMsgUnix(buf, oob) // qmp_capabilities
		fmt.Fprintln(server, `{"return": {}, "id": 1}`)
		_, oobn, _, _, _ := server.ReadMsgUnix(buf, oob)
		count := 0
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for _, m := range messages {
				fds, _ := unix.ParseUnixRights(&m)
				count += len(fds)
				for _, fd := range fds {
					unix.Close(fd)
				}
			}
		}
		fmt.Fprintln(server, `{"return": {}, "id": 2}`)
		received <- count
	}()
	c, err := NewClient(t.Context(), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Execute(t.Context(), "getfd", map[string]string{"fdname": "x"}, nil, os.Stdin); err != nil {
		t.Fatal(err)
	}
	if n := <-received; n != 1 {
		t.Errorf("qemu received %d files, want 1", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		greeting,
		`{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}, "timestamp": {"seconds": 1, "microseconds": 2}}`,
		`{"return": {}, "id": 1}`,
		`{"error": {"class": "GenericError", "desc": "no"}, "id": 1}`,
		`{"return": null, "id": -1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decode(line)
		set := 0
		for _, is := range []bool{m.greeting != nil, m.event != nil, m.answer != nil} {
			if is {
				set++
			}
		}
		if want := 1; err != nil && set != 0 || err == nil && set != want {
			t.Fatalf("decode %q: %d of greeting, event and answer are set, error %v", line, set, err)
		}
	})
}

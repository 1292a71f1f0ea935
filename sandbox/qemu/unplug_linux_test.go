package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// idleMachine returns a machine whose QEMU does nothing but to obey: it sends the
// name of each command, which succeeds.
func idleMachine(t *testing.T) (m *machine, monitor *net.UnixConn, commands <-chan string) {
	t.Helper()
	m = &machine{log: slog.New(slog.DiscardHandler), broken: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	door, err := openUserDoor(1024, &m.files, m.log)
	if err != nil {
		t.Fatal(err)
	}
	m.door = door
	if m.child, err = startChild(exec.Command("sleep", "1000"), nil, childOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs, ours, err := socketPair("qmp")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(theirs)
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	monitor = conn.(*net.UnixConn)
	said := make(chan string, 16)
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		defer monitor.Close()
		fmt.Fprintln(monitor, `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}`)
		for lines := bufio.NewScanner(monitor); lines.Scan(); {
			var c struct {
				Execute string      `json:"execute"`
				ID      json.Number `json:"id"`
			}
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Errorf("command %q: %v", lines.Text(), err)
				return
			}
			fmt.Fprintf(monitor, `{"return": {}, "id": %s}`+"\n", c.ID)
			said <- c.Execute
		}
	}()
	if m.qmp, err = qmp.NewClient(t.Context(), ours, m.event); err != nil {
		t.Fatal(err)
	}
	<-said // it opens command mode
	m.serveVsock()
	t.Cleanup(func() {
		m.child.kill()
		m.qmp.Close()
		<-obeyed
		m.cancel()
		m.saving.Lock()
		m.closeVsock()
		m.saving.Unlock()
		m.wg.Wait()
		m.child.wait()
		m.files.close()
	})
	return m, monitor, said
}

// A guest that lets go of its vsock device after the save was given up gets it back.
func TestLateUnplugIsMended(t *testing.T) {
	m, monitor, commands := idleMachine(t)
	door := m.door.(*userDoor)
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	given := make(chan error, 1)
	go func() {
		m.saving.Lock()
		defer m.saving.Unlock()
		given <- m.unplugVsock(ctx, door)
	}()
	if got := <-commands; got != "device_del" {
		t.Fatalf("first command: %s", got)
	}
	cancel(late)
	if err := <-given; !errors.Is(err, late) {
		t.Fatalf("unplug: %v, want %v", err, late)
	}
	if _, err := m.Save(t.Context()); err == nil {
		t.Error("it was saved before the guest had let go of the device")
	}
	fmt.Fprintln(monitor, `{"event": "DEVICE_DELETED", "data": {"device": "vsock", "path": "/machine/peripheral/vsock"}, "timestamp": {"seconds": 1, "microseconds": 0}}`)
	var got []string
	for range 4 {
		got = append(got, <-commands)
	}
	if diff := cmp.Diff([]string{"chardev-remove", "getfd", "chardev-add", "device_add"}, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	if m.unplugging || door.plug.number != 1 || closed(m.broken) {
		t.Errorf("the device is in its plug %d, still to go: %v, broken: %v", door.plug.number, m.unplugging, closed(m.broken))
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A device that breaks more than once ends the machine once.
func TestMachineFailsOnce(t *testing.T) {
	m := &machine{broken: make(chan struct{})}
	first := errors.New("first")
	m.fail(first)
	m.fail(errors.New("second"))
	if !closed(m.broken) || m.serveErr != first {
		t.Errorf("it broke as %v, want %v", m.serveErr, first)
	}
}

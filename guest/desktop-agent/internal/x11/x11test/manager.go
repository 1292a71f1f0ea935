package x11test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// managerConfig is how the images configure openbox, relative to the module.
const managerConfig = "rootfs/debian/common/etc/xdg/openbox/rc.xml"

// StartManager starts openbox, configured as in the images, and returns when it
// has taken charge of the display. It ends with the test.
func (s *Server) StartManager(t testing.TB) {
	t.Helper()
	conn, err := xgb.NewConnDisplay(s.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	root := xproto.Setup(conn).DefaultScreen(conn).Root
	err = xproto.ChangeWindowAttributesChecked(conn, root, xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check()
	if err != nil {
		t.Fatal(err)
	}
	// Set last when the manager begins: Extended Window Manager Hints, "Root
	// Window Properties".
	const name = "_NET_SUPPORTING_WM_CHECK"
	check, err := xproto.InternAtom(conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		t.Fatal(err)
	}

	var log bytes.Buffer
	cmd := exec.Command("openbox", "--sm-disable", "--config-file", filepath.Join(moduleDir(t), managerConfig))
	cmd.Env = append(os.Environ(), "DISPLAY="+s.Display)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install openbox", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		conn.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		event, xerr := conn.WaitForEvent()
		if event == nil && xerr == nil {
			<-ended
			t.Fatalf("openbox ended before it was ready:\n%s", log.Bytes())
		}
		if e, ok := event.(xproto.PropertyNotifyEvent); ok && e.Atom == check.Atom {
			return
		}
	}
}

// moduleDir returns the directory of this module, in which tests run.
func moduleDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run inside the module")
		}
		dir = filepath.Dir(dir)
	}
}

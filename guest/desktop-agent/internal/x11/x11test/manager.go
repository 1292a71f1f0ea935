package x11test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// managerConfig is how the images configure openbox, relative to the module.
const managerConfig = "rootfs/debian/common/etc/xdg/openbox/rc.xml"

// askAgain is how long openbox has for an answer until it is asked once more.
const askAgain = 50 * time.Millisecond

// StartManager starts openbox, configured as in the images, and returns when it
// deals with what happens on the display, which is a moment after it has taken
// charge: it is asked, until it answers, for the frame of a window that is never
// shown. It ends with the test.
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
	// Extended Window Manager Hints, "Root Window Properties", and "Other Root
	// Window Messages".
	atom := func(name string) xproto.Atom {
		r, err := xproto.InternAtom(conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return r.Atom
	}
	check, request, extents := atom("_NET_SUPPORTING_WM_CHECK"), atom("_NET_REQUEST_FRAME_EXTENTS"), atom("_NET_FRAME_EXTENTS")
	own, err := xproto.NewWindowId(conn)
	if err != nil {
		t.Fatal(err)
	}
	err = xproto.CreateWindowChecked(conn, 0, own, root, -1, -1, 1, 1, 0, xproto.WindowClassInputOnly, 0,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check()
	if err != nil {
		t.Fatal(err)
	}

	var log bytes.Buffer
	cmd := exec.Command("openbox", "--sm-disable", "--config-file", filepath.Join(moduleDir(t), managerConfig))
	cmd.Env = append(os.Environ(), "DISPLAY="+s.Display, "XCOMPOSEFILE=/dev/null") // as in a guest
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
	s.manager = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	question := string(xproto.ClientMessageEvent{
		Format: 32, Window: own, Type: request, Data: xproto.ClientMessageDataUnionData32New(make([]uint32, 5)),
	}.Bytes())
	announced, answered := make(chan struct{}), make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		select {
		case <-announced:
		case <-answered:
			return
		}
		for {
			xproto.SendEvent(conn, false, root, xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, question)
			select {
			case <-time.After(askAgain):
			case <-answered:
				return
			}
		}
	})
	defer asking.Wait()
	defer close(answered)
	for known := false; ; {
		event, xerr := conn.WaitForEvent()
		if event == nil && xerr == nil {
			<-ended
			t.Fatalf("openbox ended before it was ready:\n%s", log.Bytes())
		}
		e, ok := event.(xproto.PropertyNotifyEvent)
		switch {
		case ok && e.Atom == check && !known:
			known = true
			close(announced)
		case ok && e.Window == own && e.Atom == extents:
			return
		}
	}
}

// StopManager makes the window manager hang until the function that it returns is
// called.
func (s *Server) StopManager(t testing.TB) (resume func()) {
	t.Helper()
	signal := func(sig syscall.Signal) {
		t.Helper()
		if err := s.manager.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	return func() {
		t.Helper()
		signal(syscall.SIGCONT)
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

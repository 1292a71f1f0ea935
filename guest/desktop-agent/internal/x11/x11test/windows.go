package x11test

import (
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// AwaitWindow watches a display and returns a function that waits until a
// window of a program that was started since has appeared on it.
func AwaitWindow(t testing.TB, display string) (wait func()) {
	t.Helper()
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		t.Fatal(err)
	}
	root := xproto.Setup(conn).DefaultScreen(conn).Root
	err = xproto.ChangeWindowAttributesChecked(conn, root, xproto.CwEventMask, []uint32{xproto.EventMaskSubstructureNotify}).Check()
	if err != nil {
		t.Fatal(err)
	}
	mapped := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shown := false
		for {
			event, xerr := conn.WaitForEvent()
			if event == nil && xerr == nil {
				return
			}
			if _, ok := event.(xproto.MapNotifyEvent); ok && !shown {
				shown = true
				close(mapped)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return func() {
		t.Helper()
		select {
		case <-mapped:
		case <-ended:
			t.Fatal("the X server went away before a window appeared")
		}
	}
}

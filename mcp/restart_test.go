package mcp

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/sandbox"
)

// takenBack makes a desktop of the host one that a server before this one made.
func takenBack(d *fakeDesktop, age time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.TakenBack, d.info.Created = true, time.Now().Add(-age)
}

// A session ends with its server. Its own desktop does too, unless desktops are to
// outlive the server; when the client ends the session, it ends in any case.
func TestDesktopsOfSessionsOutliveTheServer(t *testing.T) {
	for name, keep := range map[string]bool{"close": false, "keep": true} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost()
			host.ended = make(chan string, 2)
			w := serveHTTP(t, host, HTTPConfig{Keep: keep})
			ended, open := w.session(), w.session()
			for _, s := range [][]string{ended, open} {
				if o := w.call(s, "screenshot", `{}`); o.Result.IsError {
					t.Fatal(o.text())
				}
			}
			last := host.last()
			w.do("DELETE", "/mcp", "", ended...)
			<-host.ended // which the transport does not have its client wait for
			if err := w.end(); err != nil {
				t.Error(err)
			}
			list := host.List("http local")
			if want := map[bool]int{true: 1}[keep]; len(list) != want || keep && list[0].ID != last.info.ID {
				t.Errorf("there are %v", list)
			}
		})
	}
}

// A number that a model has from before is none of a picture of after.
func TestFramesOfBeforeARestartAreUnknown(t *testing.T) {
	host := newFakeHost()
	w := serveHTTP(t, host, HTTPConfig{})
	id := w.callStateless("desktop_create", `{}`).Result.StructuredContent.DesktopID
	takenBack(host.last(), time.Hour)
	for range 3 {
		if o := w.callStateless("key", `{"text":"F1","desktop_id":"`+id+`"}`); o.Result.IsError {
			t.Fatal(o.text())
		}
	}
	for _, frame := range []string{"1", "2", "3"} {
		wants(t, w.callStateless("left_click", `{"coordinate":[10,10],"frame":`+frame+`,"desktop_id":"`+id+`"}`).text(), "was not done")
	}
}

// A client that does not know whether its desktop_create came through before the server
// ended sends it to the next one.
func TestIdempotencyKeyOutlivesTheServer(t *testing.T) {
	host := newFakeHost()
	const args = `{"idempotency_key":"mine"}`
	var ids []string
	for range 2 {
		w := serveHTTP(t, host, HTTPConfig{Keep: true})
		ids = append(ids, w.call(w.session(), "desktop_create", args).Result.StructuredContent.DesktopID)
		ids = append(ids, w.callStateless("desktop_create", args).Result.StructuredContent.DesktopID)
		if err := w.end(); err != nil {
			t.Error(err)
		}
		takenBack(host.last(), time.Minute)
	}
	if slices.ContainsFunc(ids, func(id string) bool { return id == "" || id != ids[0] }) {
		t.Errorf("the same key made %q", ids)
	}
}

// A desktop is not younger after a restart.
func TestLifeGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost()
		for range 2 {
			d, err := host.Create(t.Context(), "http local", sandbox.Config{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			d.Release()
		}
		takenBack(host.live[0], 50*time.Minute)
		takenBack(host.live[1], 2*time.Hour)
		s, err := New(Config{Desktops: host, Images: host})
		if err != nil {
			t.Fatal(err)
		}
		r := newRemote(s, quota.NewBook(quota.Limits{}), time.Hour)
		_, leave, err := r.enter(auth.Local)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		for _, want := range []int{1, 1, 0} {
			synctest.Wait()
			if list := host.List("http local"); len(list) != want {
				t.Errorf("%v are left, want %d", list, want)
			}
			time.Sleep(5 * time.Minute)
		}
		if err := r.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

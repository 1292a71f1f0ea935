package serve

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// sleeper is a browser that only stands still.
type sleeper struct {
	fakeBrowser

	mu            sync.Mutex
	asked, paused bool
}

func (b *sleeper) do(change func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	return nil
}

func (b *sleeper) still() (still bool) {
	b.do(func() { still = b.asked || b.paused })
	return still
}

func (b *sleeper) Rest(context.Context) error { return b.do(func() { b.asked = true }) }
func (b *sleeper) Wake() error                { return b.do(func() { b.asked, b.paused = false, false }) }
func (b *sleeper) Pause()                     { b.do(func() { b.paused = true }) }
func (b *sleeper) Continue() error            { return b.do(func() { b.paused = false }) }

// reconnect is like connect, for a machine that was started from a saved state.
func (b *bench) reconnect(t *testing.T) {
	t.Helper()
	host, guest := net.Pipe()
	go func() {
		g, err := desktop.NewGuest(t.Context(), guest, desktop.Hello{Token: "t", Screen: desktop.Size{Width: 4, Height: 3}})
		if err == nil {
			err = b.server.Serve(t.Context(), g)
		}
		b.end <- err
	}()
	c, err := desktop.NewClient(t.Context(), host, desktop.ClientConfig{
		Token: "fresh", Resume: &desktop.Resume{Token: "t", Boot: desktop.Boot{
			Port: 1, Token: "fresh", Hostname: "h", Screen: desktop.Size{Width: 4, Height: 3}, UnixTime: 1, Entropy: make([]byte, desktop.MaxEntropy),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Client = c
}

// Who looks sees the browser as it was; who does something finds it at work.
func TestBrowserRestsUntilSomethingIsDone(t *testing.T) {
	for _, a := range examples {
		synctest.Test(t, func(t *testing.T) {
			browser := new(sleeper)
			b := newBenchWith(t, newFake(), browser)
			if _, err := b.Do(t.Context(), desktop.RestBrowser{}, desktop.Observe{}); err != nil {
				t.Fatal(err)
			}
			if !browser.still() {
				t.Fatal("it does not rest")
			}
			b.Do(t.Context(), a, desktop.Observe{}) // whether it can be done is not what this is about
			spec, _ := desktop.ActionByName(a.Name())
			if want := spec.Looks || a == (desktop.RestBrowser{}); browser.still() != want {
				t.Errorf("after %s it rests: %v", a.Name(), !want)
			}
			b.close(t)
		})
	}
}

// A browser stands still between connections, as the machine may be saved there.
func TestBrowserStandsStillWhileAMachineIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		browser := new(sleeper)
		b := newBenchWith(t, newFake(), browser)
		check := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if browser.still() != want {
				t.Errorf("%s it stands still: %v", when, !want)
			}
		}
		look := func(a desktop.Action) {
			t.Helper()
			if _, err := b.Do(t.Context(), a, desktop.Observe{}); err != nil {
				t.Fatal(err)
			}
		}
		check("at first", false)
		b.close(t)
		check("after a connection", true)
		b.connect(t)
		check("in the machine that was saved", false)
		b.close(t)

		b.reconnect(t)
		check("in one that is started from it", true)
		look(desktop.Screenshot{})
		check("when that was looked at", false)
		b.close(t)

		b.reconnect(t)
		time.Sleep(pauseLimit)
		check("when nobody looks at it", false)
		b.close(t)

		b.reconnect(t)
		waiting := b.do(t.Context(), desktop.Wait{DurationMS: 500})
		check("while one waits", false)
		<-waiting
		look(desktop.RestBrowser{})
		b.close(t)
		b.reconnect(t)
		time.Sleep(2 * pauseLimit)
		look(desktop.Screenshot{})
		check("when it rested before", true)
		b.close(t)
	})
}

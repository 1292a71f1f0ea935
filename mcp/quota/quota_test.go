package quota

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// refused checks that err is a refusal that says want, and returns when to come
// back.
func refused(t *testing.T, err error, want string) time.Duration {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), want) {
		t.Fatalf("got %v, want %q", err, want)
	}
	return e.Retry
}

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewBook(Limits{Calls: 2}).Of("alice")
		for i := range 2 * burst {
			if err := a.Call(); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		retry := refused(t, a.Call(), "2 calls a second is reached: call again in 1 seconds")
		time.Sleep(retry)
		if err := a.Call(); err != nil {
			t.Errorf("when it was told to: %v", err)
		}
	})
}

func TestDesktops(t *testing.T) {
	a := NewBook(Limits{Desktops: 2}).Of("alice")
	if err := a.Desktop(1); err != nil {
		t.Error(err)
	}
	refused(t, a.Desktop(2), "the limit of 2 desktops at once is reached: close one")
}

func TestSessions(t *testing.T) {
	b := NewBook(Limits{Sessions: 1})
	free, err := b.Of("alice").Session()
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Of("alice").Session()
	refused(t, err, "1 sessions at once is reached")
	if _, err := b.Of("bob").Session(); err != nil {
		t.Errorf("another client: %v", err)
	}
	free()
	free()
	if _, err := b.Of("alice").Session(); err != nil {
		t.Errorf("once it is free: %v", err)
	}
	if _, err := b.Of("alice").Session(); err == nil {
		t.Error("freeing it twice made room for two")
	}
}

func TestHeld(t *testing.T) {
	a := NewBook(Limits{Held: 10}).Of("alice")
	free, err := a.Hold(8)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Hold(3)
	refused(t, err, "10 bytes of requests at once")
	free()
	if _, err = a.Hold(10); err != nil {
		t.Error(err)
	}
}

func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewBook(Limits{Traffic: 6000}).Of("alice")
		free, err := a.Hold(1000)
		if err != nil {
			t.Fatal(err)
		}
		free()
		a.Sent(17_100) // 12,100 more than there are: two minutes and a second
		_, err = a.Hold(1)
		retry := refused(t, err, "6000 bytes a minute")
		if retry != 121*time.Second {
			t.Errorf("come back after %v", retry)
		}
		time.Sleep(retry)
		if _, err := a.Hold(1); err != nil {
			t.Errorf("when it was told to: %v", err)
		}
	})
}

// A book does not grow with clients that are gone, and forgets nothing of those
// that have something.
func TestBookDropsAccountsAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook(Limits{Calls: 1, Sessions: 1})
		if _, err := b.Of("keeps a session").Session(); err != nil {
			t.Fatal(err)
		}
		for n := range 10 * maxAtRest {
			if err := b.Of(string(rune(n))).Call(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(b.accounts); n > maxAtRest {
			t.Errorf("%d accounts are kept", n)
		}
		_, err := b.Of("keeps a session").Session()
		refused(t, err, "1 sessions at once")
	})
}

func TestRequests(t *testing.T) {
	a := NewBook(Limits{Requests: 2}).Of("alice")
	free, err := a.Request()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Request(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Request(); err == nil || err.Error() != "the limit of 2 requests and streams at once is reached: end one, or try again in 1 seconds" {
		t.Errorf("the third one: %v", err)
	}
	free()
	free()
	if _, err := a.Request(); err != nil {
		t.Errorf("once one has ended: %v", err)
	}
	if _, err := a.Request(); err == nil {
		t.Error("one that is ended twice counts twice")
	}
}

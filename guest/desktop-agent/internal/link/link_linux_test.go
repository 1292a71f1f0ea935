package link

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errNoDevice = errors.New("no such device")

// never is a machine on which nothing is plugged in.
func never(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// tries notes when each try comes; the one with the number good succeeds.
func tries(good int, at *[]time.Duration) func(context.Context) (net.Conn, error) {
	begun := time.Now()
	return func(context.Context) (net.Conn, error) {
		*at = append(*at, time.Since(begun))
		if len(*at) == good {
			c, _ := net.Pipe()
			return c, nil
		}
		return nil, errNoDevice
	}
}

func TestRetryWaitsLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		conn, err := retry(t.Context(), tries(9, &at), never)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		const ms = time.Millisecond
		want := []time.Duration{0, 50 * ms, 150 * ms, 350 * ms, 750 * ms, 1550 * ms, 3150 * ms, 5150 * ms, 7150 * ms}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryFollowsAnEventAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plugged := make(chan struct{}, 1)
		event := func(ctx context.Context) error {
			select {
			case <-plugged:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		time.AfterFunc(10*time.Second+10*time.Millisecond, func() { plugged <- struct{}{} })
		var at []time.Duration
		conn, err := retry(t.Context(), tries(11, &at), event)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if last := at[len(at)-1]; last != 10*time.Second+10*time.Millisecond {
			t.Errorf("the tries came at %v, none with the event", at)
		}
	})
}

func TestRetryGivesUpATryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var took []time.Duration
		try := func(ctx context.Context) (net.Conn, error) {
			start := time.Now()
			if time.Since(begun) > 10*time.Second {
				c, _ := net.Pipe()
				return c, nil
			}
			<-ctx.Done()
			took = append(took, time.Since(start))
			return nil, ctx.Err()
		}
		conn, err := retry(t.Context(), try, never)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		const ms = time.Millisecond
		want := []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms, 2000 * ms}
		if diff := cmp.Diff(want, took); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var at []time.Duration
		begun := time.Now()
		if _, err := retry(ctx, tries(0, &at), never); !errors.Is(err, errNoDevice) {
			t.Errorf("retry: %v, want the reason of the last try", err)
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestDialTellsOfItsFirstFailure(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var told []error
	// Nobody listens there, and most machines have no such device at all.
	_, err := Dialer{Port: 1, Failed: func(err error) { told = append(told, err) }}.Dial(ctx)
	if err == nil {
		t.Fatal("something listens on port 1 of the host")
	}
	if len(told) != 1 {
		t.Errorf("it told of %v", told)
	}
}

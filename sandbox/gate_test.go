package sandbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestGateLetsInAnyNumberOrNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for range 2 {
			if err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var said []string
		go func() {
			open, err := g.shut(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			said = append(said, "shut")
			open()
		}()
		synctest.Wait()
		g.leave()
		synctest.Wait()
		go func() {
			if err := g.enter(t.Context()); err != nil {
				t.Error(err)
				return
			}
			said = append(said, "entered")
			g.leave()
		}()
		synctest.Wait()
		if len(said) > 0 {
			t.Errorf("with one inside: %q", said)
		}
		g.leave()
		synctest.Wait()
		if len(said) != 2 || said[0] != "shut" {
			t.Errorf("when it was empty: %q", said)
		}
	})
}

func TestGateThatIsGivenUpIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		given := make(chan error)
		go func() {
			_, err := g.shut(ctx)
			given <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-given; !errors.Is(err, why) {
			t.Errorf("shut: %v", err)
		}
		g.leave()
		open, err := g.shut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open()
	})
}

package uevent

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestNextEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 { // a Listener outlives a wait that was given up
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		for err == nil {
			_, err = l.Next(ctx)
		}
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next returned %v, want the end of its context", err)
		}
		err = nil
	}
}

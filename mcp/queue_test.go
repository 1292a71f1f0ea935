package mcp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestQueueGivesTurnsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		var mu sync.Mutex
		var order []int
		first := q.join("a")
		for i := range 10 {
			turn := q.join("a")
			go func() {
				defer turn.leave()
				if err := turn.wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			}()
		}
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("%v had their turn before the first one left", order)
		}
		first.leave()
		synctest.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("turns came in the order %v", order)
		}
		if len(q.lines) != 0 {
			t.Errorf("%d lines are left", len(q.lines))
		}
	})
}

func TestQueueOfOneKeyHoldsUpNoOther(t *testing.T) {
	var q queue
	defer q.join("a").leave()
	b := q.join("b")
	defer b.leave()
	if err := b.wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestQueueWhoGivesUpIsPassedOver(t *testing.T) {
	var q queue
	first, second, third := q.join("a"), q.join("a"), q.join("a")
	why := errors.New("given up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := second.wait(ctx); !errors.Is(err, why) {
		t.Errorf("second waited with %v instead of %v", err, why)
	}
	second.leave()
	select {
	case <-third.come:
		t.Error("the third had its turn while the first had it")
	default:
	}
	first.leave()
	if err := third.wait(t.Context()); err != nil {
		t.Error(err)
	}
	third.leave()
	third.leave()
	if len(q.lines) != 0 {
		t.Errorf("%d lines are left", len(q.lines))
	}
}

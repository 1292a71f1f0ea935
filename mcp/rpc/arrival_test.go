package rpc

import (
	"slices"
	"testing"
	"testing/synctest"
)

func TestArrivalsPassInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a *Arrival
		var all []*Arrival
		for range 5 {
			a = a.next()
			all = append(all, a)
		}
		var order []int // guarded by the order itself
		for i, a := range slices.Backward(all) {
			go func() {
				if i == 2 {
					a.Pass(nil)
				}
				a.Pass(func() { order = append(order, i) })
			}()
		}
		synctest.Wait()
		if want := []int{0, 1, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("passed in the order %v, want %v", order, want)
		}
	})
}

package ring

import (
	"bytes"
	"fmt"
	"testing"
)

func TestRingKeepsTheLast(t *testing.T) {
	const size = 8
	for n := range 30 {
		for step := 1; step <= 12; step++ {
			t.Run(fmt.Sprintf("%d bytes by %d", n, step), func(t *testing.T) {
				var all []byte
				for i := range n {
					all = append(all, byte(i))
				}
				r := New(size)
				for rest := all; len(rest) > 0; {
					part := rest[:min(step, len(rest))]
					if k, err := r.Write(part); k != len(part) || err != nil {
						t.Fatalf("Write: %d, %v", k, err)
					}
					rest = rest[len(part):]
				}
				if want := all[max(0, n-size):]; !bytes.Equal(want, r.Bytes()) {
					t.Errorf("got %v, want %v", r.Bytes(), want)
				}
			})
		}
	}
}

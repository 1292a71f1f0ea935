package sandbox

import (
	"encoding/base64"
	"testing"
)

// A million handles are all different, and none is shorter than it should be.
func TestHandlesAreUnique(t *testing.T) {
	const n, bits = 1_000_000, 128
	seen := make(map[string]bool, n)
	for range n {
		s := newSecret()
		if b, err := base64.RawURLEncoding.DecodeString(s); err != nil || len(b)*8 < bits {
			t.Fatalf("%q holds less than %d bits: %v", s, bits, err)
		}
		seen[s] = true
	}
	if len(seen) != n {
		t.Errorf("of %d handles %d are different", n, len(seen))
	}
}

package egress

import "testing"

func TestEveryCardHasAnAddressOfItsOwn(t *testing.T) {
	seen := make(map[[6]byte]bool)
	for range 100 {
		mac := Guest().MAC
		if mac[0]&3 != 2 {
			t.Errorf("%x is not a single card's that is locally administered", mac)
		}
		if seen[mac] || mac == gatewayMAC {
			t.Errorf("%x is another card's", mac)
		}
		seen[mac] = true
	}
}

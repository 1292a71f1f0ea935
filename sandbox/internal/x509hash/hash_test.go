package x509hash

import (
	"encoding/hex"
	"testing"
)

// TestName compares with "openssl x509 -hash" of OpenSSL 3.0.
func TestName(t *testing.T) {
	tests := []struct {
		name, der string
		want      uint32
	}{
		{"plain", "30143112301006035504030c095465737420526f6f74", 0x2faabc7f},
		{"spaces, capitals and a printable string", "3040310b3009060355040613024445311c301a060355040a0c132020c39c6ec3af636f6465202020c3967267203113301106035504030c0a524f4f54202063612031", 0x8bd70476},
		{"several attributes in a set", "304e31173015060a0992268993f22c64011916076578616d706c6531133011060a0992268993f22c6401191603436f6d311e300806035504030c01433008060355040a0c01413008060355040b0c0162", 0x50d3ceb2},
		{"mail address", "30313113301106035504030c0a31323334353637383930311a301806092a864886f70d010901160b4140422e6578616d706c65", 0xe95540e4},
		{"two bytes a character", "301b3119301706035504031e100042006d0070002000d10061006d0065", 0x1173aeb3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der, err := hex.DecodeString(tt.der)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Name(der); err != nil || got != tt.want {
				t.Errorf("%08x, %v; want %08x", got, err, tt.want)
			}
		})
	}
	for _, der := range []string{"", "0500", "301431123010"} {
		der, err := hex.DecodeString(der)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Name(der); err == nil {
			t.Errorf("the hash of %x is %08x", der, got)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add([]byte("\x30\x14\x31\x12\x30\x10\x06\x03\x55\x04\x03\x0c\x09Test Root"))
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := Name(der)
		if b, again := Name(der); a != b || (err == nil) != (again == nil) {
			t.Errorf("%08x, %v, and again %08x, %v", a, err, b, again)
		}
	})
}

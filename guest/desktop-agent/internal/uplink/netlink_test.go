package uplink

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"
)

// TestMessages holds what goes to the kernel, as amd64 and arm64 write it.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"raise", raise(2, 1500), "28000000" + "1300" + "0500" + "01000000" + "00000000" +
			"00000000" + "02000000" + "01000000" + "01000000" + "08000400" + "dc050000"},
		{"address", addAddress(2, netip.MustParsePrefix("192.0.2.2/24")), "28000000" + "1400" + "0505" + "01000000" + "00000000" +
			"02180000" + "02000000" + "08000200" + "c0000202" + "08000100" + "c0000202"},
		{"neighbour", addNeighbour(2, netip.MustParseAddr("192.0.2.1"), []byte{2, 0x76, 0x6d, 0, 0, 1}), "30000000" + "1c00" + "0505" + "01000000" + "00000000" +
			"02000000" + "02000000" + "80000000" + "08000100" + "c0000201" + "0a000200" + "02766d00" + "0001" + "0000"},
		{"destroy", connection{netip.MustParseAddrPort("192.0.2.2:4000"), netip.MustParseAddrPort("203.0.113.1:80")}.destroy(), "48000000" + "1500" + "0500" + "01000000" + "00000000" +
			"02060000" + "ffffffff" + "0fa0" + "0050" + "c0000202" + "000000000000000000000000" + "cb007101" + "000000000000000000000000" + "00000000" + "ffffffffffffffff"},
		{"route", addRoute(2, netip.MustParseAddr("fd00::1")), "38000000" + "1800" + "0505" + "01000000" + "00000000" +
			"0a000000" + "fe030001" + "00000000" + "14000500" + "fd00000000000000" + "0000000000000001" + "08000400" + "02000000"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestOutgoing reads tables as a little-endian kernel prints them.
func TestOutgoing(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:8C4A 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: FE0200C0:8C4A 0A7100CB:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
   3: FE0200C0 0A7100CB:01BB 01
   4: 656D76FD006574740000000002000000:8C4B B80D0120000000000000000010000000:0050 08 00000000:00000000 00:00000000 00000000  1000        0 4 1 0 20 4 30 10 -1
   5: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000100007F:9C40 01 00000000:00000000
   6: zz:1 00000000:0000 01
   7: FE0200C0:8C4C 0A7100CB:01BB 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0
`
	var got []string
	for _, c := range outgoing(table) {
		got = append(got, c.local.String()+" "+c.remote.String())
	}
	want := []string{"192.0.2.254:35914 203.0.113.10:443", "[fd76:6d65:7474:6500::2]:35915 [2001:db8::10]:80"}
	if !slices.Equal(got, want) {
		t.Errorf("connections %q, want %q", got, want)
	}
}

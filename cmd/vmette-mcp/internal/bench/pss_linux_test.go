package bench

import "testing"

func TestPSS(t *testing.T) {
	const rollup = "5583f0000000-7ffc00000000 ---p 00000000 00:00 0    [rollup]\nRss:  9000 kB\nPss:                1234 kB\nPss_Dirty: 99 kB\n"
	if got, err := pssKiB(rollup); got != 1234 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "Pss_Dirty: 99 kB\n", "Pss: many kB\n"} {
		if _, err := pssKiB(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMountedDisks(t *testing.T) {
	const table = `overlay / overlay rw,lowerdir=/lower 0 0
devtmpfs /dev devtmpfs rw 0 0
/dev/vdb /mnt ext4 rw 0 0
/dev/vdc /mnt/a\040b\134c ext4 rw 0 0
/dev/vdd /short\04 ext4 rw 0 0

/dev/vde
`
	want := []string{"/mnt", `/mnt/a b\c`, `/short\04`}
	if diff := cmp.Diff(want, mountedDisks(table)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

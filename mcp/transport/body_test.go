package transport

import (
	"bytes"
	"fmt"
	"testing"
	"testing/iotest"
)

func TestReadBody(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 16 << 10, 16<<10 + 512, 1 << 20, unknownSize, unknownSize + 512, unknownSize + 5000} {
		want := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for _, announced := range []int64{-1, int64(size), int64(size) / 2, 1 << 40} {
			t.Run(fmt.Sprintf("%d of %d", size, announced), func(t *testing.T) {
				got, err := readBody(iotest.DataErrReader(bytes.NewReader(want)), announced)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				if most := 4*max(size, 16<<10) + 512; announced == -1 && size <= unknownSize && cap(got) > most {
					t.Errorf("it takes %d bytes, want %d at most", cap(got), most)
				}
			})
		}
	}
	if _, err := readBody(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader([]byte("abc")))), -1); err != iotest.ErrTimeout {
		t.Errorf("got %v, want the reader's error", err)
	}
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestWriteInitramfs(t *testing.T) {
	boot := desktop.Boot{Token: "secret", Port: 5000, Hostname: "desktop", Screen: desktop.Size{Width: 640, Height: 480}}
	for _, base := range []string{"", "1", "12", "123", "1234", strings.Repeat("x", 70_001)} {
		var buf bytes.Buffer
		if err := WriteInitramfs(&buf, strings.NewReader(base), boot); err != nil {
			t.Fatal(err)
		}
		got := buf.Bytes()
		if !bytes.HasPrefix(got, []byte(base)) {
			t.Fatalf("base of %d bytes was changed", len(base))
		}
		rest := got[len(base):]
		archive := bytes.TrimLeft(rest, "\x00")
		if gap := len(rest) - len(archive); gap > 3 || (len(base)+gap)%4 != 0 {
			t.Errorf("base of %d bytes is followed by a gap of %d", len(base), gap)
		}
		records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
		if err != nil {
			t.Fatal(err)
		}
		file := records[len(records)-1]
		if file.Name != desktop.BootFile || file.Mode&0o7777 != 0o400 {
			t.Errorf("last record is %s with mode %#o, want %s with 0400", file.Name, file.Mode&0o7777, desktop.BootFile)
		}
		data, err := io.ReadAll(io.NewSectionReader(file, 0, int64(file.FileSize)))
		if err != nil {
			t.Fatal(err)
		}
		var back desktop.Boot
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(boot, back); diff != "" {
			t.Errorf("boot file (-want +got):\n%s", diff)
		}
	}
}

package sandbox

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

// FuzzKeptRecord checks that a record that is accepted can be used and written again.
func FuzzKeptRecord(f *testing.F) {
	good, err := json.Marshal(keptRecord{
		Version: keptVersion,
		ID:      newSecret(),
		Owner:   "alice",
		State:   "key",
		Config: Config{
			Image: "fake", Kernel: "kernel", Initramfs: "initramfs", Root: RootfsBlock{Path: "root", Format: "squashfs"},
		}.WithDefaults(),
		Screen:      desktop.Size{Width: 640, Height: 480},
		Isolation:   IsolationEmulated,
		Created:     time.Unix(1, 0).UTC(),
		Used:        time.Unix(2, 0).UTC(),
		Made:        1,
		Checkpoints: []lost{{"1", "half"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"version":1,"desktop_id":7}`))
	f.Add([]byte(strings.Replace(string(good), `"alice"`, `""`, 1)))
	f.Fuzz(func(t *testing.T, line []byte) {
		if strings.Contains(string(line), "\n") {
			return // ends what is read
		}
		var r keptRecord
		if err := decodeRecord([]byte(string(line)+"\n"+sumLine(line)+"\n"), &r); err != nil || r.validate() != nil {
			return
		}
		if notice := restartNotice(r.Checkpoints); len(notice) > 2000 || strings.ContainsAny(notice, "\n\x1b") {
			t.Errorf("the notice is %q", notice)
		}
		endedSession(r.Config, StartOptions{}).Stop()
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again keptRecord
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
	})
}

// FuzzRecord checks that no record is read but one that was written.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("{}\n"+sumLine([]byte("{}"))+"\n"), 3)
	f.Add([]byte("\n\n"), 0)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		var v map[string]any
		if decodeRecord(data, &v) != nil || len(data) == 0 {
			return
		}
		changed := []byte(string(data))
		changed[max(0, at)%len(data)] ^= 1
		if decodeRecord(changed, &v) == nil {
			t.Errorf("%q is read, and so is %q", data, changed)
		}
	})
}

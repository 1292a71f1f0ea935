package mcp

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

func TestIDFinder(t *testing.T) {
	long := strings.Repeat(`x\"{`, 100)
	for _, tt := range []struct{ message, want string }{
		{`{"id":1,"params":"` + long + `"}`, `1`},
		{`{"method":"m","params":{"id":2,"a":[{"id":3}]},"id":"four"}`, `"four"`},
		{` { "params" : "` + long + `" , "id" : 5.5 } `, `5.5`},
		{`{"method":"id","a":"id","id":-6}`, `-6`},
		{`{"id":"a\"b","x":1}`, `"a\"b"`},
		{`{"id":null}`, ``},
		{`{"id":{"id":1}}`, ``},
		{`{"id":[1]}`, ``},
		{`{"id":true}`, ``},
		{`{"id":` + strings.Repeat("1", 300) + `}`, ``},
		{`[{"id":1}]`, ``},
		{`{"id":1`, ``},
		{`{"params":"` + long, ``},
		{`}}}{"id":1`, ``},
		{``, ``},
	} {
		for _, size := range []int{1, 7, 1000} {
			var f idFinder
			for piece := range slices.Chunk([]byte(tt.message), size) {
				f.feed(piece)
			}
			if got := string(f.found()); got != tt.want {
				t.Errorf("in %.60s it found %s, want %s", tt.message, got, tt.want)
			}
		}
	}
}

// In each object with one id it finds what the decoder finds.
func FuzzIDFinder(f *testing.F) {
	f.Add(`{"id":1,"method":"x","params":{"id":2}}`)
	f.Add(`{"params":[{"id":"\\\""},",:"],"id":"a"}`)
	f.Add("{\"i\\u0064\":1}")
	f.Fuzz(func(t *testing.T, message string) {
		var finder idFinder
		finder.feed([]byte(message))
		got := finder.found()
		if got != nil && !rpc.IsID(got) {
			t.Fatalf("found %q, which is no id", got)
		}
		fields, err := splitObject(json.RawMessage(message))
		if err != nil {
			return
		}
		var ids []string
		for _, f := range fields {
			if f.name == "id" && rpc.IsID(f.raw) && len(f.raw) <= maxKept {
				ids = append(ids, string(f.raw))
			}
		}
		if got != nil && !slices.Contains(ids, string(got)) {
			t.Errorf("found %s in %q", got, message)
		}
	})
}

// A client that waits for an answer by id gets one, whatever it sent.
func TestRefusalsNameTheRequest(t *testing.T) {
	in, out, end := serve(t, newFakeHost())
	lines := scan(out)
	long := `{"method":"tools/call","params":{"arguments":{"text":"` + strings.Repeat("a", maxMessage) + `"}},"jsonrpc":"2.0","id":"last"}`
	go send(t, in, long+"\n")
	got := answers(t, lines, 1)
	wants(t, string(got[`"last"`]), "longer than 4194304 bytes")

	go func() {
		_, _ = io.WriteString(in, `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"note"},{"jsonrpc":"2.0","id":"b","method":"ping"},7]`+"\n[]\n")
	}()
	var ids []string
	for id, answer := range answers(t, lines, 3) {
		ids = append(ids, id)
		wants(t, string(answer), "batches are not supported: send one message at a time")
	}
	slices.Sort(ids)
	if diff := cmp.Diff([]string{`"b"`, "1", "null"}, ids); diff != "" {
		t.Errorf("answered: (-want +got)\n%s", diff)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

package mcp

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/vmette/vmette-mcp/desktop"
)

// TestToolsAsClientsSeeThem compares tools/list with testdata/tools.txtar.
func TestToolsAsClientsSeeThem(t *testing.T) {
	in, out, end := serve(t, newFakeHost())
	send(t, in, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`+"\n")
	var list struct {
		Result struct{ Tools []json.RawMessage }
	}
	if err := json.Unmarshal(answers(t, scan(out), 1)["1"], &list); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	ar := &txtar.Archive{Comment: []byte("The tools of the default profile, as tools/list shows them.\n\n")}
	for _, raw := range list.Result.Tools {
		var head struct{ Name string }
		var v any
		if json.Unmarshal(raw, &head) != nil || json.Unmarshal(raw, &v) != nil {
			t.Fatalf("no tool: %s", raw)
		}
		pretty, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		ar.Files = append(ar.Files, txtar.File{Name: head.Name, Data: append(pretty, '\n')})
	}
	const golden = "testdata/tools.txtar"
	if *update {
		if err := os.WriteFile(golden, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(want), lines(txtar.Format(ar))); diff != "" {
		t.Errorf("the tools are other ones (-want +got); run go test -update if that is right:\n%s", diff)
	}
}

// What every tool answers to its own example matches its output schema.
func TestStructuredContentMatchesItsSchema(t *testing.T) {
	host := newFakeHost()
	host.screen = desktop.Size{Width: 1280, Height: 800}
	in, out, end := serve(t, host)
	lines := scan(out)
	tools, err := actionTools()
	if err != nil {
		t.Fatal(err)
	}
	for i, tool := range append(tools, lifecycleTools()...) {
		send(t, in, toolCall(i+1, tool.name, tool.example))
		for _, answer := range answers(t, lines, 1) {
			var got struct {
				Result struct {
					IsError           bool
					StructuredContent json.RawMessage
				}
			}
			if err := json.Unmarshal(answer, &got); err != nil {
				t.Fatal(err)
			}
			if got.Result.IsError || got.Result.StructuredContent == nil {
				t.Errorf("%s %s was answered with %s", tool.name, tool.example, answer)
				continue
			}
			schema, err := outputSchema(tool.output)
			if err != nil {
				t.Fatal(err)
			}
			if err := accepts(t, resolved(t, schema), string(got.Result.StructuredContent)); err != nil {
				t.Errorf("%s: %v", tool.name, err)
			}
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

package mcp

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/vmette/vmette-mcp/desktop"
)

// TestToolsAsClientsSeeThem compares tools/list with testdata/tools. The output
// schemas, which are the same in all profiles, are those of the toolset alone.
func TestToolsAsClientsSeeThem(t *testing.T) {
	for _, p := range Profiles {
		t.Run(string(p), func(t *testing.T) { testTools(t, p) })
	}
}

func testTools(t *testing.T, p Profile) {
	cfg := Config{Profile: p}
	if p == ProfileToolset {
		cfg.Programs = fakePrograms{} // which add a tool that is the same in all
	}
	in, out, end := serveConfig(t, newFakeHost(), cfg)
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
	ar := &txtar.Archive{Comment: []byte("The tools of the profile " + string(p) + ", as tools/list shows them.\n\n")}
	for _, raw := range list.Result.Tools {
		var v map[string]any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("no tool: %s", raw)
		}
		if p != ProfileToolset {
			delete(v, "outputSchema")
		}
		pretty, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		ar.Files = append(ar.Files, txtar.File{Name: v["name"].(string), Data: append(pretty, '\n')})
	}
	golden := "testdata/tools/" + string(p) + ".txtar"
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
	for _, p := range Profiles {
		t.Run(string(p), func(t *testing.T) { testStructuredContent(t, p) })
	}
}

func testStructuredContent(t *testing.T, p Profile) {
	host := newFakeHost()
	host.screen, host.capacity = desktop.Size{Width: 1280, Height: 800}, 3
	programs := fakePrograms{host}
	in, out, end := serveConfig(t, host, Config{Profile: p, Programs: programs})
	lines := scan(out)
	tools, err := p.tools()
	if err != nil {
		t.Fatal(err)
	}
	tools = append(executeTools(host, programs), tools...)
	for i, tool := range tools {
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
			_, refused := tool.output.(UnsupportedOutcome)
			if got.Result.IsError != refused || got.Result.StructuredContent == nil {
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

// What tools/list does not tell of an Outcome, the page of the profiles does.
func TestOutcomeIsWrittenDown(t *testing.T) {
	page, err := os.ReadFile("../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Outcome](), reflect.TypeFor[StepOutcome](), reflect.TypeFor[PictureInfo]()} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/profiles.md does not tell of %s, a member of %v", name, typ)
			}
		}
	}
}

package desktop

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// matrixMarker begins the part of the page that is written by the tests of
// internal/oracle/matrix.
const matrixMarker = "<!-- matrix -->\n"

// The page of the vocabulary is written from the table, down to the matrix.
func TestActionsPage(t *testing.T) {
	const page = "../docs/actions.md"
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got, matrix, found := strings.Cut(string(old), matrixMarker)
	if !found {
		t.Fatalf("%s has no line %q", page, matrixMarker)
	}
	want := string(actionsPage(t)) + "\n"
	if *update {
		if err := os.WriteFile(page, []byte(want+matrixMarker+matrix), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what the table says (-want +got), run the test with -update:\n%s", page, diff)
	}
}

const actionsHead = `# The actions

An Action is one verb that the host sends to the guest agent. This page is written
from the table in ` + "`desktop/table.go`" + ` by ` + "`go test ./desktop -run Page -update`" + `; edit the table.
How an Action travels is told in [protocol.md](protocol.md).

- **Input** actions reach X11. The agent performs them one at a time, in the order in which they
  arrive. The others run beside them.
- A **cancellable** action can be stopped half-way. What is held down is released.
- Points are ` + "`[x, y]`" + ` and rectangles ` + "`[x0, y0, x1, y1]`" + ` in pixels of the screen; (0, 0) is its top left
  corner, and x1, y1 are just outside. Buttons are 1 left, 2 middle, 3 right, 8 back, 9 forward.
- Nothing is clamped: a value beyond its limit is an error with the code ` + "`invalid`" + `, and nothing is done.

| action | input | cancellable | answers | MCP tools |
|---|---|---|---|---|
`

func actionsPage(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString(actionsHead)
	for _, s := range Actions {
		var tools []string
		for _, tool := range s.Tools {
			tools = append(tools, "`"+tool.Name+"`")
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s |\n", s.Name, s.Name, yes(s.Input), yes(s.Cancellable), s.Answers, strings.Join(tools, ", "))
	}
	for _, s := range Actions {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Name, s.Summary)
		if fields := FieldsOf(s.New()); len(fields) > 0 {
			b.WriteString("\n| argument | type | | |\n|---|---|---|---|\n")
			for _, f := range fields {
				need, name := "optional", "`"+f.Name+"`"
				if f.Required {
					need = "required"
				}
				if f.Name == "" {
					need, name = "required", "payload"
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, typeName(t, f.Type), need, f.Doc)
			}
		}
		for _, tool := range s.Tools {
			fmt.Fprintf(&b, "\n`%s`: %s\n", tool.Name, tool.Description)
		}
	}
	return b.Bytes()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// typeName is how a field looks on the wire.
func typeName(t *testing.T, typ reflect.Type) string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[Point]():
		return "point"
	case typ == reflect.TypeFor[Rect]():
		return "rectangle"
	case typ == reflect.TypeFor[Step]():
		return "action"
	case typ == reflect.TypeFor[Button]():
		return "button"
	case typ == reflect.TypeFor[[]byte]():
		return "bytes"
	case typ.Kind() == reflect.Slice:
		return "list of " + typeName(t, typ.Elem()) + "s"
	case typ == reflect.TypeFor[Size]():
		return "size"
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Int64, typ.Kind() == reflect.Uint32:
		return "integer"
	case typ.Kind() == reflect.Bool:
		return "boolean"
	case typ.Kind() == reflect.String:
		return "string"
	}
	t.Fatalf("type %v has no name on the page", typ)
	return ""
}

func TestActionsTable(t *testing.T) {
	actions, tools := map[string]bool{}, map[string]bool{}
	for _, s := range Actions {
		p := s.New()
		if p.Name() != s.Name {
			t.Errorf("row %q makes the action %q", s.Name, p.Name())
		}
		if reflect.TypeOf(p).Kind() != reflect.Pointer {
			t.Errorf("row %q makes a %T: want a pointer to decode into", s.Name, p)
		}
		if actions[s.Name] {
			t.Errorf("there are two rows %q", s.Name)
		}
		actions[s.Name] = true
		if s.Summary == "" {
			t.Errorf("row %q has no summary", s.Name)
		}
		for _, f := range FieldsOf(p) {
			if f.Doc == "" || f.Name != "" && f.Arg == "" {
				t.Errorf("row %q does not say what %q is", s.Name, f.Name)
			}
		}
		for _, tool := range s.Tools {
			if tools[tool.Name] {
				t.Errorf("there are two tools %q", tool.Name)
			}
			tools[tool.Name] = true
			if tool.Example == "" {
				t.Errorf("tool %q has no example", tool.Name)
			}
			if got, want := reflect.TypeOf(tool.Preset), reflect.TypeOf(p).Elem(); got != want {
				t.Errorf("tool %q has a preset of %v, want %v", tool.Name, got, want)
			}
		}
	}
	if _, ok := ActionByName("no such action"); ok {
		t.Error("ActionByName finds what is not there")
	}
}

// What each action refuses, and that it says what to send instead.
func TestValidate(t *testing.T) {
	at := &Point{-1, 0}
	tests := []struct {
		action Action
		want   string // "" if it is valid
	}{
		{Screenshot{}, ""},
		{Screenshot{Region: &Rect{0, 0, 1, 1}}, ""},
		{Screenshot{Region: &Rect{5, 0, 5, 1}}, "x0 < x1"},
		{Screenshot{Region: &Rect{-1, 0, 5, 1}}, "negative"},
		{CursorPosition{}, ""},
		{Move{To: Point{0, 0}}, ""},
		{Move{To: Point{0, -1}}, "(0, -1) is negative"},
		{Click{Button: Left, Count: 1}, ""},
		{Click{Button: Left, Count: 0}, "count 0"},
		{Click{Button: Left, Count: 4}, "count 4"},
		{Click{Button: 5, Count: 1}, "use 1 (left)"},
		{Click{Button: Left, Count: 1, At: at}, "negative"},
		{Click{Button: Left, Count: 1, Modifiers: []string{""}}, "key is empty"},
		{Click{Button: Left, Count: 1, Modifiers: make([]string, MaxModifiers+1)}, "9 modifiers"},
		{ButtonDown{Button: Forward}, ""},
		{ButtonDown{}, "button 0"},
		{ButtonUp{Button: -1}, "button -1"},
		{Drag{Button: Left, Path: []Point{{1, 1}}}, ""},
		{Drag{Button: Left}, "0 points"},
		{Drag{Button: Left, Path: make([]Point, MaxPath+1)}, "4097 points"},
		{Drag{Button: Left, Path: []Point{{1, 1}, {2, -2}}}, "(2, -2)"},
		{Drag{Path: []Point{{1, 1}}}, "button 0"},
		{Scroll{DX: -1000}, ""},
		{Scroll{}, "other than 0"},
		{Scroll{DY: 1001}, "at most 1000"},
		{Scroll{DY: -1001}, "at most 1000"},
		{Scroll{DY: 1, At: at}, "negative"},
		{Key{Keys: "a"}, ""},
		{Key{}, "Return"},
		{Key{Keys: "a", Repeat: 101}, "between 1 and 100"},
		{Key{Keys: strings.Repeat("a", MaxChord+1)}, "257 bytes"},
		{Key{Keys: "\xff"}, "UTF-8"},
		{HoldKey{Keys: "a", DurationMS: 300_000}, ""},
		{HoldKey{Keys: "a", DurationMS: 300_001}, "between 0 and 300 s"},
		{Type{Text: "\x00"}, ""},
		{Type{}, "empty"},
		{Type{Text: "\xff"}, "UTF-8"},
		{Type{Text: strings.Repeat("a", MaxText+1)}, "400001 bytes"},
		{Wait{}, ""},
		{Wait{DurationMS: -1}, "-0.001 s"},
		{Scroll{DY: -120_000, Pixels: true}, ""},
		{Scroll{DY: -120_001, Pixels: true}, "at most 120000 pixels"},
		{KeyDown{Keys: "shift"}, ""},
		{KeyDown{}, "key is empty"},
		{KeyUp{Keys: "a"}, ""},
		{KeyUp{}, "key is empty"},
		{Release{}, ""},
		{ExecOutput{Job: 1, WaitMS: 300_000}, ""},
		{ExecOutput{}, "job 0 does not exist"},
		{ExecOutput{Job: 1, WaitMS: 300_001}, "and 300 s"},
		{ExecStop{Job: 1}, ""},
		{ExecStop{Job: -1}, "job -1"},
		{ReadFile{Path: "a", Length: MaxFile}, ""},
		{ReadFile{}, "path is empty"},
		{ReadFile{Path: "a", Offset: -1}, "offset -1"},
		{ReadFile{Path: "a", Length: MaxFile + 1}, "length"},
		{ReadFile{Path: "a\x00b"}, "NUL"},
		{ReadFile{Path: "\xff"}, "UTF-8"},
		{ReadFile{Path: strings.Repeat("a", MaxFilePath+1)}, "4097 bytes"},
		{WriteFile{Path: "a", Mode: 0o777, Data: []byte("x")}, ""},
		{WriteFile{Path: "a", Mode: 0o4755}, "permission bits"},
		{WriteFile{Path: "a", Offset: ptr[int64](-1)}, "offset -1"},
		{WriteFile{Path: "a", Data: make([]byte, MaxFile+1)}, "the rest with offset"},
		{ListFiles{Path: "/"}, ""},
		{ListFiles{Path: "/", Offset: -1}, "offset -1"},
		{GetClipboard{}, ""},
		{GetClipboard{Selection: "secondary"}, "primary"},
		{SetClipboard{}, ""},
		{SetClipboard{Text: "a\x00"}, "NUL at byte 1"},
		{SetClipboard{Text: strings.Repeat("a", MaxText+1)}, "400001 bytes"},
		{Paste{Text: "a"}, ""},
		{Paste{}, "empty"},
		{Paste{Text: "\xff"}, "UTF-8"},
		{ListWindows{}, ""},
		{ChangeWindow{ID: 1, Do: WindowClose}, ""},
		{ChangeWindow{Do: WindowClose}, "list_windows"},
		{ChangeWindow{ID: 1, Do: "maximise"}, "maximize"},
		{ChangeWindow{ID: 1, Do: WindowMove}, "lacks to"},
		{ChangeWindow{ID: 1, Do: WindowMove, To: at}, "negative"},
		{ChangeWindow{ID: 1, Do: WindowResize}, "lacks region"},
		{ChangeWindow{ID: 1, Do: WindowResize, Region: &Rect{5, 0, 5, 1}}, "x0 < x1"},
		{ChangeWindow{ID: 1, Do: WindowFocus, To: &Point{}}, "takes no to"},
		{ChangeWindow{ID: 1, Do: WindowFocus, Region: &Rect{0, 0, 1, 1}}, "takes no region"},
		{Launch{Command: "xterm"}, ""},
		{Launch{}, "empty"},
		{ResizeScreen{Size{1920, 1080}}, ""},
		{ResizeScreen{Size{199, 1080}}, "from 200"},
		{ResizeScreen{Size{8192, 8192}}, "at most"},
		{Exec{Command: "true", TimeoutMS: 3_600_000}, ""},
		{Exec{}, "empty"},
		{Exec{Command: "true", TimeoutMS: 3_600_001}, "and 3600 s"},
		{Exec{Command: strings.Repeat("a", MaxCommand)}, ""},
		{Exec{Command: strings.Repeat("a", MaxCommand+1)}, "write it to a file"},
		{Exec{Command: "a\x00b"}, "NUL at byte 1"},
		{Batch{[]Step{{Move{}}, {Wait{}}, {OpenURL{URL: "https://example.org"}}}}, ""},
		{Batch{}, "0 actions: send 1 to 100"},
		{Batch{make([]Step, MaxBatch+1)}, "101 actions"},
		{Batch{make([]Step, 1)}, "action 1 of the batch: it is missing"},
		{Batch{[]Step{{Move{}}, {Click{Button: Left}}}}, "action 2 of the batch: count 0"},
		{Batch{[]Step{{Batch{[]Step{{Move{}}}}}}}, "batch cannot be part of a batch"},
		{Batch{[]Step{{Exec{Command: "true"}}}}, "exec cannot be part of a batch"},
		{Batch{[]Step{{Screenshot{}}}}, "screenshot cannot be part of a batch"},
		{Batch{[]Step{{Wait{DurationMS: 200_000}}, {HoldKey{Keys: "a", DurationMS: 100_001}}}}, "at most 5m0s"},
		{OpenURL{URL: "https://example.org"}, ""},
		{OpenURL{URL: "file:///home/user/page.html"}, ""},
		{OpenURL{URL: "javascript:alert(1)"}, "http://HOST"},
		{OpenURL{URL: "--help"}, "http://HOST"},
		{OpenURL{URL: "http:///path"}, "http://HOST"},
		{OpenURL{URL: "file://host/path"}, "file:///PATH"},
		{OpenURL{URL: "http://a b"}, "parse url"},
		{OpenURL{URL: "http://" + strings.Repeat("a", MaxURL)}, "at most 32768"},
	}
	for _, tt := range tests {
		err := tt.action.Validate()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%#v: %v", tt.action, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%.80s: error %v, want %q", fmt.Sprintf("%#v", tt.action), err, tt.want)
		}
	}
}

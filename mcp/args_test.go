package mcp

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/vmette/vmette-mcp/desktop"
)

// toolNamed returns a tool of the toolset, with what its arguments become, nil when
// that is no Action.
func toolNamed(t testing.TB, name string) (tool, func(values) ([]desktop.Action, error)) {
	t.Helper()
	tool := toolOf(t, ProfileToolset, name)
	for _, spec := range desktop.Actions {
		for _, row := range spec.Tools {
			if row.Name == name {
				v, _, err := rowVerb(spec, row)
				if err != nil {
					t.Fatal(err)
				}
				return tool, v.actions
			}
		}
	}
	return tool, nil
}

// understand returns the Action that arguments of a tool mean, or why they are
// refused.
func understand(t testing.TB, name, args string) (desktop.Action, error) {
	t.Helper()
	tool, actions := toolNamed(t, name)
	v, err := tool.decode(json.RawMessage(args))
	if err != nil || actions == nil {
		return nil, err
	}
	list, err := actions(v)
	if err == nil {
		err = list[0].Validate()
	}
	if err != nil {
		c := call{what: name, example: name + " " + tool.example}
		return nil, errors.New(textOf(c.refuse(err)))
	}
	return list[0], nil
}

// resolved compiles a schema as a client does.
func resolved(t testing.TB, schema any) *jsonschema.Resolved {
	t.Helper()
	raw, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func accepts(t testing.TB, r *jsonschema.Resolved, raw string) error {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r.Validate(v)
}

func pointAt(x, y int) *desktop.Point { return &desktop.Point{X: x, Y: y} }

func TestArgumentsBecomeActions(t *testing.T) {
	for _, tc := range []struct {
		tool, args string
		want       desktop.Action
	}{
		{"screenshot", ``, desktop.Screenshot{}},
		{"screenshot", `null`, desktop.Screenshot{}},
		{"screenshot", `{}`, desktop.Screenshot{}},
		{"zoom", `{"region":[0,0,1,1]}`, desktop.Screenshot{Region: &desktop.Rect{X1: 1, Y1: 1}}},
		{"cursor_position", `{"desktop_id":"d"}`, desktop.CursorPosition{}},
		{"mouse_move", `{"coordinate":[0,0]}`, desktop.Move{}},
		{"mouse_move", `{"coordinate":[1e2, 2.0]}`, desktop.Move{To: desktop.Point{X: 100, Y: 2}}},
		{"left_click", `{}`, desktop.Click{Button: desktop.Left, Count: 1}},
		{"left_click", `{"coordinate":[0,0]}`, desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(0, 0)}},
		{"left_click", `{"coordinate":[5,6],"text":"ctrl+shift"}`, desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(5, 6), Modifiers: []string{"ctrl", "shift"}}},
		{"right_click", `{}`, desktop.Click{Button: desktop.Right, Count: 1}},
		{"middle_click", `{}`, desktop.Click{Button: desktop.Middle, Count: 1}},
		{"double_click", `{"text":"alt"}`, desktop.Click{Button: desktop.Left, Count: 2, Modifiers: []string{"alt"}}},
		{"triple_click", `{}`, desktop.Click{Button: desktop.Left, Count: 3}},
		{"left_mouse_down", `{}`, desktop.ButtonDown{Button: desktop.Left}},
		{"left_mouse_up", `{}`, desktop.ButtonUp{Button: desktop.Left}},
		{"left_click_drag", `{"coordinate":[3,4]}`, desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 3, Y: 4}}}},
		{"left_click_drag", `{"start_coordinate":[1,2],"coordinate":[3,4],"text":"shift"}`, desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 2}, {X: 3, Y: 4}}, Modifiers: []string{"shift"}}},
		{"scroll", `{"scroll_direction":"up","scroll_amount":1}`, desktop.Scroll{DY: -1}},
		{"scroll", `{"scroll_direction":"down","scroll_amount":2}`, desktop.Scroll{DY: 2}},
		{"scroll", `{"scroll_direction":"left","scroll_amount":3}`, desktop.Scroll{DX: -3}},
		{"scroll", `{"scroll_direction":"right","scroll_amount":1000,"coordinate":[7,8],"text":"ctrl"}`, desktop.Scroll{At: pointAt(7, 8), DX: 1000, Modifiers: []string{"ctrl"}}},
		{"type", `{"text":"a\nb\t\u65e5\ud83d\ude00"}`, desktop.Type{Text: "a\nb\t日😀"}},
		{"type", `{"text":"\ufffd \\ufffd �"}`, desktop.Type{Text: "\uFFFD \\ufffd \uFFFD"}},
		{"key", `{"text":"ctrl++"}`, desktop.Key{Keys: "ctrl++"}},
		{"key", `{"text":"Return","repeat":100}`, desktop.Key{Keys: "Return", Repeat: 100}},
		{"hold_key", `{"text":"shift","duration":0.25}`, desktop.HoldKey{Keys: "shift", DurationMS: 250}},
		{"wait", `{"duration":300}`, desktop.Wait{DurationMS: 300_000}},
		{"wait", `{"duration":0}`, desktop.Wait{}},
		{"exec", `{"command":"ls"}`, desktop.Exec{Command: "ls"}},
		{"exec", `{"command":"ls","timeout":0.001}`, desktop.Exec{Command: "ls", TimeoutMS: 1}},
		{"open_url", `{"url":"file:///etc/passwd"}`, desktop.OpenURL{URL: "file:///etc/passwd"}},
		{"click", `{"button":"back"}`, desktop.Click{Button: desktop.Back, Count: 1}},
		{"click", `{"button":"forward","coordinate":[1,2],"modifiers":["ctrl","+"]}`, desktop.Click{Button: desktop.Forward, Count: 1, At: pointAt(1, 2), Modifiers: []string{"ctrl", "+"}}},
		{"drag", `{"path":[[1,2],[0,0],[5,6]]}`, desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 2}, {}, {X: 5, Y: 6}}}},
		{"key_down", `{"text":"ctrl+shift"}`, desktop.KeyDown{Keys: "ctrl+shift"}},
		{"key_up", `{"text":"a"}`, desktop.KeyUp{Keys: "a"}},
		{"exec", `{"command":"make","background":true}`, desktop.Exec{Command: "make", Background: true}},
		{"exec_output", `{"job":3}`, desktop.ExecOutput{Job: 3}},
		{"exec_output", `{"job":3,"wait":2.5}`, desktop.ExecOutput{Job: 3, WaitMS: 2500}},
		{"exec_stop", `{"job":3}`, desktop.ExecStop{Job: 3}},
		{"read_file", `{"path":"~/a b"}`, desktop.ReadFile{Path: "~/a b"}},
		{"read_file", `{"path":"a","offset":5000000000,"length":10}`, desktop.ReadFile{Path: "a", Offset: 5_000_000_000, Length: 10}},
		{"write_file", `{"path":"a","text":"h\u00e9\n"}`, desktop.WriteFile{Path: "a", Data: []byte("hé\n")}},
		{"write_file", `{"path":"a","text":""}`, desktop.WriteFile{Path: "a", Data: []byte{}}},
		{"write_file", `{"path":"a","base64":"AP8=","offset":0,"mode":"0755","parents":true}`, desktop.WriteFile{Path: "a", Data: []byte{0, 0xff}, Offset: new(int64), Mode: 0o755, Parents: true}},
		{"list_files", `{"path":"/","offset":10}`, desktop.ListFiles{Path: "/", Offset: 10}},
		{"get_clipboard", `{"selection":"primary"}`, desktop.GetClipboard{Selection: desktop.Primary}},
		{"set_clipboard", `{"text":""}`, desktop.SetClipboard{}},
		{"paste", `{"text":"x"}`, desktop.Paste{Text: "x"}},
		{"change_window", `{"id":12582913,"do":"move","to":[0,0]}`, desktop.ChangeWindow{ID: 12582913, Do: desktop.WindowMove, To: pointAt(0, 0)}},
		{"change_window", `{"id":4294967295,"do":"resize","region":[1,2,3,4]}`, desktop.ChangeWindow{ID: 4294967295, Do: desktop.WindowResize, Region: &desktop.Rect{X0: 1, Y0: 2, X1: 3, Y1: 4}}},
		{"launch", `{"command":"xterm","timeout":90}`, desktop.Launch{Command: "xterm", TimeoutMS: 90_000}},
		{"resize_screen", `{"size":[1600,1000]}`, desktop.ResizeScreen{Size: desktop.Size{Width: 1600, Height: 1000}}},
	} {
		t.Run(tc.tool+" "+tc.args, func(t *testing.T) {
			got, err := understand(t, tc.tool, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			tool, _ := toolNamed(t, tc.tool)
			if raw := tc.args; raw != "" && raw != "null" {
				if err := accepts(t, resolved(t, inputSchema(tool.params)), raw); err != nil {
					t.Errorf("the schema refuses what is decoded: %v", err)
				}
			}
		})
	}
}

func TestWrongArguments(t *testing.T) {
	const beyondSchema = true // JSON Schema cannot say it, or the client's JSON library hides it
	for _, tc := range []struct {
		tool, args, want string
		beyondSchema     bool
	}{
		{"left_click", `{"coordinate":"1,2"}`, `coordinate is a string, "1,2": send [x, y]`, false},
		{"left_click", `{"coordinate":{"x":1,"y":2}}`, `coordinate is an object, {"x":1,"y":2}: send [x, y]`, false},
		{"left_click", `{"coordinate":[1]}`, `coordinate has 1 numbers instead of 2`, false},
		{"left_click", `{"coordinate":[1,2,3]}`, `coordinate has 3 numbers instead of 2`, false},
		{"left_click", `{"coordinate":[1,"2"]}`, `coordinate is [1,"2"], in which "2" is not a whole number`, false},
		{"left_click", `{"coordinate":[1,null]}`, `in which null is not a whole number`, false},
		{"left_click", `{"coordinate":[1.5,2]}`, `in which 1.5 is not a whole number`, false},
		{"left_click", `{"coordinate":[1,-1]}`, `coordinate is [1,-1], which is negative`, false},
		{"left_click", `{"coordinate":[1,99999999999]}`, `in which 99999999999 is too large`, beyondSchema},
		{"left_click", `{"coordinate":null}`, `coordinate is null: leave it out, or send [x, y]`, false},
		{"left_click", `{"text":""}`, `text is empty: send modifier keys`, false},
		{"left_click", `{"text":"ctrl+"}`, `text is "ctrl+", which lacks a key beside a +`, beyondSchema},
		{"left_click", `{"text":"a+b+c+d+e+f+g+h+i"}`, `text names 9 keys, more than 8`, beyondSchema},
		{"left_click", `{"text":5}`, `text is a number, 5: send modifier keys`, false},
		{"left_click", `{"desktop_id":""}`, `desktop_id is empty`, false},
		{"left_click", `{"desktop_id":7}`, `desktop_id is a number, 7`, false},
		{"left_click", `{"X":1,"Coordinate":[1,2]}`, `it takes no "X", "Coordinate": send only coordinate, text, frame, observe, desktop_id`, false},
		{"left_mouse_down", `{"coordinate":[1,2]}`, `it takes no "coordinate": send only observe, desktop_id`, false},
		{"desktop_list", `{"all":true}`, `it takes no "all": send only {}`, false},
		{"mouse_move", `{}`, `coordinate is missing: send [x, y]`, false},
		{"mouse_move", `[1,2]`, `the arguments are an array: send a JSON object`, false},
		{"mouse_move", `"[1,2]"`, `the arguments are a string: send a JSON object`, false},
		{"mouse_move", `{"coordinate":[1,2],"coordinate":[3,4]}`, `coordinate was sent twice`, beyondSchema},
		{"zoom", `{"region":[5,5,5,9]}`, `region is [5,5,5,9], which is empty`, beyondSchema},
		{"zoom", `{"region":[0,0,10]}`, `region has 3 numbers instead of 4`, false},
		{"scroll", `{"scroll_amount":1}`, `scroll_direction is missing: send "up" or "down" or "left" or "right"`, false},
		{"scroll", `{"scroll_direction":"Down","scroll_amount":1}`, `scroll_direction is "Down": send "up"`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":0}`, `scroll_amount is 0: send a whole number from 1 to 1000`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":1001}`, `scroll_amount is 1001`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":-3}`, `scroll_amount is -3`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":2.5}`, `scroll_amount is a number, 2.5, which is not a whole number`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":"3"}`, `scroll_amount is a string, "3", which is not a whole number`, false},
		{"scroll", `{"scroll_direction":"down","scroll_amount":true}`, `scroll_amount is a boolean, true`, false},
		{"type", `{"text":""}`, `text is empty: send the text to type`, false},
		{"type", `{"text":"half \ud83d"}`, `text is not valid Unicode`, beyondSchema},
		{"type", `{"text":["a"]}`, `text is an array, ["a"]`, false},
		{"type", `{"text":"` + strings.Repeat("a", desktop.MaxText+1) + `"}`, `text is 400001 bytes long, more than 400000`, false},
		{"key", `{"text":"a","repeat":101}`, `repeat is 101: send a whole number from 1 to 100`, false},
		{"key", `{"text":"a","repeat":0}`, `repeat is 0`, false},
		{"hold_key", `{"text":"a"}`, `duration is missing: send a number of seconds from 0 to 300`, false},
		{"hold_key", `{"text":"a","duration":300.5}`, `duration is 300.5: send a number of seconds from 0 to 300`, false},
		{"wait", `{"duration":-1}`, `duration is -1`, false},
		{"wait", `{"duration":"2"}`, `duration is a string, "2": send a number of seconds`, false},
		{"wait", `{"duration":1e400}`, `duration is 1e400, which is too large`, beyondSchema},
		{"exec", `{"command":""}`, `command is empty`, beyondSchema},
		{"exec", `{"command":"true","timeout":0}`, `timeout is 0: send a number of seconds, at least 0.001`, false},
		{"exec", `{"command":"true","timeout":3601}`, `time of 3601 s is not between 0 and 3600 s`, beyondSchema},
		{"exec", `{"command":"true","background":"yes"}`, `background is a string, "yes": send true or false`, false},
		{"exec", `{"command":"` + strings.Repeat("a", 1<<20) + `"}`, `command is 1048576 bytes, more than the 131071 that Linux takes as one argument: write it to a file`, beyondSchema},
		{"open_url", `{"url":7}`, `url is a number, 7: send a string`, false},
		{"open_url", `{"url":"ftp://host/"}`, `url must be http://HOST/...`, beyondSchema},
		{"click", `{}`, `button is missing: send "left" or "middle" or "right" or "back" or "forward"`, false},
		{"click", `{"button":"wheel"}`, `button is "wheel": send "left"`, false},
		{"click", `{"button":"left","modifiers":[]}`, `modifiers has 0 keys: send a list of 1 to 8 key names`, false},
		{"drag", `{"path":[]}`, `path has 0 points: send a list of 1 to 4096 points`, false},
		{"drag", `{"path":[[1,2],[3]]}`, `path has a wrong point 2, which has 1 numbers instead of 2: send [x, y]`, false},
		{"exec_output", `{"job":0}`, `job 0 does not exist`, beyondSchema},
		{"exec_output", `{"job":1.5}`, `job is a number, 1.5, which is not a whole number: send a whole number`, false},
		{"exec_output", `{"job":1,"wait":-1}`, `wait is -1: send a number of seconds`, false},
		{"read_file", `{"path":"a","offset":-1}`, `offset -1 is negative`, beyondSchema},
		{"read_file", `{"path":"a","offset":1e17}`, `offset is a number, 1e17, which is too large`, beyondSchema},
		{"read_file", `{"path":"a","length":0}`, `length is 0: send a whole number, at least 1`, false},
		{"read_file", `{"path":"a\u0000b"}`, `path holds a NUL`, beyondSchema},
		{"write_file", `{"path":"a"}`, `it takes exactly one of text or base64`, beyondSchema},
		{"write_file", `{"path":"a","text":"","base64":""}`, `it takes exactly one of text or base64`, beyondSchema},
		{"write_file", `{"path":"a","base64":"YQ"}`, `base64 is not base64: send standard base64 with padding`, beyondSchema},
		{"write_file", `{"path":"a","text":"","mode":"rw"}`, `mode is "rw": send octal digits`, false},
		{"write_file", `{"path":"a","text":"","mode":420}`, `mode is a number, 420: send octal digits`, false},
		{"write_file", `{"path":"a","text":"","mode":"4755"}`, `mode 04755 has other than permission bits`, beyondSchema},
		{"set_clipboard", `{"text":"a","selection":"secondary"}`, `selection is "secondary": send "clipboard" or "primary"`, false},
		{"change_window", `{"id":-1,"do":"focus"}`, `id is -1: send a whole number, at least 0`, false},
		{"change_window", `{"id":4294967296,"do":"focus"}`, `id is 4294967296`, beyondSchema},
		{"change_window", `{"id":7,"do":"move"}`, `move lacks to`, beyondSchema},
		{"resize_screen", `{"size":[1600]}`, `size has 1 numbers instead of 2: send [width, height]`, false},
		{"resize_screen", `{"size":[10,10]}`, `size 10x10 is not possible`, beyondSchema},
		{"desktop_close", `{"desktop_id":null}`, `desktop_id is null: leave it out`, false},
	} {
		name := tc.tool + " " + tc.args
		t.Run(name[:min(len(name), 60)], func(t *testing.T) {
			tool, _ := toolNamed(t, tc.tool)
			_, err := understand(t, tc.tool, tc.args)
			if err == nil {
				t.Fatal("was accepted")
			}
			if !strings.HasPrefix(err.Error(), tc.tool+" was not done: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("refused with\n\t%v\nwithout\n\t%s", err, tc.want)
			}
			if want := "Example: " + tc.tool + " " + tool.example; !strings.HasSuffix(err.Error(), want) {
				t.Errorf("refused with\n\t%v\nwithout\n\t%s", err, want)
			}
			if n := len(err.Error()); n > 1000 {
				t.Errorf("the refusal is %d bytes long", n)
			}
			if !tc.beyondSchema && accepts(t, resolved(t, inputSchema(tool.params)), tc.args) == nil {
				t.Error("the schema accepts what is refused")
			}
		})
	}
}

// Every row of the table of Actions becomes a tool whose example is right for
// its schema, its decoder and its Action.
func TestExamplesAreRight(t *testing.T) {
	names := make(map[string]bool)
	for _, spec := range desktop.Actions {
		for _, row := range spec.Tools {
			names[row.Name] = true
			tool, _ := toolNamed(t, row.Name)
			if _, err := understand(t, row.Name, tool.example); err != nil {
				t.Error(err)
			}
			if err := accepts(t, resolved(t, inputSchema(tool.params)), tool.example); err != nil {
				t.Errorf("%s %s: %v", row.Name, tool.example, err)
			}
		}
	}
	for name := range toolset {
		if !names[name] {
			t.Errorf("there are arguments of %s, which is no tool", name)
		}
	}
}

// What the decoder accepts, the schema accepts, and it never panics.
func FuzzDecodeArgs(f *testing.F) {
	all, err := ProfileToolset.tools()
	if err != nil {
		f.Fatal(err)
	}
	var params []param
	for _, tool := range all {
		for _, p := range tool.params {
			p.required = false
			if !slices.ContainsFunc(params, func(q param) bool { return q.name == p.name }) {
				params = append(params, p)
			}
		}
		f.Add(tool.example)
	}
	f.Add(`{"coordinate":[1e2,2.0],"text":"\ud83d","repeat":1E0}`)
	f.Add(`{"region":[0,0,1,1],"duration":0.5,"\u0064uration":1}`)
	schema := resolved(f, inputSchema(params))
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := decodeArgs(params, json.RawMessage(raw))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Errorf("the refusal holds control characters: %q", err)
			}
			return
		}
		var sent any
		if raw = strings.TrimSpace(raw); raw == "" || raw == "null" {
			return
		}
		if err := json.Unmarshal([]byte(raw), &sent); err != nil {
			t.Fatalf("decoded %s, which is not JSON: %v", raw, err)
		}
		if err := schema.Validate(sent); err != nil {
			t.Errorf("decoded %s into %v, which the schema refuses: %v", raw, v, err)
		}
	})
}

func TestPlainText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"one\r\n\ttwo\n", "one\n two\n"},
		{"\x1b[31mred\x1b[0m\u202e\nx", "red\nx"},
		{strings.Repeat("a", 50), strings.Repeat("a", 33) + "…"},
		{strings.Repeat("a\n", 50), strings.Repeat("a\n", 17) + "…"},
	} {
		got := plainText(tt.text, 40)
		if diff := cmp.Diff(tt.want, got); diff != "" || len(got) > 40 {
			t.Errorf("%q: (-want +got), %d bytes\n%s", tt.text, len(got), diff)
		}
	}
}

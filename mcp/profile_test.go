package mcp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/vmette/vmette-mcp/desktop"
)

// toolOf returns a tool of a profile.
func toolOf(t testing.TB, p Profile, name string) tool {
	t.Helper()
	list, err := p.tools()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(t tool) bool { return t.name == name })
	if i < 0 {
		t.Fatalf("profile %s has no tool %s", p, name)
	}
	return list[i]
}

// meant returns the actions that arguments of a tool mean.
func meant(t testing.TB, p Profile, tool tool, raw string) ([]desktop.Action, error) {
	t.Helper()
	v, err := tool.decode(json.RawMessage(raw))
	if err != nil {
		return nil, err
	}
	switch {
	case p == ProfileOpenAI && tool.name == "computer":
		return append(get[[]desktop.Action](v, "action"), get[[]desktop.Action](v, "actions")...), nil
	case tool.name == "perform":
		return get[[]desktop.Action](v, "actions"), nil
	case tool.verbs != nil:
		i := slices.Index(tool.verbs.names(), get[string](v, tool.verbs.tag))
		return tool.verbs.list[i].actions(v)
	}
	i := slices.IndexFunc(geminiGestures, func(g gesture) bool { return g.name == tool.name })
	return geminiGestures[i].actions(v)
}

func TestProfilesBecomeActions(t *testing.T) {
	var (
		click  = desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(5, 6)}
		withIt = desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(5, 6), Modifiers: []string{"ctrl"}}
		enter  = desktop.Key{Keys: "Return"}
	)
	for _, tc := range []struct {
		profile Profile
		tool    string
		args    string
		want    []desktop.Action
	}{
		{ProfileToolset, "perform", `{"actions":[{"action":"left_click","coordinate":[5,6]},{"action":"type","text":"a"},{"action":"screenshot"}]}`,
			[]desktop.Action{click, desktop.Type{Text: "a"}, desktop.Screenshot{}}},
		{ProfileToolset, "perform", `{"actions":[{"action":"wait","duration":0.5},{"action":"open_url","url":"file:///x"}],"observe":"now"}`,
			[]desktop.Action{desktop.Wait{DurationMS: 500}, desktop.OpenURL{URL: "file:///x"}}},

		{ProfileComputer, "computer", `{"action":"left_click","coordinate":[5,6]}`, []desktop.Action{click}},
		{ProfileComputer, "computer", `{"action":"left_click","coordinate":[5,6],"text":"ctrl"}`, []desktop.Action{withIt}},
		{ProfileComputer, "computer", `{"action":"left_click","coordinate":[5,6],"key":"ctrl"}`, []desktop.Action{withIt}},
		{ProfileComputer, "computer", `{"coordinate":[5,6],"frame":3,"observe":"none","action":"left_click"}`, []desktop.Action{click}},
		{ProfileComputer, "computer", `{"action":"screenshot"}`, []desktop.Action{desktop.Screenshot{}}},
		{ProfileComputer, "computer", `{"action":"zoom","region":[0,0,4,5]}`, []desktop.Action{desktop.Screenshot{Region: &desktop.Rect{X1: 4, Y1: 5}}}},
		{ProfileComputer, "computer", `{"action":"key","text":"ctrl+s"}`, []desktop.Action{desktop.Key{Keys: "ctrl+s"}}},
		{ProfileComputer, "computer", `{"action":"scroll","coordinate":[5,6],"scroll_direction":"left","scroll_amount":2,"key":"ctrl"}`,
			[]desktop.Action{desktop.Scroll{At: pointAt(5, 6), DX: -2, Modifiers: []string{"ctrl"}}}},
		{ProfileComputer20250124, "computer", `{"action":"hold_key","text":"a","duration":1}`, []desktop.Action{desktop.HoldKey{Keys: "a", DurationMS: 1000}}},
		{ProfileComputer20250124, "computer", `{"action":"left_mouse_down"}`, []desktop.Action{desktop.ButtonDown{Button: desktop.Left}}},
		{ProfileComputer20250124, "computer", `{"action":"triple_click","coordinate":[5,6]}`, []desktop.Action{desktop.Click{Button: desktop.Left, Count: 3, At: pointAt(5, 6)}}},
		{ProfileComputer20241022, "computer", `{"action":"left_click_drag","coordinate":[5,6]}`,
			[]desktop.Action{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 5, Y: 6}}}}},
		{ProfileComputer20241022, "computer", `{"action":"cursor_position"}`, []desktop.Action{desktop.CursorPosition{}}},

		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"left","x":5,"y":6}}`, []desktop.Action{click}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","x":5,"y":6,"keys":null,"button":null}}`, []desktop.Action{click}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"left","x":5,"y":6,"keys":["ctrl"]}}`, []desktop.Action{withIt}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"wheel","x":0,"y":0,"keys":[]}}`, []desktop.Action{desktop.Click{Button: desktop.Middle, Count: 1, At: pointAt(0, 0)}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"back","x":0,"y":0}}`, []desktop.Action{desktop.Click{Button: desktop.Back, Count: 1, At: pointAt(0, 0)}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"forward","x":0,"y":0}}`, []desktop.Action{desktop.Click{Button: desktop.Forward, Count: 1, At: pointAt(0, 0)}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","button":"right","x":0,"y":0}}`, []desktop.Action{desktop.Click{Button: desktop.Right, Count: 1, At: pointAt(0, 0)}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"double_click","x":5,"y":6}}`, []desktop.Action{desktop.Click{Button: desktop.Left, Count: 2, At: pointAt(5, 6)}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"drag","path":[{"x":1,"y":2},{"x":3,"y":4},{"x":5,"y":6}]}}`,
			[]desktop.Action{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 2}, {X: 3, Y: 4}, {X: 5, Y: 6}}}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"keypress","keys":["CTRL","+"]}}`, []desktop.Action{desktop.Key{Keys: "CTRL++"}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"move","x":5,"y":6}}`, []desktop.Action{desktop.Move{To: desktop.Point{X: 5, Y: 6}}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"scroll","x":5,"y":6,"scroll_x":0,"scroll_y":-250}}`, []desktop.Action{desktop.Scroll{At: pointAt(5, 6), DY: -250, Pixels: true}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"scroll","x":5,"y":6,"scroll_x":1,"scroll_y":149}}`, []desktop.Action{desktop.Scroll{At: pointAt(5, 6), DX: 1, DY: 149, Pixels: true}}},
		{ProfileOpenAI, "computer", `{"action":{"type":"wait"}}`, []desktop.Action{desktop.Wait{DurationMS: 2000}}},
		{ProfileOpenAI, "computer", `{"actions":[{"type":"click","button":"left","x":5,"y":6},{"type":"type","text":"a"},{"type":"screenshot"}]}`,
			[]desktop.Action{click, desktop.Type{Text: "a"}, desktop.Screenshot{}}},

		{ProfileGemini, "click", `{"x":5,"y":6,"intent":"to see"}`, []desktop.Action{click}},
		{ProfileGemini, "click_at", `{"y":6,"x":5,"safety_decision":{"decision":"regular"}}`, []desktop.Action{click}},
		{ProfileGemini, "double_click", `{"x":5,"y":6}`, []desktop.Action{desktop.Click{Button: desktop.Left, Count: 2, At: pointAt(5, 6)}}},
		{ProfileGemini, "triple_click", `{"x":5,"y":6}`, []desktop.Action{desktop.Click{Button: desktop.Left, Count: 3, At: pointAt(5, 6)}}},
		{ProfileGemini, "middle_click", `{"x":5,"y":6}`, []desktop.Action{desktop.Click{Button: desktop.Middle, Count: 1, At: pointAt(5, 6)}}},
		{ProfileGemini, "right_click", `{"x":5,"y":6}`, []desktop.Action{desktop.Click{Button: desktop.Right, Count: 1, At: pointAt(5, 6)}}},
		{ProfileGemini, "mouse_down", `{"x":5,"y":6}`, []desktop.Action{desktop.Move{To: *pointAt(5, 6)}, desktop.ButtonDown{Button: desktop.Left}}},
		{ProfileGemini, "mouse_up", `{"x":5,"y":6}`, []desktop.Action{desktop.Move{To: *pointAt(5, 6)}, desktop.ButtonUp{Button: desktop.Left}}},
		{ProfileGemini, "move", `{"x":999,"y":0}`, []desktop.Action{desktop.Move{To: *pointAt(999, 0)}}},
		{ProfileGemini, "hover_at", `{"x":5,"y":6}`, []desktop.Action{desktop.Move{To: *pointAt(5, 6)}}},
		{ProfileGemini, "type", `{"text":"a"}`, []desktop.Action{desktop.Type{Text: "a"}}},
		{ProfileGemini, "type", `{"text":"a","press_enter":true}`, []desktop.Action{desktop.Type{Text: "a"}, enter}},
		{ProfileGemini, "type_text_at", `{"x":5,"y":6,"text":"a"}`,
			[]desktop.Action{click, desktop.Key{Keys: "ctrl+a"}, desktop.Key{Keys: "BackSpace"}, desktop.Type{Text: "a"}, enter}},
		{ProfileGemini, "type_text_at", `{"x":5,"y":6,"text":"a","press_enter":false,"clear_before_typing":false}`, []desktop.Action{click, desktop.Type{Text: "a"}}},
		{ProfileGemini, "drag_and_drop", `{"start_x":1,"start_y":2,"end_x":3,"end_y":4}`, []desktop.Action{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 2}, {X: 3, Y: 4}}}}},
		{ProfileGemini, "drag_and_drop", `{"x":1,"y":2,"destination_x":3,"destination_y":4}`, []desktop.Action{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 2}, {X: 3, Y: 4}}}}},
		{ProfileGemini, "drag_and_drop", `{"x":0,"y":0,"end_x":0,"end_y":0}`, []desktop.Action{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{}, {}}}}},
		{ProfileGemini, "wait", `{}`, []desktop.Action{desktop.Wait{DurationMS: 1000}}},
		{ProfileGemini, "wait", `{"seconds":0}`, []desktop.Action{desktop.Wait{}}},
		{ProfileGemini, "wait_5_seconds", ``, []desktop.Action{desktop.Wait{DurationMS: 5000}}},
		{ProfileGemini, "press_key", `{"key":"Enter"}`, []desktop.Action{desktop.Key{Keys: "Enter"}}},
		{ProfileGemini, "hotkey", `{"keys":["Control","Shift","t"]}`, []desktop.Action{desktop.Key{Keys: "Control+Shift+t"}}},
		{ProfileGemini, "key_combination", `{"keys":"Control+A"}`, []desktop.Action{desktop.Key{Keys: "Control+A"}}},
		{ProfileGemini, "take_screenshot", `{"intent":null}`, []desktop.Action{desktop.Screenshot{}}},
		{ProfileGemini, "scroll", `{"x":5,"y":6,"direction":"down"}`, []desktop.Action{desktop.Scroll{At: pointAt(5, 6), DY: 300, Pixels: true}}},
		{ProfileGemini, "scroll", `{"x":5,"y":6,"direction":"right","magnitude_in_pixels":40}`, []desktop.Action{desktop.Scroll{At: pointAt(5, 6), DX: 40, Pixels: true}}},
		{ProfileGemini, "scroll_at", `{"x":5,"y":6,"direction":"up"}`, []desktop.Action{desktop.Scroll{At: pointAt(5, 6), DY: -800, Pixels: true}}},
		{ProfileGemini, "key_down", `{"key":"Shift"}`, []desktop.Action{desktop.KeyDown{Keys: "Shift"}}},
		{ProfileGemini, "key_up", `{"key":"Shift","intent":"let go"}`, []desktop.Action{desktop.KeyUp{Keys: "Shift"}}},
		{ProfileGemini, "scroll_document", `{"direction":"up"}`, []desktop.Action{desktop.Key{Keys: "Page_Up"}}},
		{ProfileGemini, "scroll_document", `{"direction":"down"}`, []desktop.Action{desktop.Key{Keys: "Page_Down"}}},
		{ProfileGemini, "scroll_document", `{"direction":"left"}`, []desktop.Action{desktop.Scroll{At: pointAt(500, 500), DX: -800, Pixels: true}}},
		{ProfileGemini, "navigate", `{"url":"https://example.com/"}`, []desktop.Action{desktop.OpenURL{URL: "https://example.com/"}}},
	} {
		t.Run(string(tc.profile)+" "+tc.tool+" "+tc.args, func(t *testing.T) {
			tool := toolOf(t, tc.profile, tc.tool)
			got, err := meant(t, tc.profile, tool, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, _, err := (request{actions: got}).action(); err != nil {
				t.Errorf("the actions are not valid: %v", err)
			}
			if tc.args != "" {
				if err := accepts(t, resolved(t, inputSchema(tool.takes())), tc.args); err != nil {
					t.Errorf("the schema refuses what is decoded: %v", err)
				}
			}
		})
	}
}

func TestProfilesRefuse(t *testing.T) {
	for _, tc := range []struct {
		profile    Profile
		tool, args string
		want       string
	}{
		{ProfileToolset, "perform", `{}`, `perform was not done: actions is missing: send a list of 1 to 100 objects`},
		{ProfileToolset, "perform", `{"actions":[]}`, `actions has 0 actions: send a list`},
		{ProfileToolset, "perform", `{"actions":[{"action":"wait","duration":1},["key","a"]]}`, `actions has a wrong action 2: it is an array, ["key","a"]: send an object such as {"action": "screenshot"}`},
		{ProfileToolset, "perform", `{"actions":[{"tool":"left_click"}]}`, `actions has a wrong action 1: action is missing: send "screenshot" or "mouse_move"`},
		{ProfileToolset, "perform", `{"actions":[{"action":"exec","command":"ls"}]}`, `action is "exec": send "screenshot" or`},
		{ProfileToolset, "perform", `{"actions":[{"action":"left_click","x":1,"y":2}]}`, `actions has a wrong action 1: left_click: it takes no "x", "y": send only action, coordinate, text`},
		{ProfileToolset, "perform", `{"actions":[{"action":"open_url","url":"ftp://x"}]}`, `open_url: url must be http://`},
		{ProfileToolset, "perform", `{"actions":[{"action":"left_click","desktop_id":"d"}]}`, `it takes no "desktop_id"`},

		{ProfileComputer, "computer", `{}`, `computer was not done: action is missing: send "screenshot" or "zoom"`},
		{ProfileComputer, "computer", `{"action":"click"}`, `action is "click": send "screenshot" or`},
		{ProfileComputer, "computer", `{"action":"left_click","duration":1}`, `left_click was not done: it takes no "duration": send only action, coordinate, text, key, frame, observe, desktop_id. Example: computer {"action": "left_click", "coordinate": [640, 400]}`},
		{ProfileComputer, "computer", `{"action":"mouse_move"}`, `mouse_move was not done: coordinate is missing: send [x, y]`},
		{ProfileComputer, "computer", `{"action":"left_click","text":"ctrl","key":"shift"}`, `modifier keys are both in text and in key`},
		{ProfileComputer20250124, "computer", `{"action":"zoom","region":[0,0,1,1]}`, `action is "zoom"`},
		{ProfileComputer20241022, "computer", `{"action":"scroll"}`, `action is "scroll"`},

		{ProfileOpenAI, "computer", `{"action":{"type":"click","x":5}}`, `computer was not done: action click: y is missing: send a whole number from 0`},
		{ProfileOpenAI, "computer", `{"action":{"type":"click","x":5,"y":6,"button":"middle"}}`, `button is "middle": send "left" or "right" or "wheel"`},
		{ProfileOpenAI, "computer", `{"action":{"type":"scroll","x":5,"y":6,"scroll_x":0,"scroll_y":0}}`, `scroll_x and scroll_y are both 0`},
		{ProfileOpenAI, "computer", `{"action":{"type":"drag","path":[{"x":1,"y":2}]}}`, `path has 1 point: send a list of 2 to 4096 points`},
		{ProfileOpenAI, "computer", `{"action":{"type":"drag","path":[{"x":1,"y":2},{"x":1}]}}`, `path has a wrong point 2: y is missing`},
		{ProfileOpenAI, "computer", `{"action":{"type":"keypress","keys":[]}}`, `keys has 0 keys: send a list of 1 to 9 key names`},
		{ProfileOpenAI, "computer", `{"action":{"type":"keypress","keys":"CTRL"}}`, `keys is a string, "CTRL"`},
		{ProfileOpenAI, "computer", `{"actions":{"type":"wait"}}`, `actions is an object`},

		{ProfileGemini, "click", `{"x":1000,"y":0}`, `click was not done: x is 1000: send a whole number from 0 to 999`},
		{ProfileGemini, "click", `{"x":0.5,"y":0}`, `x is a number, 0.5, which is not a whole number`},
		{ProfileGemini, "click", `{"coordinate":[1,2]}`, `it takes no "coordinate"`},
		{ProfileGemini, "click", `{"x":1,"y":1,"safety_decision":{"decision":"require_confirmation","explanation":"x"}}`, `safety_decision asks for a person's consent, which is not in the call: send the call again without it`},
		{ProfileGemini, "drag_and_drop", `{"x":1,"y":2}`, `it takes both end_x and end_y, or both destination_x and destination_y`},
		{ProfileGemini, "drag_and_drop", `{"start_x":1,"y":2,"end_x":1,"end_y":1}`, `it takes both start_x and start_y, or both x and y`},
		{ProfileGemini, "drag_and_drop", `{"x":1,"y":2,"start_x":1,"start_y":2,"end_x":1,"end_y":1}`, `send one pair`},
		{ProfileGemini, "type", `{"text":"a","press_enter":"yes"}`, `press_enter is a string, "yes": send true or false`},
		{ProfileGemini, "hotkey", `{"keys":["Control",1]}`, `keys holds a key that is a number, 1`},
	} {
		t.Run(string(tc.profile)+" "+tc.tool+" "+tc.args, func(t *testing.T) {
			got, err := meant(t, tc.profile, toolOf(t, tc.profile, tc.tool), tc.args)
			if err == nil {
				t.Fatalf("was accepted as %v", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("refused with\n\t%v\nwithout\n\t%s", err, tc.want)
			}
			if n := len(err.Error()); n > 1000 {
				t.Errorf("the refusal is %d bytes long", n)
			}
		})
	}
}

// Every verb of every profile has an example that is right.
func TestExamplesOfProfilesAreRight(t *testing.T) {
	check := func(name string, v verb, c *verbs) {
		raw := v.example
		params := v.params
		if c != nil {
			raw, params = c.example(v), append(c.params()[:1:1], v.params...)
		}
		args, err := decodeArgs(params, json.RawMessage(raw))
		if err != nil {
			t.Errorf("%s %s: %v", name, raw, err)
			return
		}
		actions, err := v.actions(args)
		if err != nil || len(actions) == 0 {
			t.Errorf("%s %s means %v, %v", name, raw, actions, err)
		}
	}
	for _, p := range Profiles {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(string(p), "computer") {
			c := toolOf(t, p, "computer").verbs
			for _, v := range c.list {
				check(string(p)+" "+v.name, v, c)
			}
		}
	}
	for _, v := range openaiVerbs.list {
		check("openai "+v.name, v, &openaiVerbs)
	}
	for _, g := range geminiGestures {
		check("gemini "+g.name, g.verb, nil)
	}
	if err := Profile("claude").Validate(); err == nil {
		t.Error("a profile that does not exist is valid")
	}
}

// Coordinates on a grid reach all corners of the screen and come back as what
// they were, as far as the screen has as many pixels.
func TestGridReachesTheWholeScreen(t *testing.T) {
	for _, size := range []desktop.Size{{Width: 1280, Height: 800}, {Width: 1000, Height: 1000}, {Width: 3840, Height: 2160}, {Width: 640, Height: 480}} {
		v := newView(size, settings{grid: geminiGrid})
		for _, tc := range []struct{ at, want desktop.Point }{
			{desktop.Point{}, desktop.Point{}},
			{desktop.Point{X: 999, Y: 999}, desktop.Point{X: size.Width - 1, Y: size.Height - 1}},
			{desktop.Point{X: 999}, desktop.Point{X: size.Width - 1}},
			{desktop.Point{Y: 999}, desktop.Point{Y: size.Height - 1}},
		} {
			if got := v.ToScreen(tc.at); got != tc.want {
				t.Errorf("%v of %v is %v, want %v", tc.at, size, got, tc.want)
			}
		}
		for i := range geminiGrid {
			on := v.ToScreen(desktop.Point{X: i, Y: i})
			if !size.Contains(on) {
				t.Fatalf("%d is %v, off the screen of %v", i, on, size)
			}
			back, ok := v.FromScreen(on)
			if !ok || (size.Width >= geminiGrid && back.X != i) || (size.Height >= geminiGrid && back.Y != i) {
				t.Errorf("%d on %v is %v, and that is %v", i, size, on, back)
			}
		}
		if _, err := v.aim(desktop.Move{To: desktop.Point{X: 1000}}); err == nil {
			t.Error("a point off the grid is accepted")
		}
	}
}

// What the decoders of lists accept, their schemas accept, and they never panic.
func FuzzDecodeSteps(f *testing.F) {
	perform := toolOf(f, ProfileToolset, "perform")
	openai := toolOf(f, ProfileOpenAI, "computer")
	f.Add(perform.example)
	f.Add(openai.example)
	f.Add(`{"action":{"type":"drag","path":[{"x":1,"y":2},{"x":3,"y":4}],"keys":null}}`)
	schemas := make(map[string]*jsonschema.Resolved)
	for _, t := range []tool{perform, openai} {
		schemas[t.name] = resolved(f, inputSchema(t.takes()))
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, tool := range []tool{perform, openai} {
			if _, err := tool.decode(json.RawMessage(raw)); err != nil || strings.TrimSpace(raw) == "" || strings.TrimSpace(raw) == "null" {
				continue
			}
			if err := accepts(t, schemas[tool.name], raw); err != nil {
				t.Errorf("%s decoded %s, which the schema refuses: %v", tool.name, raw, err)
			}
		}
	})
}

package desktop

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnmarshalRequest(t *testing.T) {
	at := Point{3, 0}
	tests := []struct {
		in   string
		want Request
	}{
		{`{"action":"screenshot"}`, Request{Action: Screenshot{}}},
		{`{"action":"screenshot","args":{}}`, Request{Action: Screenshot{}}},
		{`{"action":"click","args":{"button":1,"count":2,"at":[3,0]},"observe":{"mode":"now"}}`,
			Request{Action: Click{Button: Left, Count: 2, At: &at}, Observe: Observe{Mode: ObserveNow}}},
		{` {"cancel" : 7} `, Request{Cancel: 7}},
	}
	for _, tt := range tests {
		var got Request
		if err := Unmarshal([]byte(tt.in), &got); err != nil {
			t.Errorf("Unmarshal(%s): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Unmarshal(%s): (-want +got)\n%s", tt.in, diff)
		}
	}
}

func TestUnmarshalRequestRefuses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", ``, "unexpected end"},
		{"null", `null`, "null"},
		{"array", `[]`, "wrong type"},
		{"empty", `{}`, `action "" does not exist`},
		{"trailing data", `{"cancel":1}{}`, "after top-level value"},
		{"unknown action", `{"action":"jump"}`, `action "jump" does not exist`},
		{"unknown field", `{"action":"wait","args":{"duration_ms":1,"speed":2}}`, `unknown field "speed"`},
		{"wrong case", `{"Action":"screenshot"}`, `unknown field "Action"`},
		{"wrong case inside", `{"action":"wait","args":{"Duration_MS":1}}`, `unknown field "Duration_MS"`},
		{"duplicate", `{"action":"wait","action":"wait","args":{"duration_ms":1}}`, `"action" twice`},
		{"duplicate inside", `{"action":"wait","args":{"duration_ms":1,"duration_ms":2}}`, `"duration_ms" twice`},
		{"duplicate by escape", `{"action":"wait","args":{"duration_ms":1,"duration\u005fms":2}}`, `"duration_ms" twice`},
		{"missing", `{"action":"wait","args":{}}`, `lacks the field "duration_ms"`},
		{"missing args", `{"action":"move"}`, `lacks the field "to"`},
		{"null args", `{"action":"screenshot","args":null}`, "args is null"},
		{"null value", `{"action":"wait","args":{"duration_ms":null}}`, "duration_ms is null"},
		{"null coordinate", `{"action":"move","args":{"to":[1,null]}}`, "null"},
		{"null in a list", `{"action":"click","args":{"button":1,"count":1,"modifiers":[null]}}`, "modifiers[0] is null"},
		{"fraction", `{"action":"move","args":{"to":[1.5,2]}}`, "1.5"},
		{"huge number", `{"action":"move","args":{"to":[1e30,2]}}`, "1e30"},
		{"three coordinates", `{"action":"move","args":{"to":[1,2,3]}}`, "want 2 integers, got 3"},
		{"string for a number", `{"action":"wait","args":{"duration_ms":"5"}}`, "string"},
		{"number for a string", `{"action":5}`, "number"},
		{"object for a list", `{"action":"click","args":{"button":1,"count":1,"modifiers":{}}}`, "wrong type"},
		{"number for an object", `{"action":"screenshot","observe":5}`, "not an object"},
		{"invalid action", `{"action":"click","args":{"button":4,"count":1}}`, "button 4 does not exist"},
		{"invalid observe", `{"action":"screenshot","observe":{"mode":"soon"}}`, `"soon"`},
		{"act and cancel", `{"action":"screenshot","cancel":1}`, "both"},
		{"observe and cancel", `{"observe":{},"cancel":1}`, "both"},
		{"cancel nothing", `{"cancel":0}`, "empty"},
		{"cancel negative", `{"cancel":-1}`, "-1"},
		{"not UTF-8", "{\"action\":\"type\",\"args\":{\"text\":\"\xff\"}}", "UTF-8"},
		{"deep", strings.Repeat("[", 20000), "depth"},
		{"cut off", `{"action":"wait"`, "unexpected end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			err := Unmarshal([]byte(tt.in), &r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Unmarshal(%.60s): error %v, want one that says %q", tt.in, err, tt.want)
			}
		})
	}
}

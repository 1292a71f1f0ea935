package rpc

import (
	"encoding/json"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"method":"a","id":1}`, "request"},
		{` {"method":"a","id":"x","params":{}}`, "request"},
		{`{"method":"a","params":[1]}`, "notification"},
		{`{"id":1,"result":{}}`, "answer"},
		{`{"id":1,"error":{"code":1,"message":"no"}}`, "answer"},
		{``, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not JSON in UTF-8"}}`},
		{`{"method":"a"`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not JSON in UTF-8"}}`},
		{"\"\xff\"", `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not JSON in UTF-8"}}`},
		{`{}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message has neither a method nor an id"}}`},
		{`{"method":"","id":1}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the method is empty"}}`},
		{`{"method":1,"id":1}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the method is not a string, or the error of an answer is none"}}`},
		{`{"method":"a","id":{}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the id is neither a string nor a number"}}`},
		{`{"method":"a","id":1,"params":[1]}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"params is an array: send an object"}}`},
		{`[{"method":"a","id":1}]`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batches are not supported: send one message at a time"}}`},
		{`[{"method":"a"}]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is not a JSON object: batches are not supported: send one message at a time"}}`},
		{`17`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is not a JSON object: batches are not supported: send one message at a time"}}`},
	} {
		m, refusals := Parse([]byte(tt.in))
		got := "notification"
		switch {
		case refusals != nil:
			got = string(refusals[0])
		case m.IsAnswer():
			got = "answer"
		case m.IsRequest():
			got = "request"
		}
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Whatever comes, it is either handled or refused with JSON.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"method":"a","id":1,"params":{}}`))
	f.Add([]byte(`[{"method":"a","id":1},{"id":2}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, refusals := Parse(data)
		if (m == nil) == (refusals == nil) {
			t.Fatalf("message %v, refusals %q", m, refusals)
		}
		for _, r := range refusals {
			if !json.Valid(r) {
				t.Errorf("refused with %q", r)
			}
		}
		if m != nil && m.IsRequest() && !json.Valid(encodeAnswer(m.ID, &Answer{})) {
			t.Errorf("id %q", m.ID)
		}
	})
}

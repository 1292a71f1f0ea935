package rpc

import (
	"encoding/json"
	"unicode/utf8"
)

// The error codes of JSON-RPC 2.0, section 5.1, and our own of its range for
// servers.
const (
	CodeParse         = -32700
	CodeInvalid       = -32600
	CodeNoMethod      = -32601
	CodeInvalidParams = -32602
	CodeInternal      = -32603
	CodeBusy          = -32000 // too many requests are in flight
)

// Message is a message of a client.
type Message struct {
	Method string          // "" in an answer
	ID     json.RawMessage // a string or a number as it was sent; nil in a notification
	Params json.RawMessage // an object, or nil
	Result json.RawMessage // of an answer
	Error  *Error          // of an answer
	Raw    json.RawMessage // all of it
}

// IsRequest reports whether m wants an answer.
func (m *Message) IsRequest() bool { return m.Method != "" && m.ID != nil }

// IsAnswer reports whether m answers what the client was asked.
func (m *Message) IsAnswer() bool { return m.Method == "" }

// Error is an error of JSON-RPC. It is an error that a client answered with when
// [Call] returns it.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Answer is what a request is answered with: Error, or Result when that is nil.
type Answer struct {
	Result any
	Error  *Error
}

// Parse takes a message apart. One that cannot be handled gives what is to be
// sent to the client instead, at least one message: a batch, which only revision
// 2025-03-26 of the protocol has, is refused by the id of each of its requests.
func Parse(data []byte) (m *Message, refusals [][]byte) {
	refuse := func(id json.RawMessage, code int, why string) (*Message, [][]byte) {
		return nil, [][]byte{Refusal(id, code, why)}
	}
	if !utf8.Valid(data) || !json.Valid(data) {
		return refuse(nil, CodeParse, "the message is not JSON in UTF-8")
	}
	if kind(data) != "an object" {
		return nil, refuseBatch(data)
	}
	var e struct {
		Method *string         `json:"method"`
		ID     json.RawMessage `json:"id"`
		Params json.RawMessage `json:"params"`
		Result json.RawMessage `json:"result"`
		Error  *Error          `json:"error"`
	}
	if json.Unmarshal(data, &e) != nil {
		return refuse(nil, CodeInvalid, "the method is not a string, or the error of an answer is none")
	}
	m = &Message{ID: e.ID, Params: e.Params, Result: e.Result, Error: e.Error, Raw: data}
	switch {
	case e.Method == nil && e.ID == nil:
		return refuse(nil, CodeInvalid, "the message has neither a method nor an id")
	case e.Method == nil:
		return m, nil
	case *e.Method == "":
		return refuse(nil, CodeInvalid, "the method is empty")
	case e.ID != nil && !IsID(e.ID):
		return refuse(nil, CodeInvalid, "the id is neither a string nor a number")
	case e.ID != nil && e.Params != nil && kind(e.Params) != "an object":
		return refuse(e.ID, CodeInvalidParams, "params is "+kind(e.Params)+": send an object")
	}
	m.Method = *e.Method
	return m, nil
}

func refuseBatch(data []byte) (refusals [][]byte) {
	const why = "batches are not supported: send one message at a time"
	var members []json.RawMessage
	if json.Unmarshal(data, &members) == nil {
		for _, member := range members {
			if m, _ := Parse(member); m != nil && m.IsRequest() {
				refusals = append(refusals, Refusal(m.ID, CodeInvalid, why))
			}
		}
	}
	if refusals == nil {
		refusals = append(refusals, Refusal(nil, CodeInvalid, "the message is not a JSON object: "+why))
	}
	return refusals
}

// Refusal is the encoded answer to a request that is not handled; id may be nil.
func Refusal(id json.RawMessage, code int, why string) []byte {
	return encodeAnswer(id, &Answer{Error: &Error{Code: code, Message: why}})
}

// encodeAnswer encodes the answer to the request with this id.
func encodeAnswer(id json.RawMessage, a *Answer) []byte {
	if id == nil {
		id = json.RawMessage("null")
	}
	m := struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result,omitempty"`
		Error   *Error          `json:"error,omitempty"`
	}{"2.0", id, a.Result, a.Error}
	if a.Error != nil {
		m.Result = nil
	} else if a.Result == nil {
		m.Result = struct{}{}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return Refusal(id, CodeInternal, "the answer could not be encoded")
	}
	return b
}

// encodeOutgoing encodes a notification, or a request when id is not "".
func encodeOutgoing(id, method string, params any) ([]byte, error) {
	return json.Marshal(struct {
		JSONRPC string `json:"jsonrpc"`
		ID      string `json:"id,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{"2.0", id, method, params})
}

// IsID reports whether raw is a string or a number, as the id of a request is.
func IsID(raw json.RawMessage) bool {
	if !json.Valid(raw) {
		return false
	}
	k := kind(raw)
	return k == "a string" || k == "a number"
}

// kind says what a JSON value is.
func kind(raw json.RawMessage) string {
	for _, b := range raw {
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		case '{':
			return "an object"
		case '[':
			return "an array"
		case '"':
			return "a string"
		case 't', 'f':
			return "a boolean"
		case 'n':
			return "null"
		}
		return "a number"
	}
	return "nothing"
}

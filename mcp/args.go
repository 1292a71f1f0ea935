package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// param is one argument of a tool. Its schema, which a client sees, and its
// decoder, which decides, stand side by side so that they say the same.
type param struct {
	name     string
	required bool
	nullable bool // null means that it was left out
	schema   map[string]any
	send     string // what to send, to end a refusal with
	decode   func(raw json.RawMessage) (any, error)
}

func (p param) needed() param {
	p.required = true
	return p
}

// orNull returns p for clients that send null for what they leave out.
func (p param) orNull() param {
	p.nullable = true
	p.schema = maps.Clone(p.schema)
	p.schema["type"] = []any{p.schema["type"], "null"}
	if words, ok := p.schema["enum"].([]string); ok {
		var all []any
		for _, w := range words {
			all = append(all, w)
		}
		p.schema["enum"] = append(all, nil)
	}
	return p
}

// values are decoded arguments by name. What was not sent is not in it.
type values map[string]any

// get returns the argument, or the zero value of its type when it was not sent.
func get[T any](v values, name string) T {
	t, _ := v[name].(T)
	return t
}

// maxProblems bounds how many problems of one call are told.
const maxProblems = 5

// decodeArgs decodes the arguments of a call. Absent and null mean an empty
// object. Everything that is wrong is told at once: what does not belong, what
// is missing, and for each value what to send instead.
func decodeArgs(params []param, raw json.RawMessage) (values, error) {
	fields, err := splitObject(raw)
	if err != nil {
		return nil, err
	}
	var problems, strays []string
	v := make(values)
	for _, f := range fields {
		i := slices.IndexFunc(params, func(p param) bool { return p.name == f.name })
		if i < 0 {
			strays = append(strays, quote(f.name))
			continue
		}
		p := params[i]
		if _, twice := v[p.name]; twice {
			problems = append(problems, p.name+" was sent twice: send it once")
			continue
		}
		if string(f.raw) == "null" && p.nullable {
			continue
		}
		if string(f.raw) == "null" {
			if v[p.name] = nil; p.required {
				problems = append(problems, fmt.Sprintf("%s is null: send %s", p.name, p.send))
			} else {
				problems = append(problems, fmt.Sprintf("%s is null: leave it out, or send %s", p.name, p.send))
			}
			continue
		}
		got, err := p.decode(f.raw)
		if errors.As(err, new(*unsupportedError)) {
			return nil, err
		}
		if err != nil {
			problems = append(problems, wrong(p, err))
		}
		v[p.name] = got
	}
	if strays != nil {
		stray := strings.Join(strays[:min(len(strays), maxProblems)], ", ")
		problems = append(problems, fmt.Sprintf("it takes no %s: send only %s", stray, names(params)))
	}
	for _, p := range params {
		if _, ok := v[p.name]; !ok && p.required {
			problems = append(problems, fmt.Sprintf("%s is missing: send %s", p.name, p.send))
		}
	}
	if n := len(problems); n > maxProblems {
		problems = append(problems[:maxProblems], fmt.Sprintf("and %d more", n-maxProblems))
	}
	if problems != nil {
		return nil, errors.New(strings.Join(problems, "; "))
	}
	return v, nil
}

// field is one member of a JSON object, not yet decoded.
type field struct {
	name string
	raw  json.RawMessage
}

// splitObject takes a JSON object apart and keeps the order and duplicates of
// its members, which a map would hide.
func splitObject(raw json.RawMessage) ([]field, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("the arguments are %s: send a JSON object", kind(raw))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	var fields []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		f := field{name: name.(string)} // the decoder admits nothing else here
		if err := dec.Decode(&f.raw); err != nil {
			return nil, notJSON(err)
		}
		fields = append(fields, f)
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("the arguments are more than one JSON value: send one object")
	}
	return fields, nil
}

func notJSON(err error) error {
	return fmt.Errorf("the arguments are not JSON (%v): send a JSON object", err)
}

func names(params []param) string {
	if len(params) == 0 {
		return "{}"
	}
	var list []string
	for _, p := range params {
		list = append(list, p.name)
	}
	return strings.Join(list, ", ")
}

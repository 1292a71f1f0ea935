package mcp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// verb is one thing that a model can ask of a desktop, in the words of its
// profile. It is a tool of its own, or one of several of a tool, which an
// argument then names.
type verb struct {
	name    string
	params  []param
	example string // arguments of a call that is right
	// actions returns the Actions that the arguments mean, with points in the
	// coordinates of the profile. It depends on nothing else.
	actions func(v values) ([]desktop.Action, error)
}

// verbs is a choice of verbs, one of which the argument tag names.
type verbs struct {
	tag         string
	description string // of the tag
	list        []verb
}

func (c verbs) names() []string {
	var names []string
	for _, v := range c.list {
		names = append(names, v.name)
	}
	return names
}

// params are the arguments that a client is shown: the tag and, side by side,
// those of all verbs. One object with optional members is what all clients can
// pass on to their models; which of them belong together, the decoder knows.
func (c verbs) params() []param {
	params := []param{choice(c.tag, c.description, c.names()...).needed()}
	uses := make(map[string][]use)
	for _, v := range c.list {
		for _, p := range v.params {
			uses[p.name] = used(uses[p.name], v.name, p.schema["description"].(string))
			i := slices.IndexFunc(params, func(q param) bool { return q.name == p.name })
			if i < 0 {
				p.required = false
				p.schema = maps.Clone(p.schema)
				params = append(params, p)
			} else {
				widen(params[i].schema, p.schema)
			}
		}
	}
	for _, p := range params[1:] {
		var all []string
		for _, u := range uses[p.name] {
			all = append(all, strings.Join(u.verbs, ", ")+": "+u.description)
		}
		p.schema["description"] = strings.Join(all, " ")
	}
	return params
}

// use is what an argument means to some verbs.
type use struct {
	description string
	verbs       []string
}

// used notes that an argument means this to a verb.
func used(list []use, verb, description string) []use {
	for i, u := range list {
		if u.description == description {
			list[i].verbs = append(u.verbs, verb)
			return list
		}
	}
	return append(list, use{description, []string{verb}})
}

// widen makes a schema accept what another one of the same type accepts.
func widen(s, other map[string]any) {
	for k, x := range s {
		y, both := other[k]
		switch {
		case !both:
			delete(s, k)
		case k == "type":
			if _, nullable := y.([]any); nullable {
				s[k] = y
			}
		case strings.HasPrefix(k, "min"):
			s[k] = farther(x, y, -1)
		case strings.HasPrefix(k, "max"):
			s[k] = farther(x, y, +1)
		}
	}
}

// farther returns the lesser of two bounds for sign -1, the greater for +1. Both
// are of the same type.
func farther(x, y any, sign int) any {
	switch x := x.(type) {
	case int:
		if cmp.Compare(y.(int), x) == sign {
			return y
		}
	case float64:
		if cmp.Compare(y.(float64), x) == sign {
			return y
		}
	}
	return x
}

// decode finds the verb that raw names and decodes its arguments, beside those
// in common.
func (c verbs) decode(raw json.RawMessage, common []param) (verb, values, error) {
	fields, err := splitObject(raw)
	if err != nil {
		return verb{}, nil, err
	}
	tag := choice(c.tag, "", c.names()...).needed()
	for _, f := range fields {
		if f.name != c.tag {
			continue
		}
		name, err := tag.decode(f.raw)
		if err != nil {
			var sent string
			if json.Unmarshal(f.raw, &sent) == nil {
				if e := unsupportedVerb(sent); e != nil {
					return verb{}, nil, e
				}
			}
			return verb{}, nil, fmt.Errorf("%s %w: send %s", c.tag, err, tag.send)
		}
		i := slices.Index(c.names(), name.(string))
		params := append([]param{tag}, c.list[i].params...)
		v, err := decodeArgs(append(params, common...), raw)
		return c.list[i], v, err
	}
	return verb{}, nil, fmt.Errorf("%s is missing: send %s", c.tag, tag.send)
}

// example returns the arguments of a call of one of the verbs.
func (c verbs) example(v verb) string {
	head := fmt.Sprintf(`{%q: %q`, c.tag, v.name)
	if v.example == `{}` {
		return head + "}"
	}
	return head + ", " + v.example[1:]
}

// step is an argument that is one verb with its arguments. It decodes into
// Actions.
func (c verbs) step(name, description string) param {
	return param{
		name:   name,
		schema: c.objectSchema(description),
		send:   "an object",
		decode: func(raw json.RawMessage) (any, error) {
			actions, err := c.decodeStep(raw)
			if err != nil {
				return nil, told{err}
			}
			return actions, nil
		},
	}
}

// steps is an argument that is a list of verbs with their arguments. It decodes
// into Actions.
func (c verbs) steps(name, description string) param {
	return param{
		name: name,
		schema: map[string]any{
			"type": "array", "minItems": 1, "maxItems": desktop.MaxBatch,
			"items": c.objectSchema("One action with its arguments."), "description": description,
		},
		send: fmt.Sprintf("a list of 1 to %d objects", desktop.MaxBatch),
		decode: func(raw json.RawMessage) (any, error) {
			var items []json.RawMessage
			if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			if len(items) == 0 || len(items) > desktop.MaxBatch {
				return nil, fmt.Errorf("has %d actions", len(items))
			}
			var all []desktop.Action
			for i, item := range items {
				actions, err := c.decodeStep(item)
				if err != nil {
					return nil, told{fmt.Errorf("has a wrong action %d: %w", i+1, err)}
				}
				all = append(all, actions...)
			}
			return all, nil
		},
	}
}

func (c verbs) decodeStep(raw json.RawMessage) ([]desktop.Action, error) {
	if kind(raw) != "an object" {
		return nil, fmt.Errorf("it is %s: send an object such as %s", describe(raw), c.example(c.list[0]))
	}
	chosen, v, err := c.decode(raw, nil)
	var actions []desktop.Action
	if err == nil {
		actions, err = chosen.actions(v)
	}
	for _, a := range actions {
		if err == nil {
			err = a.Validate()
		}
	}
	if err != nil && chosen.name != "" {
		err = fmt.Errorf("%s: %w", chosen.name, err)
	}
	return actions, err
}

func (c verbs) objectSchema(description string) map[string]any {
	s := inputSchema(c.params())
	return map[string]any{
		"type": s.Type, "properties": s.Properties, "required": s.Required, "additionalProperties": false, "description": description,
	}
}

// told is what is wrong with an argument, and has said what to send instead.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// wrong says what is wrong with an argument and what to send instead.
func wrong(p param, err error) string {
	if t := (told{}); errors.As(err, &t) {
		return fmt.Sprintf("%s %v", p.name, err)
	}
	return fmt.Sprintf("%s %v: send %s", p.name, err, p.send)
}

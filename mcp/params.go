package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxID bounds a desktop_id; ours are much shorter.
const maxID = 128

// point is a position on the screen, [x, y].
func point(name, description string) param {
	return param{
		name:   name,
		schema: integers(2, description),
		send:   "[x, y], two integers that are not negative",
		decode: func(raw json.RawMessage) (any, error) {
			v, err := decodeIntegers(raw, 2)
			if err != nil {
				return nil, err
			}
			return &desktop.Point{X: v[0], Y: v[1]}, nil
		},
	}
}

// region is a part of the screen, [x0, y0, x1, y1].
func region(name, description string) param {
	return param{
		name:   name,
		schema: integers(4, description),
		send:   "[x0, y0, x1, y1], four integers with 0 <= x0 < x1 and 0 <= y0 < y1",
		decode: func(raw json.RawMessage) (any, error) {
			v, err := decodeIntegers(raw, 4)
			if err != nil {
				return nil, err
			}
			if v[0] >= v[2] || v[1] >= v[3] {
				return nil, fmt.Errorf("is %s, which is empty", excerpt(raw))
			}
			return &desktop.Rect{X0: v[0], Y0: v[1], X1: v[2], Y1: v[3]}, nil
		},
	}
}

// integers is the schema of an array of n coordinates.
func integers(n int, description string) map[string]any {
	return map[string]any{
		"type":        "array",
		"items":       map[string]any{"type": "integer", "minimum": 0},
		"minItems":    n,
		"maxItems":    n,
		"description": description,
	}
}

// text is a string of at most limit bytes that is not empty.
func text(name string, limit int, send, description string) param {
	return param{
		name: name,
		schema: map[string]any{
			"type":        "string",
			"minLength":   1,
			"maxLength":   limit,
			"description": description,
		},
		send:   send,
		decode: func(raw json.RawMessage) (any, error) { return decodeText(raw, limit) },
	}
}

// maybeText is a text that may be empty.
func maybeText(name string, limit int, send, description string) param {
	p := text(name, limit, send, description)
	delete(p.schema, "minLength")
	filled := p.decode
	p.decode = func(raw json.RawMessage) (any, error) {
		if s, err := decodeString(raw); err == nil && s == "" {
			return s, nil
		}
		return filled(raw)
	}
	return p
}

// keys is a chord of modifier keys, such as "ctrl+shift".
func keys(name, description string) param {
	p := text(name, desktop.MaxChord, `modifier keys such as "ctrl" or "ctrl+shift"`, description)
	asText := p.decode
	p.decode = func(raw json.RawMessage) (any, error) {
		s, err := asText(raw)
		if err != nil {
			return nil, err
		}
		list := strings.Split(s.(string), "+")
		for i, k := range list {
			if list[i] = strings.TrimSpace(k); list[i] == "" {
				return nil, fmt.Errorf("is %s, which lacks a key beside a +", excerpt(raw))
			}
		}
		if len(list) > desktop.MaxModifiers {
			return nil, fmt.Errorf("names %d keys, more than %d", len(list), desktop.MaxModifiers)
		}
		return list, nil
	}
	return p
}

// choice is one of a few words.
func choice(name, description string, words ...string) param {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, strconv.Quote(w))
	}
	return param{
		name:   name,
		schema: map[string]any{"type": "string", "enum": words, "description": description},
		send:   strings.Join(quoted, " or "),
		decode: func(raw json.RawMessage) (any, error) {
			s, err := decodeString(raw)
			if err != nil {
				return nil, err
			}
			for _, w := range words {
				if s == w {
					return s, nil
				}
			}
			return nil, fmt.Errorf("is %s", excerpt(raw))
		},
	}
}

// integer is a whole number from lo to hi.
func integer(name string, lo, hi int, description string) param {
	return param{
		name:   name,
		schema: map[string]any{"type": "integer", "minimum": lo, "maximum": hi, "description": description},
		send:   fmt.Sprintf("a whole number from %d to %d", lo, hi),
		decode: func(raw json.RawMessage) (any, error) {
			n, err := decodeInteger(raw)
			if err != nil {
				return nil, fmt.Errorf("is %s, which %w", describe(raw), err)
			}
			if n < lo || n > hi {
				return nil, fmt.Errorf("is %d", n)
			}
			return n, nil
		},
	}
}

// boolean is true or false.
func boolean(name, description string) param {
	return param{
		name:   name,
		schema: map[string]any{"type": "boolean", "description": description},
		send:   "true or false",
		decode: func(raw json.RawMessage) (any, error) {
			if kind(raw) != "a boolean" {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			return string(raw) == "true", nil
		},
	}
}

// seconds is a time of lo to hi, sent as a number of seconds, which may have a
// fraction. It is kept to the millisecond.
func seconds(name string, lo, hi time.Duration, description string) param {
	return param{
		name: name,
		schema: map[string]any{
			"type": "number", "minimum": lo.Seconds(), "maximum": hi.Seconds(), "description": description,
		},
		send: fmt.Sprintf("a number of seconds from %v to %v", lo.Seconds(), hi.Seconds()),
		decode: func(raw json.RawMessage) (any, error) {
			f, err := decodeNumber(raw)
			if err != nil {
				return nil, err
			}
			if f < lo.Seconds() || f > hi.Seconds() {
				return nil, fmt.Errorf("is %s", excerpt(raw))
			}
			return int(math.Round(f * 1000)), nil
		},
	}
}

func decodeIntegers(raw json.RawMessage, n int) ([]int, error) {
	var items []json.RawMessage
	if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
		return nil, fmt.Errorf("is %s", describe(raw))
	}
	if len(items) != n {
		return nil, fmt.Errorf("has %d numbers instead of %d", len(items), n)
	}
	v := make([]int, n)
	for i, item := range items {
		var err error
		if v[i], err = decodeInteger(item); err != nil {
			return nil, fmt.Errorf("is %s, in which %s %w", excerpt(raw), excerpt(item), err)
		}
		if v[i] < 0 {
			return nil, fmt.Errorf("is %s, which is negative", excerpt(raw))
		}
	}
	return v, nil
}

// Why a value is no whole number.
var (
	errNoInteger = errors.New("is not a whole number")
	errTooLarge  = errors.New("is too large")
)

// decodeInteger takes what JSON Schema calls an integer: a number without a
// fraction, however it is written. Nothing is rounded.
func decodeInteger(raw json.RawMessage) (int, error) {
	if kind(raw) != "a number" {
		return 0, errNoInteger
	}
	if n, err := strconv.ParseInt(string(raw), 10, 32); err == nil {
		return int(n), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || math.Abs(f) > math.MaxInt32:
		return 0, errTooLarge
	case f != math.Trunc(f):
		return 0, errNoInteger
	}
	return int(f), nil
}

func decodeNumber(raw json.RawMessage) (float64, error) {
	if kind(raw) != "a number" {
		return 0, fmt.Errorf("is %s", describe(raw))
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, fmt.Errorf("is %s, which %w", excerpt(raw), errTooLarge)
	}
	return f, nil
}

func decodeText(raw json.RawMessage, limit int) (string, error) {
	s, err := decodeString(raw)
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", errors.New("is empty")
	case len(s) > limit:
		return "", fmt.Errorf("is %d bytes long, more than %d", len(s), limit)
	}
	return s, nil
}

// decodeString refuses what the standard library would replace: bytes that are
// not UTF-8, and halves of surrogate pairs.
func decodeString(raw json.RawMessage) (string, error) {
	var s string
	if kind(raw) != "a string" || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("is %s", describe(raw))
	}
	if !utf8.Valid(raw) || replaced(raw, s) {
		return "", errors.New("is not valid Unicode (it holds stray bytes or half a surrogate pair)")
	}
	return s, nil
}

// replaced reports whether s holds more replacement characters than were sent.
func replaced(raw json.RawMessage, s string) bool {
	const r = string(utf8.RuneError)
	n := strings.Count(s, r)
	if n == 0 {
		return false
	}
	sent := strings.ToLower(strings.ReplaceAll(string(raw), `\\`, ""))
	return n != strings.Count(sent, r)+strings.Count(sent, `\ufffd`)
}

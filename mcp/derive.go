package mcp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// derived are arguments that come from the fields of an Action, so that a new
// Action needs nothing here. What a field may hold the Action's own Validate
// decides; the schema says only what a value looks like.
type derived struct {
	preset desktop.Action
	fields []derivedField
}

// derivedField is a field of an Action with the argument that fills it in.
type derivedField struct {
	index  int
	params []param // alternatives, exactly one of which is needed if there are several
}

// derive returns the arguments of the fields that preset leaves at zero.
func derive(preset desktop.Action) (derived, error) {
	d := derived{preset: preset}
	for _, f := range desktop.FieldsOf(preset) {
		if !reflect.ValueOf(preset).Field(f.Index).IsZero() {
			continue
		}
		params, err := paramsOf(f)
		if err != nil {
			return d, fmt.Errorf("argument %s: %w", f.Arg, err)
		}
		d.fields = append(d.fields, derivedField{f.Index, params})
	}
	return d, nil
}

func (d derived) params() []param {
	var all []param
	for _, f := range d.fields {
		all = append(all, f.params...)
	}
	return all
}

// fill returns the Action with the arguments in their fields.
func (d derived) fill(v values) (desktop.Action, error) {
	a := reflect.New(reflect.TypeOf(d.preset)).Elem()
	a.Set(reflect.ValueOf(d.preset))
	for _, f := range d.fields {
		sent, names := 0, ""
		for i, p := range f.params {
			if i > 0 {
				names += " or "
			}
			names += p.name
			if x, ok := v[p.name]; ok {
				sent++
				assign(a.Field(f.index), reflect.ValueOf(x))
			}
		}
		if len(f.params) > 1 && sent != 1 {
			return nil, fmt.Errorf("it takes exactly one of %s: send that", names)
		}
	}
	return a.Interface().(desktop.Action), nil
}

// assign puts a decoded argument into a field: as it is, what a pointer of either
// leads to, or converted to the field's own kind of number or string.
func assign(field, x reflect.Value) {
	switch {
	case x.Type() == field.Type():
	case x.Kind() == reflect.Pointer && field.Kind() != reflect.Pointer:
		x = x.Elem()
	case x.Kind() != reflect.Pointer && field.Kind() == reflect.Pointer:
		p := reflect.New(field.Type().Elem())
		p.Elem().Set(x.Convert(field.Type().Elem()))
		x = p
	default:
		x = x.Convert(field.Type())
	}
	field.Set(x)
}

// paramsOf returns what a tool takes for a field: one argument, or for bytes the
// choice between text and base64.
func paramsOf(f desktop.Field) ([]param, error) {
	if f.Type == reflect.TypeFor[[]byte]() {
		return []param{bytesAsText("text", f.Doc+" As text."), bytesInBase64("base64", f.Doc+" In base64.")}, nil
	}
	p, err := paramOf(f)
	p.required = f.Required
	return []param{p}, err
}

func paramOf(f desktop.Field) (param, error) {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	words, hasWords := reflect.Zero(t).Interface().(interface{ Words() []string })
	switch {
	case t == reflect.TypeFor[desktop.Point]():
		return point(f.Arg, f.Doc+" [x, y] in pixels of the last whole screenshot."), nil
	case t == reflect.TypeFor[[]desktop.Point]():
		return points(f.Arg, f.Doc+" Each is [x, y] in pixels of the last whole screenshot."), nil
	case t == reflect.TypeFor[desktop.Rect]():
		return region(f.Arg, f.Doc+" [x0, y0, x1, y1] in pixels of the last whole screenshot; x1 and y1 are excluded."), nil
	case t == reflect.TypeFor[desktop.Size]():
		return size(f.Arg, f.Doc), nil
	case t == reflect.TypeFor[desktop.Button]():
		return buttonOf(f.Arg, f.Doc), nil
	case t == reflect.TypeFor[[]string]():
		return chordKeys(f.Arg, 1, desktop.MaxModifiers, f.Doc), nil
	case hasWords:
		return choice(f.Arg, f.Doc, words.Words()...), nil
	case t.Kind() == reflect.String:
		return anyText(f.Arg, f.Doc), nil
	case t.Kind() == reflect.Bool:
		return boolean(f.Arg, f.Doc), nil
	case f.Octal:
		return octal(f.Arg, f.Doc), nil
	case f.Millis:
		return duration(f.Arg, f.Positive, f.Doc+" In seconds; fractions are fine."), nil
	case t.ConvertibleTo(reflect.TypeFor[int64]()):
		return number(f.Arg, f.Positive, t, f.Doc), nil
	}
	return param{}, fmt.Errorf("nothing that a client sends becomes a %v", f.Type)
}

// points is a list of positions on the screen.
func points(name, description string) param {
	one := point("", "")
	return param{
		name: name,
		schema: map[string]any{
			"type": "array", "minItems": 1, "maxItems": desktop.MaxPath, "description": description,
			"items": map[string]any{"type": "array", "items": map[string]any{"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
		},
		send: fmt.Sprintf("a list of 1 to %d points such as [100, 100]", desktop.MaxPath),
		decode: func(raw json.RawMessage) (any, error) {
			var items []json.RawMessage
			if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			if len(items) < 1 || len(items) > desktop.MaxPath {
				return nil, fmt.Errorf("has %s", plural(len(items), "point", "points"))
			}
			list := make([]desktop.Point, len(items))
			for i, item := range items {
				p, err := one.decode(item)
				if err != nil {
					return nil, told{fmt.Errorf("has a wrong point %d, which %w: send %s", i+1, err, one.send)}
				}
				list[i] = *p.(*desktop.Point)
			}
			return list, nil
		},
	}
}

// size is a width and a height.
func size(name, description string) param {
	return param{
		name:   name,
		schema: integers(2, description+" [width, height]."),
		send:   "[width, height], two whole numbers",
		decode: func(raw json.RawMessage) (any, error) {
			v, err := decodeIntegers(raw, 2)
			if err != nil {
				return nil, err
			}
			return desktop.Size{Width: v[0], Height: v[1]}, nil
		},
	}
}

// buttonOf is a button of the pointer by its name.
func buttonOf(name, description string) param {
	var names []string
	for _, b := range buttons {
		names = append(names, button(b))
	}
	p := choice(name, description, names...)
	word := p.decode
	p.decode = func(raw json.RawMessage) (any, error) {
		s, err := word(raw)
		if err != nil {
			return nil, err
		}
		return buttons[slices.Index(names, s.(string))], nil
	}
	return p
}

// anyText is a string that may be empty, as far as the arguments go.
func anyText(name, description string) param {
	return param{
		name:   name,
		schema: map[string]any{"type": "string", "description": description},
		send:   "a string",
		decode: func(raw json.RawMessage) (any, error) { return asAny(decodeString(raw)) },
	}
}

// bytesAsText is content that is text.
func bytesAsText(name, description string) param {
	p := anyText(name, description)
	p.decode = func(raw json.RawMessage) (any, error) {
		s, err := decodeString(raw)
		return []byte(s), err
	}
	return p
}

// bytesInBase64 is content that may be anything, in base64 of RFC 4648, section 4.
func bytesInBase64(name, description string) param {
	p := anyText(name, description)
	p.send = "standard base64 with padding"
	p.decode = func(raw json.RawMessage) (any, error) {
		s, err := decodeString(raw)
		if err != nil {
			return nil, err
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, errors.New("is not base64")
		}
		return b, nil
	}
	return p
}

// number is a whole number that a t can hold.
func number(name string, positive bool, t reflect.Type, description string) param {
	// What is beyond is not exact in the JSON of many clients (RFC 8259, section 6).
	lo, hi := int64(-1<<53), int64(1<<53)
	switch {
	case positive:
		lo = 1
	case t.Kind() == reflect.Uint32:
		lo = 0
	}
	switch t.Kind() {
	case reflect.Uint32:
		hi = math.MaxUint32
	case reflect.Int:
		lo, hi = max(lo, math.MinInt32), math.MaxInt32
	}
	send := "a whole number"
	schema := map[string]any{"type": "integer", "description": description}
	if lo >= 0 {
		schema["minimum"] = lo
		send = fmt.Sprintf("a whole number, at least %d", lo)
	}
	return param{
		name: name, schema: schema, send: send,
		decode: func(raw json.RawMessage) (any, error) {
			n, err := decodeInt64(raw)
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

// decodeInt64 is decodeInteger for numbers of up to 2 to the 53rd.
func decodeInt64(raw json.RawMessage) (int64, error) {
	if kind(raw) != "a number" {
		return 0, errNoInteger
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || math.Abs(f) > 1<<53:
		return 0, errTooLarge
	case f != math.Trunc(f):
		return 0, errNoInteger
	}
	return int64(f), nil
}

// duration is a time in seconds, kept to the millisecond. One that is to be
// positive is 1 ms at least.
func duration(name string, positive bool, description string) param {
	const longest = 24 * time.Hour
	lo := time.Duration(0)
	if positive {
		lo = time.Millisecond
	}
	p := seconds(name, lo, longest, description)
	p.schema = map[string]any{"type": "number", "minimum": lo.Seconds(), "description": description}
	p.send = "a number of seconds"
	if positive {
		p.send = "a number of seconds, at least 0.001"
	}
	return p
}

// octal are permission bits, written as chmod takes them.
func octal(name, description string) param {
	return param{
		name:   name,
		schema: map[string]any{"type": "string", "pattern": "^[0-7]{3,4}$", "description": description + ` In octal, such as "0644".`},
		send:   `octal digits such as "0644"`,
		decode: func(raw json.RawMessage) (any, error) {
			s, err := decodeString(raw)
			if err != nil {
				return nil, err
			}
			n, err := strconv.ParseUint(s, 8, 12)
			if err != nil || len(s) < 3 || len(s) > 4 {
				return nil, fmt.Errorf("is %s", excerpt(raw))
			}
			return int(n), nil
		},
	}
}

func asAny[T any](v T, err error) (any, error) { return v, err }

package desktop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"
)

// Marshal encodes a header: a [Request], [Response], [Hello], [Welcome] or
// [Boot]. What does not pass the Validate method of v is an error, so that
// neither side sends what the other would refuse.
func Marshal(v any) ([]byte, error) {
	if c, ok := v.(validator); ok {
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	return encode(v)
}

// Unmarshal decodes a header strictly into v, a pointer, and then calls its
// Validate method if it has one. Beyond what encoding/json refuses, these are
// errors: bytes that are not UTF-8, a name that v does not have or that is
// written in another case, a name given twice, a null, an absent field that is
// not marked omitempty, and anything after the value.
func Unmarshal(b []byte, v any) error {
	if err := decode(b, v); err != nil {
		return err
	}
	if c, ok := v.(validator); ok {
		return c.Validate()
	}
	return nil
}

type validator interface{ Validate() error }

// encode is json.Marshal without the escapes for HTML, which would make some
// text six times as long.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func decode(b []byte, v any) error {
	if !utf8.Valid(b) {
		return errors.New("header is not valid UTF-8")
	}
	if _, own := v.(json.Unmarshaler); !own {
		d := json.NewDecoder(bytes.NewReader(b))
		if err := checkValue(d, reflect.TypeOf(v).Elem(), "header"); err != nil {
			return err
		}
		if _, err := d.Token(); err != io.EOF {
			return errors.New("header is followed by something else")
		}
	}
	return json.Unmarshal(b, v)
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// checkValue reads one value from d and reports what encoding/json would let
// pass although it is no faithful t. The types of scalars it leaves to
// encoding/json.
func checkValue(d *json.Decoder, t reflect.Type, name string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	tok, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if tok == nil {
		return fmt.Errorf("%s is null", name)
	}
	delim, ok := tok.(json.Delim)
	switch {
	case !ok:
		if t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(unmarshaler) {
			return fmt.Errorf("%s is not an object", name)
		}
		return nil
	case reflect.PointerTo(t).Implements(unmarshaler):
		return skip(d)
	case delim == '{' && t.Kind() == reflect.Struct:
		return checkObject(d, t, name)
	case delim == '[' && t.Kind() == reflect.Slice:
		for i := 0; d.More(); i++ {
			if err := checkValue(d, t.Elem(), fmt.Sprintf("%s[%d]", name, i)); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return fmt.Errorf("%s has the wrong type", name)
}

func checkObject(d *json.Decoder, t reflect.Type, name string) error {
	fields := fieldsOf(t)
	seen := make([]bool, len(fields))
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder lets nothing else stand here
		i := indexField(fields, key)
		switch {
		case i < 0:
			return fmt.Errorf("%s has an unknown field %q", name, key)
		case seen[i]:
			return fmt.Errorf("%s has the field %q twice", name, key)
		}
		seen[i] = true
		if err := checkValue(d, fields[i].typ, key); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	for i, f := range fields {
		if f.required && !seen[i] {
			return fmt.Errorf("%s lacks the field %q", name, f.name)
		}
	}
	return nil
}

// skip reads the rest of an array or object of which d has read the opening.
func skip(d *json.Decoder) error {
	for depth := 1; depth > 0; {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

type field struct {
	name     string
	typ      reflect.Type
	required bool
}

var fieldCache sync.Map // reflect.Type of a struct -> []field

func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldCache.Load(t); ok {
		return f.([]field)
	}
	var fields []field
	for f := range t.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields = append(fields, field{name, f.Type, !strings.Contains(opts, "omit")})
	}
	fieldCache.Store(t, fields)
	return fields
}

func indexField(fields []field, name string) int {
	for i, f := range fields {
		if f.name == name {
			return i
		}
	}
	return -1
}

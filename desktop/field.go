package desktop

import (
	"reflect"
	"slices"
	"strings"
)

// Field is one field of an Action: what the tools that become the Action take as
// an argument, and docs/actions.md as a row.
//
// It comes from the struct tags. json gives its name on the wire. doc says what it
// is, in words that hold for a tool too: a tool takes times in seconds. arg is the
// name of the tool's argument, which without one is that on the wire without the
// unit, and after a comma what must be known beside its type: "positive" for a
// number of which 0 means that it was left out, and "octal" for permission bits.
type Field struct {
	Name     string // on the wire; empty for bytes that are the payload of the request
	Arg      string // of a tool
	Doc      string
	Required bool
	Positive bool
	Octal    bool
	Millis   bool // a time in milliseconds
	Type     reflect.Type
	Index    int // among the fields of the struct
}

// FieldsOf returns the fields of an Action.
func FieldsOf(a Action) []Field {
	t := reflect.TypeOf(a)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var fields []Field
	for i := range t.NumField() {
		f := t.Field(i)
		wire, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		arg, kinds, _ := strings.Cut(f.Tag.Get("arg"), ",")
		field := Field{
			Name: wire, Arg: arg, Doc: f.Tag.Get("doc"), Type: f.Type, Index: i,
			Required: !strings.Contains(options, "omitempty"),
			Positive: slices.Contains(strings.Split(kinds, ","), "positive"),
			Octal:    slices.Contains(strings.Split(kinds, ","), "octal"),
		}
		if wire == "-" {
			field.Name = ""
		}
		name, millis := strings.CutSuffix(field.Name, "_ms")
		if field.Millis = millis; field.Arg == "" {
			field.Arg = name
		}
		fields = append(fields, field)
	}
	return fields
}

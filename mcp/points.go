package mcp

import (
	"fmt"
	"reflect"

	"github.com/vmette/vmette-mcp/desktop"
)

// aim returns the action with its points in pixels of the screen. Its error
// names a point that is not on the picture; nothing is clamped.
func (v view) aim(a desktop.Action) (desktop.Action, error) {
	on := reflect.New(reflect.TypeOf(a)).Elem()
	on.Set(reflect.ValueOf(a))
	for i := range on.NumField() {
		if f := on.Field(i); !f.IsZero() || f.Type() == reflect.TypeFor[desktop.Point]() {
			converted, err := v.convert(f.Interface())
			if err != nil {
				return nil, err
			}
			f.Set(reflect.ValueOf(converted))
		}
	}
	return on.Interface().(desktop.Action), nil
}

// convert returns the value of a field of an action for the screen.
func (v view) convert(field any) (any, error) {
	switch f := field.(type) {
	case desktop.Point:
		p, err := v.point(&f)
		if err != nil {
			return nil, err
		}
		return *p, nil
	case *desktop.Point:
		return v.point(f)
	case []desktop.Point:
		path := make([]desktop.Point, len(f))
		for i := range f {
			p, err := v.point(&f[i])
			if err != nil {
				return nil, err
			}
			path[i] = *p
		}
		return path, nil
	case *desktop.Rect:
		return v.region(f)
	case []desktop.Step:
		steps := make([]desktop.Step, len(f))
		for i, s := range f {
			a, err := v.aim(s.Action)
			if err != nil {
				return nil, fmt.Errorf("action %d: %w", i+1, err)
			}
			steps[i].Action = a
		}
		return steps, nil
	}
	return field, nil
}

// hasPoints reports whether an action is aimed at something by coordinates.
func hasPoints(a desktop.Action) bool {
	found := false
	eachField(a, func(_ desktop.Field, value any) {
		switch f := value.(type) {
		case desktop.Point, []desktop.Point:
			found = true
		case *desktop.Point:
			found = found || f != nil
		case *desktop.Rect:
			found = found || f != nil
		}
	})
	return found
}

// aimArg is the argument that tells what an action is aimed at.
const aimArg = "coordinate"

// targets returns the points that an action is aimed at by what is there: of a path
// the first and the last.
func targets(a desktop.Action) []desktop.Point {
	var all []desktop.Point
	eachField(a, func(f desktop.Field, value any) {
		switch p := value.(type) {
		case desktop.Point:
			if f.Arg == aimArg {
				all = append(all, p)
			}
		case *desktop.Point:
			if f.Arg == aimArg && p != nil {
				all = append(all, *p)
			}
		case []desktop.Point:
			all = append(all, p[0], p[len(p)-1])
		}
	})
	return all
}

// eachField visits the fields of an action, and of the actions of a batch.
func eachField(a desktop.Action, visit func(f desktop.Field, value any)) {
	if b, ok := a.(desktop.Batch); ok {
		for _, s := range b.Actions {
			eachField(s.Action, visit)
		}
		return
	}
	for _, f := range desktop.FieldsOf(a) {
		visit(f, reflect.ValueOf(a).Field(f.Index).Interface())
	}
}

package mcp

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/mark3labs/mcp-go/mcp"
)

// inputSchema is the schema that a client is shown of params.
func inputSchema(params []param) mcp.ToolInputSchema {
	s := mcp.ToolInputSchema{
		Type:                 "object",
		Properties:           make(map[string]any),
		AdditionalProperties: false,
	}
	for _, p := range params {
		s.Properties[p.name] = p.schema
		s.PropertyOrder = append(s.PropertyOrder, p.name)
		if p.required {
			s.Required = append(s.Required, p.name)
		}
	}
	return s
}

// outputSchema is the schema of the structured content that values of the type
// of v become. A client may keep it, so it leaves room for fields to come.
func outputSchema(v any) (json.RawMessage, error) {
	s, err := jsonschema.ForType(reflect.TypeOf(v), &jsonschema.ForOptions{})
	if err != nil {
		return nil, fmt.Errorf("make schema of %T: %w", v, err)
	}
	neverNull(s)
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("make schema of %T: %w", v, err)
	}
	return raw, nil
}

// neverNull removes null from the types of a schema: a field of ours that has
// no value is left out. It also removes the ban of other fields.
func neverNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	s.AdditionalProperties = nil
	for _, p := range s.Properties {
		neverNull(p)
	}
	neverNull(s.Items)
}

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// picture is a PNG of one red pixel, in base64.
var picture = func() string {
	img := image.NewRGBA(image.Rect(0, 0, 1, 1))
	img.Set(0, 0, color.RGBA{R: 255, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}()

// sound is a WAV of no samples, in base64.
var sound = func() string {
	b := []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, 8000) // samples a second
	b = binary.LittleEndian.AppendUint32(b, 8000) // bytes a second
	return base64.StdEncoding.EncodeToString(append(b, "\x01\x00\x08\x00data\x00\x00\x00\x00"...))
}()

// tool adds a tool that does do.
func tool(s *server.MCPServer, name string, do func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error), opts ...mcp.ToolOption) {
	s.AddTool(mcp.NewTool(name, append(opts, mcp.WithDescription("For the conformance suite."))...), do)
}

// answers has a tool answer the same always.
func answers(isError bool, content ...mcp.Content) server.ToolHandlerFunc {
	return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: content, IsError: isError}, nil
	}
}

// addContents adds the tools whose answers are of each kind.
func addContents(s *server.MCPServer) {
	text := func(uri, mime, text string) mcp.Content {
		return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: mime, Text: text})
	}
	tool(s, "test_simple_text", answers(false, mcp.NewTextContent("This is a simple text response for testing.")))
	tool(s, "test_image_content", answers(false, mcp.NewImageContent(picture, "image/png")))
	tool(s, "test_audio_content", answers(false, mcp.NewAudioContent(sound, "audio/wav")))
	tool(s, "test_embedded_resource", answers(false, text("test://embedded-resource", "text/plain", "This is an embedded resource content.")))
	tool(s, "test_multiple_content_types", answers(false,
		mcp.NewTextContent("Multiple content types test:"),
		mcp.NewImageContent(picture, "image/png"),
		text("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)))
	tool(s, "test_error_handling", answers(true, mcp.NewTextContent("This tool intentionally returns an error for testing")))
	tool(s, "test_reconnection", answers(false, mcp.NewTextContent("There was no need to come back.")))
	tool(s, "test_missing_capability", answers(false, mcp.NewTextContent("The client has the capability.")))
	tool(s, "test_custom_header", answers(false, mcp.NewTextContent("The header is as the argument.")),
		mcp.WithString("region", func(schema map[string]any) { schema["x-mcp-header"] = "Region" }))
	// The suite calls the first tool by its name without arguments.
	tool(s, "a_test_tool", answers(false, mcp.NewTextContent("Nothing was asked.")))
	s.AddTool(mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", json.RawMessage(schema2020)),
		answers(false, mcp.NewTextContent("The arguments are right.")))
}

// schema2020 is what the suite wants to find unchanged.
const schema2020 = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
	"properties": {
		"name": {"type": "string"},
		"address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"},
		"email": {"type": "string"}
	},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]},
	"else": {"required": ["email"]},
	"additionalProperties": false
}`

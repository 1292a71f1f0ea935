package mcp

import (
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// UnsupportedOutcome is the structured content of a refusal of what models ask for
// beside actions: it is nothing that a desktop can do.
type UnsupportedOutcome struct {
	Code    string `json:"code" jsonschema:"always unsupported"`
	Instead string `json:"instead" jsonschema:"what to do instead"`
}

// unsupportedError is a verb that models know and that is no action of a desktop.
type unsupportedError struct{ verb, why, instead string }

func (e *unsupportedError) Error() string {
	return fmt.Sprintf("nothing was done: %s %s. Instead: %s", e.verb, e.why, e.instead)
}

// answer is the answer to a call of it.
func (e *unsupportedError) answer() *mcp.CallToolResult {
	text := fmt.Sprintf("Nothing was done: %s %s. Instead: %s.", e.verb, e.why, e.instead)
	r := result(UnsupportedOutcome{"unsupported", e.instead}, text)
	r.IsError = true
	return r
}

// Why a verb is unsupported, and what to do instead.
const (
	controlsBrowser = "controls a browser, and this is a desktop"
	controlsTask    = "controls the task, and this is a desktop"
	endInWords      = "say so in words, without a call of a tool; desktop_close ends the desktop"
	askInWords      = "ask in words, without a call of a tool"
	openAddress     = "the tool open_url opens an address in the browser"
	historyKeys     = "the keys Alt+Left and Alt+Right go back and forward in the browser once its window has the focus"
)

// controlVerbs are verbs of models' other tools and of their training, which they
// take for actions of a computer.
var controlVerbs = map[string]unsupportedError{
	"terminate":        {why: controlsTask, instead: endInWords},
	"done":             {why: controlsTask, instead: endInWords},
	"finished":         {why: controlsTask, instead: endInWords},
	"fail":             {why: controlsTask, instead: endInWords},
	"answer":           {why: controlsTask, instead: endInWords},
	"call_user":        {why: controlsTask, instead: askInWords},
	"ask_user":         {why: controlsTask, instead: askInWords},
	"goto":             {why: controlsBrowser, instead: openAddress},
	"navigate":         {why: controlsBrowser, instead: openAddress},
	"visit_url":        {why: controlsBrowser, instead: openAddress},
	"search":           {why: controlsBrowser, instead: openAddress},
	"web_search":       {why: controlsBrowser, instead: openAddress},
	"open_web_browser": {why: controlsBrowser, instead: openAddress},
	"back":             {why: controlsBrowser, instead: historyKeys},
	"forward":          {why: controlsBrowser, instead: historyKeys},
	"go_back":          {why: controlsBrowser, instead: historyKeys},
	"go_forward":       {why: controlsBrowser, instead: historyKeys},
}

// unsupportedVerb reports a verb that is among controlVerbs, nil for any other.
func unsupportedVerb(name string) error {
	e, ok := controlVerbs[name]
	if !ok {
		return nil
	}
	e.verb = name
	return &e
}

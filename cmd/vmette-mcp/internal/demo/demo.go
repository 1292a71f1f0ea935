// Package demo drives a desktop through an MCP server as an agent would, and
// checks every step from inside the guest: the content of files, the place of
// windows as the window manager knows it, the state of a web page as the page
// itself tells it. Pictures are for people; no check looks at pixels.
//
// There is no model in it that could read a picture, so it asks the guest
// where things are. Everything else is done with the same tools a model has.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/mcp/mcpclient"
)

// Caller calls one tool of an MCP server. *mcpclient.Client is one.
type Caller interface {
	Call(ctx context.Context, tool string, args map[string]any) (*mcpclient.Result, error)
}

// Report is what happened.
type Report struct {
	Started time.Time `json:"started"`
	Version string    `json:"version"` // of the server
	Host    string    `json:"host"`    // what it ran on, for people
	Desktop Desktop   `json:"desktop"`
	Steps   []Step    `json:"steps"`
	Millis  int64     `json:"ms"` // from the first step to the last
	OK      bool      `json:"ok"` // every step was done and every check held
	Error   string    `json:"error,omitempty"`
}

// Desktop is what desktop_create answered.
type Desktop struct {
	ID        string `json:"desktop_id"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	Isolation string `json:"isolation"`
	Image     string `json:"image"`
}

// Step is one tool call, or one check.
type Step struct {
	Number  int             `json:"number"`
	Title   string          `json:"title"`
	Tool    string          `json:"tool"`
	Args    json.RawMessage `json:"args,omitempty"`
	Millis  int64           `json:"ms"`
	Answer  string          `json:"answer,omitempty"`  // what the tool said
	Picture string          `json:"picture,omitempty"` // file in the output directory
	Check   *Check          `json:"check,omitempty"`   // present when the step is a check
	OK      bool            `json:"ok"`

	image     []byte
	imageType string
}

// Check is a fact read inside the guest.
type Check struct {
	Command string `json:"command"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// ErrChecks reports that the desktop was driven to the end but something in it
// was not as it should be.
var ErrChecks = errors.New("checks failed")

// Run performs the demo. onStep, when not nil, is called after each step. The
// report is complete up to where an error stopped the demo.
func Run(ctx context.Context, c Caller, onStep func(Step)) (*Report, error) {
	if onStep == nil {
		onStep = func(Step) {}
	}
	r := &runner{caller: c, onStep: onStep, report: &Report{Started: time.Now()}}
	err := r.play(ctx)
	r.report.Millis = time.Since(r.report.Started).Milliseconds()
	if err == nil && r.failed > 0 {
		err = fmt.Errorf("%w: %d", ErrChecks, r.failed)
	}
	r.report.OK = err == nil
	if err != nil {
		r.report.Error = err.Error()
	}
	return r.report, err
}

// play performs one scene after the other. Whatever happens, the desktop is
// closed.
func (r *runner) play(ctx context.Context) (err error) {
	if err := r.create(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.closeDesktop(context.WithoutCancel(ctx))) }()
	for _, scene := range []func(context.Context) error{
		r.prepare, r.terminal, r.editor, r.copyAcross, r.dragWindow, r.fillForm, r.scrollPage,
	} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

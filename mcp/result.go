package mcp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// Bounds of what a guest or a client may put into a result.
const (
	maxErrorText = 8 << 10 // bytes of an error, which may hold the end of a console
	maxNotices   = 8
	maxNotice    = 500
)

// Outcome is the structured content of every tool that acts on the screen or looks
// at it.
type Outcome struct {
	DesktopID string          `json:"desktop_id" jsonschema:"the desktop it was done on"`
	X         *int            `json:"x,omitempty" jsonschema:"where the pointer is, in the coordinates of the tools"`
	Y         *int            `json:"y,omitempty" jsonschema:"where the pointer is, in the coordinates of the tools"`
	Changed   *bool           `json:"changed,omitempty" jsonschema:"whether the screen is not as it was last seen; absent when it was not looked at"`
	Settled   *bool           `json:"settled,omitempty" jsonschema:"whether it had stopped changing, or else the wait ended at its limit; absent when that was not waited for"`
	SettleMS  *int            `json:"settle_ms,omitempty" jsonschema:"how long that took, in milliseconds"`
	SettleEnd string          `json:"settle_end,omitempty" jsonschema:"why the wait ended: quiet, nothing changed for settle_quiet_ms; asleep, before that nothing was awake that could change it; limit, it went on for settle_limit_ms"`
	QuietMS   *int            `json:"settle_quiet_ms,omitempty" jsonschema:"for how long nothing had to change, in milliseconds"`
	LimitMS   *int            `json:"settle_limit_ms,omitempty" jsonschema:"how long that would have been waited for, in milliseconds"`
	Drawn     [][]int         `json:"drawn,omitempty" jsonschema:"where something was drawn meanwhile, each [x0, y0, x1, y1] in the coordinates of the tools"`
	Steps     []StepOutcome   `json:"steps,omitempty" jsonschema:"how each action went, when there were several"`
	Windows   []WindowOutcome `json:"windows,omitempty" jsonschema:"the window that was changed or launched, as it now is"`
	Job       int             `json:"job,omitempty" jsonschema:"what names the program that was launched in exec_output and exec_stop"`
	Picture   *PictureInfo    `json:"picture,omitempty" jsonschema:"of the picture that is sent along; absent when none is"`
	Parts     []PictureInfo   `json:"parts,omitempty" jsonschema:"of the pictures that are sent along when they show what has changed alone, in their order"`
	Notices   []string        `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// PictureInfo describes a picture that a result carries.
type PictureInfo struct {
	Frame  uint64 `json:"frame,omitempty" jsonschema:"grows with each look at the screen; absent for a file"`
	Width  int    `json:"width" jsonschema:"of the picture in pixels"`
	Height int    `json:"height" jsonschema:"of the picture in pixels"`
	Region []int  `json:"region,omitempty" jsonschema:"the part that is shown, [x0, y0, x1, y1] in the coordinates of the tools; absent for the whole"`
	Scaled bool   `json:"scaled" jsonschema:"whether it is smaller than what it shows"`
	Lossy  bool   `json:"lossy" jsonschema:"whether it was compressed with losses to fit"`
}

// deed is an action that is done, or was.
type deed struct {
	asked    desktop.Action // with points in the coordinates of the model
	onScreen desktop.Action // with points in pixels of the screen
	observe  Observation    // how the screen is looked at afterwards
	show     bool           // show it even if it is unchanged
}

// done answers a call whose action was done. The size of the screen may be
// another one after it.
func (c *call) done(d Desktop, did deed, res *desktop.Result) (*mcp.CallToolResult, *shown) {
	id, v := d.Info().ID, newView(screenSize(d), c.settings)
	out := Outcome{DesktopID: id, Notices: notices(res.Notices), Windows: v.windows(res.Windows)}
	out.X, out.Y = v.pointer(res.X, res.Y)
	if res.Exec != nil {
		out.Job = res.Exec.Job
	}
	v.settle(&out, res.Settle)
	text := c.tell(v, did, &out, res)
	if did.observe == ObserveNone {
		return result(out, withNotices(out.Notices, text+unseen(did.asked))), nil
	}
	if res.Frame == nil {
		return result(out, withNotices(out.Notices, text+" The screen could not be looked at: take a screenshot before going on.")), nil
	}
	changed, known := c.conv.observed(id, res.Frame)
	current := known && len(changed) == 0
	out.Changed = new(!current)
	shot, isShot := did.onScreen.(desktop.Screenshot)
	if current && !isShot && !did.show {
		return result(out, withNotices(out.Notices, text+" The screen is unchanged"+after(out)+", so no picture is sent.")), nil
	}
	var pic *shown
	var err error
	switch {
	case shot.Region != nil:
		pic, err = v.part(d.Screen(), *shot.Region)
	case did.observe == ObserveChanges && known && !did.show && !isShot:
		pic, err = v.changes(d.Screen(), changed)
	default:
		pic, err = v.whole(d.Screen())
	}
	if err != nil {
		return refusal(withNotices(out.Notices, text+" But the screen cannot be shown: "+desktop.PlainLine(err.Error(), maxErrorText)+". Take a screenshot.")), nil
	}
	out.Picture, out.Parts = pic.info, pic.parts
	switch {
	case shot.Region != nil:
		pic.info.Region = corners(*did.asked.(desktop.Screenshot).Region)
	case isShot && current:
		text += " It is unchanged since you last saw it."
	case current:
		text += " The screen is unchanged" + after(out) + "."
	case !isShot && !known && (unchanged(res.Frame) || res.Settle != nil && !res.Settle.Changed):
		text += " Whether the screen changed is not known; this is how it is now."
	case !isShot:
		text += " The screen changed" + settled(out) + "."
	}
	r := result(out, withNotices(out.Notices, text+caption(v, pic)))
	r.Content = append(r.Content, pic.contents...)
	return r, pic
}

// settle fills in how the wait for a quiet screen went.
func (v view) settle(out *Outcome, s *desktop.Settled) {
	if s == nil {
		return
	}
	out.Settled, out.SettleEnd = new(s.Reason != desktop.SettleLimit), string(s.Reason)
	out.SettleMS, out.QuietMS, out.LimitMS = &s.ElapsedMS, &s.QuietMS, &s.LimitMS
	for _, r := range s.Rects {
		out.Drawn = append(out.Drawn, corners(v.fromScreen(r)))
	}
}

// unchanged reports a frame that is like the one before it on the wire, which
// need not be the one that the model has.
func unchanged(f *desktop.Frame) bool { return f.Base != 0 && len(f.Rects) == 0 }

// tell says what was done, and fills in the steps when it was several actions.
func (c *call) tell(v view, d deed, out *Outcome, res *desktop.Result) string {
	b, ok := d.asked.(desktop.Batch)
	if !ok {
		text := did(c.what, d.asked, *out)
		if out.Job != 0 {
			text += fmt.Sprintf(" It goes on as job %d.", out.Job)
		}
		for _, w := range out.Windows {
			text += " There is " + w.sentence() + "."
		}
		return text
	}
	out.Steps = v.stepOutcomes(b, res.Steps)
	return numbered(out.Steps) + "\nAll was done."
}

// unseen says that nobody looked at what an action did.
func unseen(a desktop.Action) string {
	if spec, _ := desktop.ActionByName(a.Name()); spec.Looks && !spec.Batchable() {
		return ""
	}
	return " The screen was not looked at."
}

// settled says how the wait for a quiet screen ended.
func settled(o Outcome) string {
	switch {
	case o.Settled == nil:
		return ""
	case *o.Settled:
		return fmt.Sprintf(" and settled after %d ms", *o.SettleMS)
	}
	return fmt.Sprintf(" and was still changing after %d ms", *o.SettleMS)
}

// after says how long was waited for a change that did not come.
func after(o Outcome) string {
	if o.SettleMS == nil {
		return ""
	}
	return fmt.Sprintf(" after %d ms", *o.SettleMS)
}

// caption says of what is shown what a model must know to aim by it.
func caption(v view, pic *shown) string {
	var s string
	lossy := false
	if p := pic.info; p != nil {
		s, lossy = fmt.Sprintf(" The picture is frame %d, %dx%d pixels", p.Frame, p.Width, p.Height), p.Lossy
	} else {
		s = fmt.Sprintf(" Frame %d; only what changed is shown, around", pic.frame)
		for i, p := range pic.parts {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprintf(" %v", desktop.Rect{X0: p.Region[0], Y0: p.Region[1], X1: p.Region[2], Y1: p.Region[3]})
			lossy = lossy || p.Lossy
		}
	}
	switch {
	case pic.info == nil, pic.info.Region != nil:
		s += "; coordinates are still those of the whole screenshot."
	case v.grid:
		s += "; coordinates are not pixels but steps from 0 to " + strconv.Itoa(v.Size.Width-1) + " across it."
	case pic.info.Scaled:
		s += fmt.Sprintf(", scaled from %v; coordinates are pixels of this picture.", v.screen)
	default:
		s += "."
	}
	if lossy {
		s += " It was compressed with losses to fit: zoom shows details."
	}
	return s
}

// result is a result that holds structured content and says the same in words.
func result(structured any, text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.NewTextContent(text)},
		StructuredContent: structured,
	}
}

// refusal is the result of a call that was not done, or not done for certain.
// It has no structured content, because clients check that against the schema.
func refusal(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(text)}, IsError: true}
}

// notices bounds what a guest says.
func notices(list []string) []string {
	var out []string
	for _, n := range list[:min(len(list), maxNotices)] {
		out = append(out, desktop.PlainLine(n, maxNotice))
	}
	return out
}

// withNotices puts what must be known first.
func withNotices(list []string, text string) string {
	var b strings.Builder
	for _, n := range notices(list) {
		b.WriteString("Notice: " + n + "\n")
	}
	b.WriteString(text)
	return b.String()
}

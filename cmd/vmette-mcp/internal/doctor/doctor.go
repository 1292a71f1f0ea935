// Package doctor judges whether a host can run desktops: a list of findings,
// each with why and the command that mends it.
package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Verdict is how a finding bears on the main job, to boot a desktop.
type Verdict string

// The verdicts.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn" // it works, but less well or not yet
	Fail Verdict = "fail" // it cannot work like this
)

// Finding is what was found out about one thing.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`           // what was found, and why it matters
	Remedy  string  `json:"remedy,omitempty"` // what mends it, where something does
}

// Report is all that was found out.
type Report struct {
	OK       bool      `json:"ok"` // nothing failed
	Version  string    `json:"version"`
	Findings []Finding `json:"findings"`
}

// NewReport returns a report of findings.
func NewReport(version string, findings []Finding) Report {
	r := Report{OK: true, Version: version, Findings: findings}
	for _, f := range findings {
		if f.Verdict == Fail {
			r.OK = false
		}
	}
	return r
}

// Print writes r for people.
func (r Report) Print(w io.Writer) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Name))
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%-4s  %-*s  %s\n", f.Verdict, width, f.Name, f.Detail); err != nil {
			return err
		}
		if f.Remedy != "" && f.Verdict != OK {
			if _, err := fmt.Fprintf(w, "%s  -> %s\n", strings.Repeat(" ", 4+2+width), f.Remedy); err != nil {
				return err
			}
		}
	}
	last := "This host can run desktops."
	if !r.OK {
		last = "This host cannot run desktops yet."
	}
	_, err := fmt.Fprintf(w, "\n%s\n", last)
	return err
}

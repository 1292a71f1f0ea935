package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/mcpclient"
)

// pixel is a PNG of one pixel.
var pixel, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

// fakeServer answers like a server whose desktop does everything right, but
// for what a test breaks.
type fakeServer struct {
	calls  []string
	slow   int    // calls that are told that the desktop is starting
	breaks string // tool that answers that it failed
	wrong  string // part of a check's command whose answer is wrong
	closed bool
}

func (f *fakeServer) Call(_ context.Context, tool string, args map[string]any) (*mcpclient.Result, error) {
	f.calls = append(f.calls, tool)
	if tool == f.breaks {
		return &mcpclient.Result{IsError: true, Text: "it broke"}, nil
	}
	switch tool {
	case "desktop_create":
		if f.slow > 0 {
			f.slow--
			return &mcpclient.Result{IsError: true, Text: "desktop_create was not done: the desktop is still starting, which goes on (booting). Call again; nothing else is needed."}, nil
		}
		return structured(Desktop{ID: "d1", Width: 1280, Height: 800, Isolation: "emulated", Image: "debian:test"}), nil
	case "desktop_close":
		f.closed = true
	case "desktop_list":
		var ids []string
		if !f.closed {
			ids = []string{"d1"}
		}
		return structured(map[string]any{"desktops": ids}), nil
	case "exec":
		return structured(execOutput{Stdout: f.shell(args["command"].(string))}), nil
	}
	return &mcpclient.Result{Text: "done", Image: pixel, ImageType: "image/png"}, nil
}

// shell answers the commands that the demo asks the guest.
func (f *fakeServer) shell(command string) string {
	_, command, _ = strings.Cut(command, "; ")
	switch {
	case strings.HasPrefix(command, "await "):
		if f.wrong != "" && strings.Contains(command, f.wrong) {
			return "something else"
		}
		return wanted(command)
	case strings.HasPrefix(command, "appear "), strings.HasPrefix(command, "place "):
		return "100 120 640 360 20\n"
	case strings.HasPrefix(command, "title "):
		return "places 10,20 30,40 50,60 70,80 - Chromium\n"
	}
	return ""
}

// wanted returns the first word after await, as a shell would read it.
func wanted(command string) string {
	s := strings.TrimPrefix(command, "await '")
	end := strings.Index(strings.ReplaceAll(s, `'\''`, "\x00\x00\x00\x00"), "'")
	return strings.ReplaceAll(s[:end], `'\''`, "'")
}

func structured(v any) *mcpclient.Result {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &mcpclient.Result{Text: string(data), Structured: data}
}

func TestRun(t *testing.T) {
	server := &fakeServer{slow: 2}
	var told []int
	report, err := Run(t.Context(), server, func(s Step) { told = append(told, s.Number) })
	if err != nil {
		t.Fatal(err)
	}
	held, all := report.Checks()
	if !report.OK || held != all || all < 10 {
		t.Errorf("OK is %v, %d of %d checks held, want all of at least 10", report.OK, held, all)
	}
	for _, tool := range []string{"type", "key", "left_click", "triple_click", "middle_click", "left_click_drag", "scroll", "open_url", "screenshot", "desktop_close"} {
		if !slices.Contains(server.calls, tool) {
			t.Errorf("the demo never used %s", tool)
		}
	}
	for i, n := range told {
		if n != i+1 {
			t.Fatalf("step %d was told as number %d", i+1, n)
		}
	}
	if len(told) != len(report.Steps) {
		t.Errorf("%d steps were told of %d", len(told), len(report.Steps))
	}
}

func TestRunCheckFails(t *testing.T) {
	report, err := Run(t.Context(), &fakeServer{wrong: "notes.txt"}, nil)
	if !errors.Is(err, ErrChecks) {
		t.Fatalf("error %v, want one that matches ErrChecks", err)
	}
	held, all := report.Checks()
	if report.OK || all-held != 1 {
		t.Errorf("OK is %v with %d of %d checks, want one failed and the rest tried", report.OK, held, all)
	}
}

func TestRunToolFails(t *testing.T) {
	server := &fakeServer{breaks: "open_url"}
	report, err := Run(t.Context(), server, nil)
	if err == nil || !strings.Contains(err.Error(), "Open a web page: it broke") {
		t.Errorf("error %v does not say what broke", err)
	}
	if report.OK || report.Error == "" {
		t.Errorf("the report says OK %v, error %q", report.OK, report.Error)
	}
	if !server.closed {
		t.Error("the desktop was left open")
	}
}

func TestReportWrite(t *testing.T) {
	report, err := Run(t.Context(), &fakeServer{wrong: "greeting.txt"}, nil)
	if !errors.Is(err, ErrChecks) {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "99-earlier-run.png")
	if err := os.WriteFile(stale, pixel, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(dir); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(stale); err == nil {
		t.Error("a picture of an earlier run is still there")
	}
	for _, s := range report.Steps {
		if s.Picture == "" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, s.Picture)); err != nil || len(data) != len(pixel) {
			t.Errorf("picture %s: %d bytes, %v", s.Picture, len(data), err)
		}
	}
	var back Report
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &back); err != nil || len(back.Steps) != len(report.Steps) {
		t.Errorf("report.json has %d steps of %d, %v", len(back.Steps), len(report.Steps), err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"data:image/png;base64,", "check fails", "something else", "Grüße, 世界!"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("report.html holds no %q", want)
		}
	}
	if strings.Contains(string(html), "src=\"http") || strings.Contains(string(html), "ZgotmplZ") {
		t.Error("report.html is not self-contained")
	}
}

func TestTable(t *testing.T) {
	r := &Report{OK: false, Millis: 4200, Steps: []Step{
		{Number: 1, Title: "Look", Tool: "screenshot", Millis: 12, Picture: "01-look.png", OK: true},
		{Number: 2, Title: "It is there", Tool: "exec", Millis: 1500, Check: &Check{}},
	}}
	var out strings.Builder
	if err := r.Table(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12 ms", "1.5 s", "01-look.png", "0 of 1 checks held", "4.2 s", "FAILED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"Open a terminal":     "open-a-terminal",
		"The file, by letter": "the-file-by-letter",
		"../etc":              "etc",
	} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func ExampleReport_Table() {
	r := &Report{OK: true, Millis: 40, Steps: []Step{{Number: 1, Title: "Look", Tool: "screenshot", Millis: 40, OK: true}}}
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Fields(b.String())[:6])
	// Output: [1 ok Look screenshot 40 ms]
}

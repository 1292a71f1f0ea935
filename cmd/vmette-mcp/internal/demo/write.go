package demo

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

//go:embed report.html.tmpl
var reportPage string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"picture": func(s Step) template.URL {
		return template.URL("data:" + s.imageType + ";base64," + base64.StdEncoding.EncodeToString(s.image))
	},
	"args": func(s Step) string { return string(s.Args) },
	"time": millis,
	"share": func(s Step, r *Report) string {
		return fmt.Sprintf("%.2f", 100*float64(s.Millis)/float64(max(1, r.Millis)))
	},
	"checks": func(r *Report) string {
		held, all := r.Checks()
		return fmt.Sprintf("%d of %d", held, all)
	},
}).Parse(reportPage))

// Checks counts the checks that held, and all of them.
func (r *Report) Checks() (held, all int) {
	for _, s := range r.Steps {
		if s.Check != nil {
			all++
			if s.OK {
				held++
			}
		}
	}
	return held, all
}

// Write writes the report into dir, which is made if need be: report.html,
// which needs no other file, report.json, and each picture as a file.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make report directory: %w", err)
	}
	if err := removeOld(dir); err != nil {
		return fmt.Errorf("remove earlier report: %w", err)
	}
	for _, s := range r.Steps {
		if s.Picture == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, s.Picture), s.image, 0o644); err != nil {
			return fmt.Errorf("write picture: %w", err)
		}
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	var html strings.Builder
	if err := page.Execute(&html, r); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.html"), []byte(html.String()), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// removeOld removes the numbered pictures of an earlier run, which may have
// had other steps.
func removeOld(dir string) error {
	for _, pattern := range []string{"[0-9][0-9]-*.png", "[0-9][0-9]-*.jpg"} {
		old, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, f := range old {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Table writes the steps with their times as a table.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Steps {
		fmt.Fprintf(t, "%3d\t%s\t%s\t%s\t%10s\t%s\n", s.Number, mark(s.OK), s.Title, s.Tool, millis(s.Millis), s.Picture)
	}
	held, all := r.Checks()
	fmt.Fprintf(t, "\t%s\t%d of %d checks held\t\t%10s\t\n", mark(r.OK), held, all, millis(r.Millis))
	return t.Flush()
}

func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}

// millis writes a time the way people read it: 312 ms, 4.2 s.
func millis(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", (time.Duration(ms) * time.Millisecond).Seconds())
}

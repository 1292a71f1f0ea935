package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// The texts that go through the desktop.
const (
	greeting = "Hello from a terminal in a microVM"
	notes    = "Typed by an agent, letter by letter:\nGrüße, 世界! ¿Qué tal? ✓"
	person   = "Ada Lovelace"
)

func (r *runner) create(ctx context.Context) error {
	res, err := r.act(ctx, "Boot a desktop", "desktop_create", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(res.Structured, &r.report.Desktop); err != nil {
		return fmt.Errorf("decode answer of desktop_create: %w", err)
	}
	return r.input(ctx, "Look at it", "screenshot", nil)
}

// prepare puts the demo's own files into the guest.
func (r *runner) prepare(ctx context.Context) error {
	for path, text := range map[string]string{libraryPath: library, formPath: formPage} {
		res, err := r.caller.Call(ctx, "exec", map[string]any{"command": "printf %s " + quote(text) + " >" + path})
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		out, err := output(res)
		if err == nil && out.ExitCode != 0 {
			err = errors.New(out.Stderr)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// terminal opens a terminal, runs a command in it by hand, and selects a line.
func (r *runner) terminal(ctx context.Context) error {
	const rows = 18
	if err := r.input(ctx, "Open a terminal", "exec", map[string]any{
		"command": fmt.Sprintf("cd ~; setsid xterm -geometry 70x%d+40+60 >/dev/null 2>&1 &", rows),
	}); err != nil {
		return err
	}
	w, err := r.appear(ctx, "xterm", 60)
	if err != nil {
		return err
	}
	if err := r.input(ctx, "Click into it", "left_click", map[string]any{"coordinate": w.center()}); err != nil {
		return err
	}
	if err := r.input(ctx, "Type a command", "type", map[string]any{
		"text": "echo '" + greeting + "' > greeting.txt; clear; cat greeting.txt\n",
	}); err != nil {
		return err
	}
	if err := r.check(ctx, "The command wrote the file", "cat ~/greeting.txt", greeting); err != nil {
		return err
	}
	row := w.height / rows
	if err := r.input(ctx, "Select the first line", "triple_click", map[string]any{
		"coordinate": [2]int{w.x + w.width/4, w.y + row/2 + 2},
	}); err != nil {
		return err
	}
	// The image's terminal puts what is selected on the clipboard.
	return r.check(ctx, "The line is on the clipboard", "xclip -o -selection clipboard", greeting)
}

// editor opens a text editor, types a text of several scripts and saves it.
func (r *runner) editor(ctx context.Context) error {
	if err := r.input(ctx, "Open a text editor", "exec", map[string]any{
		"command": "cd ~; : >notes.txt; setsid mousepad notes.txt >/dev/null 2>&1 &",
	}); err != nil {
		return err
	}
	w, err := r.appear(ctx, "mousepad", 120)
	if err != nil {
		return err
	}
	if err := r.input(ctx, "Click into the text", "left_click", map[string]any{"coordinate": w.center()}); err != nil {
		return err
	}
	if err := r.input(ctx, "Type a text", "type", map[string]any{"text": notes}); err != nil {
		return err
	}
	if err := r.input(ctx, "Save it", "key", map[string]any{"text": "ctrl+s"}); err != nil {
		return err
	}
	return r.check(ctx, "The file holds the text, letter by letter", "cat ~/notes.txt", notes)
}

// copyAcross copies the editor's text and pastes it into the terminal.
func (r *runner) copyAcross(ctx context.Context) error {
	if err := r.input(ctx, "Select all", "key", map[string]any{"text": "ctrl+a"}); err != nil {
		return err
	}
	if err := r.input(ctx, "Copy", "key", map[string]any{"text": "ctrl+c"}); err != nil {
		return err
	}
	if err := r.check(ctx, "The clipboard holds the text", "xclip -o -selection clipboard", notes); err != nil {
		return err
	}
	w, err := r.place(ctx, "place xterm", 30)
	if err != nil {
		return err
	}
	// Near its left edge, where the editor does not cover it.
	margin := [2]int{w.x + 12, w.y + w.height/2}
	if err := r.input(ctx, "Go to the terminal", "left_click", map[string]any{"coordinate": margin}); err != nil {
		return err
	}
	if err := r.input(ctx, "Start to read a file", "type", map[string]any{"text": "cat > copy.txt\n"}); err != nil {
		return err
	}
	if err := r.input(ctx, "Paste the selection", "middle_click", map[string]any{"coordinate": margin}); err != nil {
		return err
	}
	if err := r.input(ctx, "End the line", "key", map[string]any{"text": "Return"}); err != nil {
		return err
	}
	if err := r.input(ctx, "End the file", "key", map[string]any{"text": "ctrl+d"}); err != nil {
		return err
	}
	return r.check(ctx, "The copy is exact", "cat ~/copy.txt", notes)
}

// dragWindow drags the editor by its title bar.
func (r *runner) dragWindow(ctx context.Context) error {
	w, err := r.place(ctx, "place mousepad", 30)
	if err != nil {
		return err
	}
	from := w.handle()
	dx, dy := w.roomFor(60, 80)
	if err := r.input(ctx, "Drag the editor by its title bar", "left_click_drag", map[string]any{
		"start_coordinate": from,
		"coordinate":       [2]int{from[0] + dx, from[1] + dy},
	}); err != nil {
		return err
	}
	return r.check(ctx, "The window manager has it there", "place mousepad | cut -d' ' -f1,2",
		fmt.Sprintf("%d %d", w.x+dx, w.y+dy))
}

// fillForm opens a local page in the browser and fills in its form.
func (r *runner) fillForm(ctx context.Context) error {
	if err := r.input(ctx, "Open a web page", "open_url", map[string]any{"url": "file://" + formPath}); err != nil {
		return err
	}
	if _, err := r.appear(ctx, "places ", 240); err != nil {
		return err
	}
	if err := r.input(ctx, "Look at the page", "screenshot", nil); err != nil {
		return err
	}
	title, err := r.run(ctx, "title 'places '", 30)
	if err != nil {
		return err
	}
	var name, large, agree, send [2]int
	if _, err := fmt.Sscanf(title, "places %d,%d %d,%d %d,%d %d,%d",
		&name[0], &name[1], &large[0], &large[1], &agree[0], &agree[1], &send[0], &send[1]); err != nil {
		return fmt.Errorf("the page's title %q does not say where its controls are: %w", title, err)
	}
	for _, s := range []struct {
		title, tool string
		args        map[string]any
	}{
		{"Click the name field", "left_click", map[string]any{"coordinate": name}},
		{"Type a name", "type", map[string]any{"text": person}},
		{"Choose large", "left_click", map[string]any{"coordinate": large}},
		{"Agree to the small print", "left_click", map[string]any{"coordinate": agree}},
		{"Send the form", "left_click", map[string]any{"coordinate": send}},
	} {
		if err := r.input(ctx, s.title, s.tool, s.args); err != nil {
			return err
		}
	}
	return r.check(ctx, "The page got the form", pageTitle("sent "), "sent "+person+"; large; agreed")
}

// scrollPage turns the wheel over the page, to its end and back.
func (r *runner) scrollPage(ctx context.Context) error {
	middle := [2]int{r.report.Desktop.Width / 2, r.report.Desktop.Height / 2}
	if err := r.input(ctx, "Scroll to the end", "scroll", map[string]any{
		"coordinate": middle, "scroll_direction": "down", "scroll_amount": 60,
	}); err != nil {
		return err
	}
	if err := r.check(ctx, "The page is at its end", pageTitle("scrolled"), "scrolled to the end"); err != nil {
		return err
	}
	if err := r.input(ctx, "Scroll back to the top", "scroll", map[string]any{
		"coordinate": middle, "scroll_direction": "up", "scroll_amount": 60,
	}); err != nil {
		return err
	}
	return r.check(ctx, "The page is at its top", pageTitle("scrolled"), "scrolled to the top")
}

// pageTitle is a command that prints the title which a page has given its
// window, without the browser's name behind it.
func pageTitle(begin string) string {
	return "title " + quote(begin) + " | sed 's/ - Chromium$//'"
}

// closeDesktop ends the desktop, if it was created, and checks that it is gone.
func (r *runner) closeDesktop(ctx context.Context) error {
	if err := r.input(ctx, "Close the desktop", "desktop_close", map[string]any{"desktop_id": r.report.Desktop.ID}); err != nil {
		return err
	}
	res, err := r.caller.Call(ctx, "desktop_list", nil)
	if err != nil {
		return fmt.Errorf("list desktops: %w", err)
	}
	gone := !strings.Contains(string(res.Structured), r.report.Desktop.ID)
	if !gone {
		r.failed++
	}
	r.add(Step{
		Title: "Nothing of it is left",
		Tool:  "desktop_list",
		Check: &Check{Command: "desktop_list", Want: "no " + r.report.Desktop.ID, Got: res.Text},
		OK:    gone,
	})
	return nil
}

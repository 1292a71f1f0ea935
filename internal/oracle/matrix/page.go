package matrix

import (
	"fmt"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// Marker begins the part of docs/actions.md that [Page] writes; it goes on to
// the end of the page.
const Marker = "<!-- matrix -->\n"

const pageHead = Marker + `
## What applications see

Each input action is done to four applications, which report what they see: a page in Chromium, a GTK 3 program, a
Qt 5 program, and a program in an xterm. Each must see exactly what fingers on a keyboard and a mouse would have made it
see, in that order and nothing else: keys with their modifiers and text, presses, releases and clicks with their counts and
buttons, the wheel's way, what is dragged, what is dropped with its data, and the pointer to the pixel.
` + "`go test ./guest/desktop-agent/internal/serve -run Matrix`" + ` does it on an X server of this machine, ` + "`make test-matrix-vm`" + ` in a
guest, and ` + "`make test`" + ` the first whole and the second by a third. Each of them counts what was seen, prints the table below,
and fails when this page shows another. This part of the page is written by ` + "`go test ./internal/oracle/matrix -update`" + `.

The numbers count what is done and seen whole. Beside them is what is done and not seen whole by that application, for the
reason below, and it is checked that the application sees no more of it than the reason says.

`

// elsewhere says of input actions that put nothing into an application why
// they are not here.
var elsewhere = map[string]string{
	"get_clipboard": "no application is told that its selection was read; " + pasting,
	"set_clipboard": "no application is told of it before it pastes; " + pasting,
	"change_window": "it is for the window manager, and checked by what that does",
	"launch":        "it starts an application, and is checked by the window that comes",
	"release":       "it ends what button_down and key_down began, and is checked by the server's own state",
	"resize_screen": "it changes the screen below all applications, and is checked by the next picture",
	"open_url":      "it is for the browser alone, and checked by the page that it shows",
}

const pasting = "what the clipboard holds is checked by reading it from other programs"

// Page returns the matrix in Markdown.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	cells := Cells()
	b.WriteString(expected(cells).table())
	b.WriteString("\nWhat is done:\n\n")
	for _, row := range byAction(cells) {
		var names []string
		for _, c := range row.cells {
			names = append(names, c.Name)
		}
		fmt.Fprintf(&b, "- %s: %s.\n", row.title, strings.Join(names, "; "))
	}
	b.WriteString("\nInput actions that put nothing into an application:\n\n")
	for _, s := range desktop.Actions {
		if why := elsewhere[s.Name]; why != "" {
			fmt.Fprintf(&b, "- `%s`: %s.\n", s.Name, why)
		}
	}
	return b.String()
}

// row is the cells of one action.
type row struct {
	title string
	cells []Cell
}

func byAction(cells []Cell) []row {
	var rows []row
	index := make(map[string]int)
	for _, c := range cells {
		i, ok := index[c.Action]
		if !ok {
			i = len(rows)
			index[c.Action] = i
			rows = append(rows, row{title: "`" + c.Action + "`"})
		}
		rows[i].cells = append(rows[i].cells, c)
		for _, a := range c.Do {
			if title := "`" + a.Name() + "`"; pairs[c.Action] == a.Name() && !strings.Contains(rows[i].title, title) {
				rows[i].title += ", " + title
			}
		}
	}
	return rows
}

// pairs are actions that mean nothing without another.
var pairs = map[string]string{"button_down": "button_up", "key_down": "key_up"}

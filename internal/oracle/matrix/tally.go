package matrix

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/internal/oracle"
)

// Tally counts the cells that applications have seen as they should be. It is
// for one goroutine at a time.
type Tally struct {
	cells []Cell
	seen  map[oracle.Application]map[string]map[string]int // cells of an action, by the reason why they are not seen whole, or ""
}

// NewTally returns a tally of cells of which none has been seen yet.
func NewTally(cells []Cell) *Tally {
	return &Tally{cells: cells, seen: make(map[oracle.Application]map[string]map[string]int)}
}

// expected is the tally of a run that finds all as it should be.
func expected(cells []Cell) *Tally {
	t := NewTally(cells)
	for _, kind := range oracle.Applications {
		for _, c := range cells {
			t.add(kind, c)
		}
	}
	return t
}

// add counts a cell.
func (t *Tally) add(kind oracle.Application, c Cell) {
	actions := t.seen[kind]
	if actions == nil {
		actions = make(map[string]map[string]int)
		t.seen[kind] = actions
	}
	if actions[c.Action] == nil {
		actions[c.Action] = make(map[string]int)
	}
	_, reason := tell(kind, c.want)
	actions[c.Action][reason]++
}

// Report logs the table of what was seen. When all cells were done to all
// applications, it must be the one in docs/actions.md, which is at page.
func (t *Tally) Report(tb testing.TB, page string) {
	tb.Helper()
	tb.Logf("what applications have seen:\n%s", t.table())
	if len(t.cells) != len(Cells()) || len(t.seen) != len(oracle.Applications) {
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		tb.Fatal(err)
	}
	if !strings.Contains(string(text), t.table()) {
		tb.Errorf("%s shows another table", page)
	}
}

// table is the tally in Markdown: a row for each action, and below it the
// reasons why cells are not seen whole, by their numbers.
func (t *Tally) table() string {
	var b strings.Builder
	b.WriteString("| action | done |")
	for _, kind := range oracle.Applications {
		fmt.Fprintf(&b, " %s |", kind)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(oracle.Applications)) + "\n")
	var reasons []string
	for _, row := range byAction(t.cells) {
		fmt.Fprintf(&b, "| %s | %d |", row.title, len(row.cells))
		for _, kind := range oracle.Applications {
			for _, c := range row.cells {
				if _, reason := tell(kind, c.want); reason != "" && !slices.Contains(reasons, reason) {
					reasons = append(reasons, reason)
				}
			}
			seen := t.seen[kind][row.cells[0].Action]
			fmt.Fprintf(&b, " %d", seen[""])
			for i, reason := range reasons {
				if n := seen[reason]; n > 0 {
					fmt.Fprintf(&b, ", %d not (%d)", n, i+1)
				}
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, r := range reasons {
		fmt.Fprintf(&b, "%d. %s.\n", i+1, r)
	}
	return b.String()
}

package matrix

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// Cell is one thing that is done to each application.
type Cell struct {
	Action string // the row of desktop.Actions that it belongs to
	Name   string // tells it apart from the others of that action
	Do     []desktop.Action

	want []finger // what fingers would do for it, beginning at home
	text string   // what it enters into the first text field, if anything
	line string   // what it enters into the second
}

func cell(action, name string, want []finger, do ...desktop.Action) Cell {
	return Cell{Action: action, Name: name, Do: do, want: want}
}

// home is where the pointer is when a cell begins. Nothing is there.
var home = desktop.Point{X: 820, Y: 300}

// Screen is the size of the desktop that the cells are made for.
var Screen = desktop.Size{Width: 1280, Height: 800}

var corners = []struct {
	name string
	at   desktop.Point
}{
	{"top left corner", desktop.Point{X: 0, Y: 0}},
	{"top right corner", desktop.Point{X: Screen.Width - 1, Y: 0}},
	{"bottom left corner", desktop.Point{X: 0, Y: Screen.Height - 1}},
	{"bottom right corner", desktop.Point{X: Screen.Width - 1, Y: Screen.Height - 1}},
}

var buttons = []struct {
	name   string
	number desktop.Button
}{
	{"left", desktop.Left}, {"middle", desktop.Middle}, {"right", desktop.Right}, {"back", desktop.Back}, {"forward", desktop.Forward},
}

var holds = [][]string{nil, {"shift"}, {"ctrl"}, {"alt"}, {"super"}, {"ctrl", "shift"}}

var counts = []string{"", "once", "twice", "three times"}

// Cells is everything that is done.
func Cells() []Cell {
	var all []Cell
	for _, cells := range [][]Cell{moveCells(), clickCells(), buttonCells(), dragCells(), scrollCells(), typeCells(), pasteCells(), keyCells(), holdCells(), batchCells()} {
		all = append(all, cells...)
	}
	return all
}

// Third returns a third of cells, by their names, and so always the same ones,
// among them one of each action.
func Third(cells []Cell) []Cell {
	var some []Cell
	had := make(map[string]bool)
	for _, c := range cells {
		h := fnv.New32a()
		h.Write([]byte(c.Action + " " + c.Name))
		if h.Sum32()%3 == 0 || !had[c.Action] {
			had[c.Action] = true
			some = append(some, c)
		}
	}
	return some
}

func moveCells() []Cell {
	var cells []Cell
	for _, c := range corners {
		cells = append(cells, cell("move", c.name, moves(c.at), desktop.Move{To: c.at}))
	}
	at := desktop.Point{X: 641, Y: 333}
	return append(cells, cell("move", "middle", moves(at), desktop.Move{To: at}))
}

// grid returns points with nothing there, each so far from the others that
// clicks on two of them are no double click.
func grid() func() desktop.Point {
	n := -1
	return func() desktop.Point {
		n++
		return desktop.Point{X: 761 + 37*(n%14), Y: 31 + 31*(n/14%8)}
	}
}

func clickCells() []Cell {
	var cells []Cell
	next := grid()
	add := func(name string, c desktop.Click) {
		want := sequence(moves(*c.At), around(c.Modifiers, clicks(c.Button, c.Count, *c.At)))
		cells = append(cells, cell("click", name, want, c))
	}
	for _, b := range buttons {
		for count := 1; count <= 3; count++ {
			for _, held := range holds {
				at := next()
				name := strings.Join(append([]string{b.name, counts[count]}, held...), " ")
				add(name, desktop.Click{Button: b.number, Count: count, At: &at, Modifiers: held})
			}
		}
	}
	for count := 1; count <= 3; count++ {
		for _, c := range corners {
			add(counts[count]+" in the "+c.name, desktop.Click{Button: desktop.Left, Count: count, At: &c.at})
		}
	}
	for count := 1; count <= 3; count++ {
		at := next()
		want := sequence(moves(at), clicks(desktop.Left, count, at), []finger{{what: rest}}, clicks(desktop.Left, 1, at))
		cells = append(cells, cell("click", counts[count]+", and once more there", want,
			desktop.Click{Button: desktop.Left, Count: count, At: &at}, desktop.Click{Button: desktop.Left, Count: 1, At: &at}))
	}
	here := desktop.Click{Button: desktop.Left, Count: 1}
	return append(cells, cell("click", "where the pointer is", clicks(desktop.Left, 1, home), here))
}

func buttonCells() []Cell {
	var cells []Cell
	from, to := desktop.Point{X: 790, Y: 320}, desktop.Point{X: 990, Y: 400}
	for _, b := range buttons {
		want := sequence(moves(from), []finger{down(b.number, from)}, moves(to), []finger{up(b.number, to)})
		cells = append(cells, cell("button_down", b.name+", moved, button_up", want,
			desktop.Move{To: from}, desktop.ButtonDown{Button: b.number}, desktop.Move{To: to}, desktop.ButtonUp{Button: b.number}))
	}
	source, target := oracle.Middle(oracle.Parts.Source), oracle.Middle(oracle.Parts.Target)
	press, release := desktop.ButtonDown{Button: desktop.Left}, desktop.ButtonUp{Button: desktop.Left}
	want := sequence(moves(source), carries(source, target))
	return append(cells,
		cell("button_down", "moved, button_up, and drop", want,
			desktop.Move{To: source}, press, desktop.Move{To: target}, release),
		cell("button_down", "moved in parts, button_up, and drop", want,
			desktop.Move{To: source}, press, desktop.Move{To: desktop.Point{X: source.X + 5, Y: source.Y}}, desktop.Move{To: desktop.Point{X: 300, Y: 300}}, desktop.Move{To: target}, release),
	)
}

func dragCells() []Cell {
	path := []desktop.Point{{X: 760, Y: 60}, {X: 1000, Y: 90}, {X: 1000, Y: 250}, {X: 800, Y: 280}, {X: 1100, Y: 350}}
	var cells []Cell
	add := func(name string, d desktop.Drag) {
		first, last := d.Path[0], d.Path[len(d.Path)-1]
		want := sequence(moves(first), around(d.Modifiers, sequence([]finger{down(d.Button, first)}, moves(d.Path[1:]...), []finger{up(d.Button, last)})))
		cells = append(cells, cell("drag", name, want, d))
	}
	for _, b := range buttons {
		add(b.name, desktop.Drag{Button: b.number, Path: path[:2]})
	}
	for i, held := range holds[1:] {
		from := desktop.Point{X: 780 + 40*i, Y: 120} // elsewhere each time: no double click
		add("left "+strings.Join(held, " "), desktop.Drag{Button: desktop.Left, Path: []desktop.Point{from, path[2]}, Modifiers: held})
	}
	add("many points", desktop.Drag{Button: desktop.Left, Path: append([]desktop.Point{{X: 1200, Y: 200}}, path[1:]...)})
	add("from corner to corner", desktop.Drag{Button: desktop.Left, Path: []desktop.Point{corners[1].at, corners[3].at}})
	here := desktop.Drag{Button: desktop.Left, Path: path[:1]}
	cells = append(cells, cell("drag", "from where the pointer is", sequence([]finger{down(desktop.Left, home)}, moves(path[0]), []finger{up(desktop.Left, path[0])}), here))

	from, to := oracle.Middle(oracle.Parts.Source), oracle.Middle(oracle.Parts.Target)
	for _, d := range []struct {
		name string
		path []desktop.Point
		held []string
	}{
		{"and drop", []desktop.Point{from, to}, nil},
		{"and drop on a long way", []desktop.Point{{X: from.X - 30, Y: from.Y + 20}, {X: 300, Y: 300}, {X: 720, Y: 240}, to}, nil},
		{"and drop ctrl", []desktop.Point{from, to}, []string{"ctrl"}},
		{"and drop shift", []desktop.Point{from, to}, []string{"shift"}},
	} {
		from := d.path[0]
		want := sequence(moves(from), around(d.held, carries(from, to)))
		cells = append(cells, cell("drag", d.name, want, desktop.Drag{Button: desktop.Left, Path: d.path, Modifiers: d.held}))
	}
	return cells
}

func scrollCells() []Cell {
	at := desktop.Point{X: 900, Y: 333}
	var cells []Cell
	add := func(name string, s desktop.Scroll, dx, dy int) {
		s.At = &at
		want := sequence(moves(at), around(s.Modifiers, turns(at, dx, dy)))
		cells = append(cells, cell("scroll", name, want, s))
	}
	for _, s := range []struct {
		name   string
		dx, dy int
	}{
		{"up", 0, -1}, {"down", 0, 1}, {"left", -1, 0}, {"right", 1, 0}, {"down by 10", 0, 10}, {"left by 7", -7, 0}, {"down and right", 2, 3},
	} {
		add(s.name, desktop.Scroll{DX: s.dx, DY: s.dy}, s.dx, s.dy)
	}
	add("240 pixels down", desktop.Scroll{DY: 240, Pixels: true}, 0, 2)
	add("a few pixels left", desktop.Scroll{DX: -9, Pixels: true}, -1, 0)
	for _, held := range holds[1:] {
		add("down by 2 "+strings.Join(held, " "), desktop.Scroll{DY: 2, Modifiers: held}, 0, 2)
	}
	return append(cells, cell("scroll", "where the pointer is", turns(home, 1, 3), desktop.Scroll{DX: 1, DY: 3}))
}

func typeCells() []Cell {
	var cells []Cell
	for i, t := range []struct{ name, text, keys string }{
		{"a line", "Hello, World; 1 + 2 < 4?", "+Shift_L H -Shift_L e l l o comma space +Shift_L W -Shift_L o r l d semicolon space 1 space +Shift_L plus -Shift_L space 2 space +Shift_L less -Shift_L space 4 +Shift_L question -Shift_L"},
		{"lines", "one\n\ttwo\n", "o n e Return Tab t w o Return"},
		{"Unicode", "Straße, Ελλάς, Жук, 漢字, שלום, 🎉", "+Shift_L S -Shift_L t r a ß e comma space Ε λ λ ά ς comma space Ж у к comma space 漢 字 comma space ש ל ו ם comma space 🎉"},
	} {
		field := desktop.Point{X: oracle.Parts.Text.X0 + 100*(i+1), Y: oracle.Parts.Text.Y0 + 100}
		want := sequence(moves(field), clicks(desktop.Left, 1, field), keys(t.keys))
		c := cell("type", t.name, want, desktop.Click{Button: desktop.Left, Count: 1, At: &field}, desktop.Type{Text: t.text})
		c.text = t.text
		cells = append(cells, c)
	}
	field := oracle.Middle(oracle.Parts.Line)
	line := cell("type", "into a field of one line", sequence(moves(field), clicks(desktop.Left, 1, field), keys("o n e space l i n e")),
		desktop.Click{Button: desktop.Left, Count: 1, At: &field}, desktop.Type{Text: "one line"})
	line.line = "one line"
	return append(cells, line)
}

func pasteCells() []Cell {
	var cells []Cell
	for i, t := range []struct{ name, text string }{
		{"a word", "copied"},
		{"lines", "one\n  two\n"},
		{"Unicode", "Straße, Ελλάς, Жук, 漢字, שלום, 🎉"},
	} {
		field := desktop.Point{X: oracle.Parts.Text.X0 + 100*(i+1), Y: oracle.Parts.Text.Y0 + 200}
		want := sequence(moves(field), clicks(desktop.Left, 1, field), pastes(t.text))
		c := cell("paste", t.name, want, desktop.Click{Button: desktop.Left, Count: 1, At: &field}, desktop.Paste{Text: t.text})
		c.text = t.text
		cells = append(cells, c)
	}
	return cells
}

func keyCells() []Cell {
	var cells []Cell
	for _, k := range []struct{ chord, keys string }{
		{"a", "a"},
		{"A", "+Shift_L A -Shift_L"},
		{"Return", "Return"},
		{"Tab", "Tab"},
		{"BackSpace", "BackSpace"},
		{"Delete", "Delete"},
		{"Escape", "Escape"},
		{"space", "space"},
		{"Left", "Left"},
		{"Page_Down", "Page_Down"},
		{"Home", "Home"},
		{"F1", "F1"},
		{"F5", "F5"},
		{"F12", "F12"},
		{"ctrl+a", "+Control_L a -Control_L"},
		{"ctrl+shift+x", "+Control_L +Shift_L X -Shift_L -Control_L"},
		{"ctrl+alt+k", "+Control_L +Alt_L k -Alt_L -Control_L"},
		{"super+k", "+Super_L k -Super_L"},
		{"alt+Left", "+Alt_L Left -Alt_L"},
		{"shift+F3", "+Shift_L F3 -Shift_L"},
		{"shift+Tab", "+Shift_L Tab -Shift_L"},
		{"ctrl++", "+Control_L +Shift_L plus -Shift_L -Control_L"},
		{"ctrl+minus", "+Control_L minus -Control_L"},
		{"question", "+Shift_L question -Shift_L"},
		{"less", "+Shift_L less -Shift_L"},
		{"shift", "+Shift_L -Shift_L"},
		{"ctrl+shift", "+Control_L +Shift_L -Shift_L -Control_L"},
	} {
		cells = append(cells, cell("key", k.chord, keys(k.keys), desktop.Key{Keys: k.chord}))
	}
	cells = append(cells,
		cell("key", "x 100 times", keys(strings.Repeat("x ", 100)), desktop.Key{Keys: "x", Repeat: 100}),
		cell("key", "shift+Right 5 times", keys("+Shift_L "+strings.Repeat("Right ", 5)+"-Shift_L"), desktop.Key{Keys: "shift+Right", Repeat: 5}),
	)
	at := desktop.Point{X: 1160, Y: 360}
	return append(cells,
		cell("key_down", "q, key_up", keys("q"), desktop.KeyDown{Keys: "q"}, desktop.KeyUp{Keys: "q"}),
		cell("key_down", "ctrl, click, key_up", sequence(keys("+Control_L"), moves(at), clicks(desktop.Left, 1, at), keys("-Control_L")),
			desktop.KeyDown{Keys: "ctrl"}, desktop.Click{Button: desktop.Left, Count: 1, At: &at}, desktop.KeyUp{Keys: "ctrl"}),
		cell("key_down", "shift, other keys, key_up", keys("+Shift_L Right End -Shift_L"),
			desktop.KeyDown{Keys: "shift"}, desktop.Key{Keys: "Right"}, desktop.Key{Keys: "End"}, desktop.KeyUp{Keys: "shift"}),
	)
}

func holdCells() []Cell {
	var cells []Cell
	for _, k := range []struct {
		chord string
		ms    int
		keys  string
	}{
		{"a", 200, "a"},
		{"shift+Down", 100, "+Shift_L Down -Shift_L"},
		{"ctrl", 100, "+Control_L -Control_L"},
		{"z", 1500, "+z *z -z"},
	} {
		name := fmt.Sprintf("%s for %d ms", k.chord, k.ms)
		cells = append(cells, cell("hold_key", name, keys(k.keys), desktop.HoldKey{Keys: k.chord, DurationMS: k.ms}))
	}
	return cells
}

func batchCells() []Cell {
	at := desktop.Point{X: 1100, Y: 320}
	do := desktop.Batch{Actions: []desktop.Step{
		{Action: desktop.Click{Button: desktop.Left, Count: 2, At: &at}},
		{Action: desktop.Key{Keys: "ctrl+b"}},
		{Action: desktop.Scroll{DY: 1}},
	}}
	want := sequence(moves(at), clicks(desktop.Left, 2, at), keys("+Control_L b -Control_L"), turns(at, 0, 1))
	return []Cell{cell("batch", "click, key, scroll", want, do)}
}

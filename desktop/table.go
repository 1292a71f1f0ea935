package desktop

import "strings"

// Spec describes one Action: the row of [Actions] that everything which knows
// the vocabulary is driven by.
type Spec struct {
	Name        string        // wire tag, such as "click"
	New         func() Action // a pointer to a zero value, to decode into
	Summary     string        // what it does, for docs/actions.md
	Input       bool          // reaches X11: executed one at a time, in order of arrival
	Cancellable bool          // can be stopped half-way
	Looks       bool          // changes nothing
	Answers     Answers       // what a success of it always holds
	Tools       []Tool        // the MCP tools of the default profile that become this Action
}

// Answers is a set of the fields of a [Response] that an Action answers. A guest
// that fills another one, or leaves one out that cannot be empty, breaks the
// protocol.
type Answers uint8

// The fields. Any Action may answer the pointer.
const (
	AnswersPointer Answers = 1 << iota // x and y
	AnswersOutput                      // exec
	AnswersSteps                       // steps; left out when there are none
	AnswersFile                        // file
	AnswersListing                     // listing
	AnswersWindows                     // windows; left out when there are none
	AnswersData                        // data; left out when there is none

	always = AnswersPointer | AnswersOutput | AnswersFile | AnswersListing
)

var answerNames = []string{"x, y", "exec", "steps", "file", "listing", "windows", "data"}

// Has reports whether all fields of b are in a.
func (a Answers) Has(b Answers) bool { return a&b == b }

// String returns the names of the fields, such as "x, y, steps".
func (a Answers) String() string {
	var names []string
	for i, name := range answerNames {
		if a.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Tool is one MCP tool that becomes an Action.
type Tool struct {
	Name        string
	Description string // for the model
	Preset      Action // what the arguments of a call are filled into; a value, not a pointer. What it sets is no argument
	Example     string // arguments of a call that is right, as JSON
}

const pictureNote = " The answer shows the screen once it has settled, if it changed."

// Actions is the vocabulary, in the order of docs/actions.md.
var Actions = []Spec{
	{
		Name: "screenshot", New: func() Action { return new(Screenshot) }, Looks: true,
		Summary: "Observe the screen, whole or a region, without touching it.",
		Tools: []Tool{
			{"screenshot", "Take a picture of the whole desktop, with the pointer in it. Coordinates of all other tools are pixels of this picture, (0, 0) at its top left.", Screenshot{}, `{}`},
			{"zoom", "Look at a part of the desktop at full resolution: region is [x0, y0, x1, y1], the corner x1, y1 excluded.", Screenshot{}, `{"region": [0, 0, 640, 400]}`},
		},
	},
	{
		Name: "cursor_position", New: func() Action { return new(CursorPosition) }, Looks: true,
		Summary: "Answer where the pointer is.", Answers: AnswersPointer,
		Tools: []Tool{{"cursor_position", "Tell where the pointer is, in pixels.", CursorPosition{}, `{}`}},
	},
	{
		Name: "move", New: func() Action { return new(Move) }, Input: true, Cancellable: true,
		Summary: "Put the pointer on a point.", Answers: AnswersPointer,
		Tools: []Tool{{"mouse_move", "Move the pointer to coordinate [x, y]." + pictureNote, Move{}, `{"coordinate": [640, 400]}`}},
	},
	{
		Name: "click", New: func() Action { return new(Click) }, Input: true, Cancellable: true,
		Summary: "Press and release a button one to three times, optionally at a point and with modifiers held.", Answers: AnswersPointer,
		Tools: []Tool{
			{"left_click", "Click the left button at coordinate [x, y], or where the pointer is. text names modifier keys to hold, such as \"ctrl\" or \"ctrl+shift\"." + pictureNote, Click{Button: Left, Count: 1}, `{"coordinate": [640, 400]}`},
			{"right_click", "Click the right button at coordinate [x, y], or where the pointer is. text names modifier keys to hold." + pictureNote, Click{Button: Right, Count: 1}, `{"coordinate": [640, 400]}`},
			{"middle_click", "Click the middle button at coordinate [x, y], or where the pointer is. text names modifier keys to hold." + pictureNote, Click{Button: Middle, Count: 1}, `{"coordinate": [640, 400]}`},
			{"double_click", "Double-click the left button at coordinate [x, y], or where the pointer is. text names modifier keys to hold." + pictureNote, Click{Button: Left, Count: 2}, `{"coordinate": [640, 400]}`},
			{"triple_click", "Triple-click the left button at coordinate [x, y], or where the pointer is; this selects a line or paragraph in most applications. text names modifier keys to hold." + pictureNote, Click{Button: Left, Count: 3}, `{"coordinate": [640, 400]}`},
			{"click", "Click any button, also the back and forward buttons of a mouse, at coordinate [x, y] or where the pointer is." + pictureNote, Click{Count: 1}, `{"button": "back", "coordinate": [640, 400]}`},
		},
	},
	{
		Name: "button_down", New: func() Action { return new(ButtonDown) }, Input: true, Cancellable: true,
		Summary: "Press a button and leave it pressed.", Answers: AnswersPointer,
		Tools: []Tool{{"left_mouse_down", "Press the left button where the pointer is and keep it pressed until left_mouse_up." + pictureNote, ButtonDown{Button: Left}, `{}`}},
	},
	{
		Name: "button_up", New: func() Action { return new(ButtonUp) }, Input: true, Cancellable: true,
		Summary: "Release a button.", Answers: AnswersPointer,
		Tools: []Tool{{"left_mouse_up", "Release the left button where the pointer is." + pictureNote, ButtonUp{Button: Left}, `{}`}},
	},
	{
		Name: "drag", New: func() Action { return new(Drag) }, Input: true, Cancellable: true,
		Summary: "Drag with a button along a path of points.", Answers: AnswersPointer,
		Tools: []Tool{
			{"left_click_drag", "Drag with the left button from start_coordinate [x, y] (where the pointer is when absent) to coordinate [x, y]. text names modifier keys to hold." + pictureNote, Drag{Button: Left}, `{"start_coordinate": [100, 100], "coordinate": [300, 200]}`},
			{"drag", "Drag with the left button along a path of any number of points, [[x, y], [x, y], ...], pressed on the first and released on the last." + pictureNote, Drag{Button: Left}, `{"path": [[100, 100], [200, 150], [300, 100]]}`},
		},
	},
	{
		Name: "scroll", New: func() Action { return new(Scroll) }, Input: true, Cancellable: true,
		Summary: "Turn the wheel, vertically or horizontally.", Answers: AnswersPointer,
		Tools: []Tool{{"scroll", "Turn the mouse wheel at coordinate [x, y], or where the pointer is: scroll_amount notches in scroll_direction (up, down, left, right). text names modifier keys to hold." + pictureNote, Scroll{}, `{"coordinate": [640, 400], "scroll_direction": "down", "scroll_amount": 3}`}},
	},
	{
		Name: "type", New: func() Action { return new(Type) }, Input: true, Cancellable: true,
		Summary: "Enter text, any Unicode, into what has the focus.",
		Tools:   []Tool{{"type", "Type text into what has the keyboard focus. Any Unicode works; a newline is the Return key, a tab is the Tab key." + pictureNote, Type{}, `{"text": "hello"}`}},
	},
	{
		Name: "key", New: func() Action { return new(Key) }, Input: true, Cancellable: true,
		Summary: "Press and release a key or chord.",
		Tools:   []Tool{{"key", "Press a key or a chord: text is a key name or several joined by +, such as \"Return\", \"Page_Down\", \"ctrl+s\", \"alt+F4\". repeat presses it that many times." + pictureNote, Key{}, `{"text": "ctrl+s"}`}},
	},
	{
		Name: "key_down", New: func() Action { return new(KeyDown) }, Input: true, Cancellable: true,
		Summary: "Press a key or chord and leave it pressed.",
		Tools: []Tool{
			{"key_down", "Press a key or chord and keep it pressed until key_up. Prefer key, hold_key, or the text argument of a click for modifiers." + pictureNote, KeyDown{}, `{"text": "shift"}`},
		},
	},
	{
		Name: "key_up", New: func() Action { return new(KeyUp) }, Input: true, Cancellable: true,
		Summary: "Release a key or chord.",
		Tools: []Tool{
			{"key_up", "Release a key or chord that key_down pressed." + pictureNote, KeyUp{}, `{"text": "shift"}`},
		},
	},
	{
		Name: "hold_key", New: func() Action { return new(HoldKey) }, Input: true, Cancellable: true,
		Summary: "Hold a key or chord for a time.",
		Tools:   []Tool{{"hold_key", "Hold a key or chord down for duration seconds, then release it." + pictureNote, HoldKey{}, `{"text": "shift", "duration": 1.5}`}},
	},
	{
		Name: "release", New: func() Action { return new(Release) }, Input: true, Cancellable: true,
		Summary: "Release every key and button that is held down.",
	},
	{
		Name: "wait", New: func() Action { return new(Wait) }, Cancellable: true, Looks: true,
		Summary: "Let time pass.",
		Tools:   []Tool{{"wait", "Wait for duration seconds, then show the screen if it changed. Actions already wait until the screen has settled: use this only for something that takes longer.", Wait{}, `{"duration": 2}`}},
	},
	{
		Name: "exec", New: func() Action { return new(Exec) }, Cancellable: true,
		Summary: "Run a shell command as the desktop's user.", Answers: AnswersOutput,
		Tools: []Tool{{"exec", "Run a shell command inside the desktop as its ordinary user (sudo works without a password) and return exit_code, stdout and stderr. It is ended after timeout seconds (30 when absent). With background it is left running and answered at once: exec_output returns what it writes.", Exec{}, `{"command": "ls -l ~", "timeout": 10}`}},
	},
	{
		Name: "exec_output", New: func() Action { return new(ExecOutput) }, Cancellable: true, Looks: true, Answers: AnswersOutput,
		Summary: "Answer what a job has written since it was asked last.",
		Tools: []Tool{
			{"exec_output", "Return what a background command has written to stdout and stderr since you asked last, and whether it still runs. wait is how many seconds to wait for something new.", ExecOutput{}, `{"job": 1, "wait": 10}`},
		},
	},
	{
		Name: "exec_stop", New: func() Action { return new(ExecStop) }, Answers: AnswersOutput,
		Summary: "Kill a job.",
		Tools: []Tool{
			{"exec_stop", "Kill a background command with all that it has started, and return the rest of its output.", ExecStop{}, `{"job": 1}`},
		},
	},
	{
		Name: "read_file", New: func() Action { return new(ReadFile) }, Cancellable: true, Looks: true, Answers: AnswersFile | AnswersData,
		Summary: "Read a file, or a range of it.",
		Tools: []Tool{
			{"read_file", "Read a file of the desktop, or length bytes of it from offset on. Text comes as text, a picture as a picture, anything else as base64. The answer says where to go on when there is more.", ReadFile{}, `{"path": "~/notes.txt"}`},
		},
	},
	{
		Name: "write_file", New: func() Action { return new(WriteFile) }, Answers: AnswersFile,
		Summary: "Write a file whole, or a range of it.",
		Tools: []Tool{
			{"write_file", "Write a file of the desktop, whole or the part from offset on. Send its content as text, or as base64. It belongs to the desktop's user.", WriteFile{}, `{"path": "~/notes.txt", "text": "hello\n"}`},
		},
	},
	{
		Name: "list_files", New: func() Action { return new(ListFiles) }, Looks: true, Answers: AnswersListing,
		Summary: "List a directory.",
		Tools: []Tool{
			{"list_files", "List a directory of the desktop.", ListFiles{}, `{"path": "~"}`},
		},
	},
	{
		Name: "get_clipboard", New: func() Action { return new(GetClipboard) }, Input: true, Cancellable: true, Looks: true, Answers: AnswersData,
		Summary: "Answer what was copied.",
		Tools: []Tool{
			{"get_clipboard", "Return the text in the clipboard, or in the primary selection (what was selected last).", GetClipboard{}, `{}`},
		},
	},
	{
		Name: "set_clipboard", New: func() Action { return new(SetClipboard) }, Input: true, Cancellable: true,
		Summary: "Set what was copied.",
		Tools: []Tool{
			{"set_clipboard", "Put text into the clipboard, or into the primary selection.", SetClipboard{}, `{"text": "hello"}`},
		},
	},
	{
		Name: "paste", New: func() Action { return new(Paste) }, Input: true, Cancellable: true,
		Summary: "Enter text into what has the focus through the clipboard.",
		Tools: []Tool{
			{"paste", "Paste text into what has the keyboard focus, through the clipboard. Use it for long text, or where type does not get through." + pictureNote, Paste{}, `{"text": "hello"}`},
		},
	},
	{
		Name: "list_windows", New: func() Action { return new(ListWindows) }, Looks: true, Answers: AnswersWindows,
		Summary: "List the windows.",
		Tools: []Tool{
			{"list_windows", "List the windows that are open, from the lowest to the topmost: id, title, class, pid, region [x0, y0, x1, y1] and state.", ListWindows{}, `{}`},
		},
	},
	{
		Name: "change_window", New: func() Action { return new(ChangeWindow) }, Input: true, Cancellable: true, Answers: AnswersWindows,
		Summary: "Focus, move, resize, maximize, minimize, restore or close a window.",
		Tools: []Tool{
			{"change_window", "Do something with the window id of list_windows: focus, move (to a corner), resize (to a region), maximize, minimize, restore or close." + pictureNote, ChangeWindow{}, `{"id": 12582913, "do": "focus"}`},
		},
	},
	{
		Name: "launch", New: func() Action { return new(Launch) }, Input: true, Cancellable: true, Answers: AnswersOutput | AnswersWindows,
		Summary: "Start a program and wait for its window.",
		Tools: []Tool{
			{"launch", "Start an application with a shell command and wait until it shows its window. It keeps running; exec_output returns what it prints." + pictureNote, Launch{}, `{"command": "xterm"}`},
		},
	},
	{
		Name: "resize_screen", New: func() Action { return new(ResizeScreen) }, Input: true,
		Summary: "Give the screen another size.",
		Tools: []Tool{
			{"resize_screen", "Give the screen another size, [width, height] in pixels of its own. Take a screenshot before you send coordinates again." + pictureNote, ResizeScreen{}, `{"size": [1600, 1000]}`},
		},
	},
	{
		Name: "open_url", New: func() Action { return new(OpenURL) }, Input: true, Cancellable: true,
		Summary: "Open an address in the desktop's browser.",
		Tools:   []Tool{{"open_url", "Open an http, https or file URL in the desktop's web browser." + pictureNote, OpenURL{}, `{"url": "https://example.com/"}`}},
	},
	{
		Name: "rest_browser", New: func() Action { return new(RestBrowser) },
		Summary: "Have the browser stand still until an action does more than look.",
	},
	{
		Name: "batch", New: func() Action { return new(Batch) }, Input: true, Cancellable: true,
		Summary: "Perform actions in order, as one, up to the first failure.", Answers: AnswersPointer | AnswersSteps,
	},
}

// ActionByName returns the row of the Action with this wire tag.
func ActionByName(name string) (Spec, bool) {
	for _, s := range Actions {
		if s.Name == name {
			return s, true
		}
	}
	return Spec{}, false
}

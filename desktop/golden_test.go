package desktop

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files and the pages made from them")

// message is one variant of a message, by the name of its file in the archive.
type message struct {
	name  string
	value any // of the type that Unmarshal is to be given a pointer to
}

func ptr[T any](v T) *T { return &v }

var requests = []message{
	{"screenshot", Request{Action: Screenshot{}, Observe: Observe{Mode: ObserveNow}}},
	{"screenshot-region", Request{Action: Screenshot{Region: &Rect{0, 0, 640, 400}}, Observe: Observe{Mode: ObserveNow}}},
	{"cursor_position", Request{Action: CursorPosition{}}},
	{"move", Request{Action: Move{To: Point{0, 799}}}},
	{"click", Request{
		Action:  Click{Button: Left, Count: 1, At: &Point{640, 400}},
		Observe: Observe{Mode: ObserveSettled},
	}},
	{"click-here", Request{Action: Click{Button: Right, Count: 1}}},
	{"click-modifiers", Request{Action: Click{Button: Middle, Count: 3, At: &Point{0, 0}, Modifiers: []string{"ctrl", "shift"}}}},
	{"button_down", Request{Action: ButtonDown{Button: Back}}},
	{"button_up", Request{Action: ButtonUp{Button: Forward}}},
	{"drag", Request{Action: Drag{Button: Left, Path: []Point{{10, 20}, {300, 200}}}}},
	{"drag-modifiers", Request{Action: Drag{Button: Left, Path: []Point{{7, 7}}, Modifiers: []string{"alt"}}}},
	{"scroll", Request{Action: Scroll{At: &Point{640, 400}, DY: 3}}},
	{"scroll-sideways", Request{Action: Scroll{DX: -2, Modifiers: []string{"shift"}}}},
	{"type", Request{Action: Type{Text: "<a href=\"x\">\n\tżółć 你好 👩‍💻 \u0001\u2028</a>"}}},
	{"key", Request{Action: Key{Keys: "ctrl+shift+t"}}},
	{"key-repeat", Request{Action: Key{Keys: "Page_Down", Repeat: 3}}},
	{"hold_key", Request{Action: HoldKey{Keys: "w", DurationMS: 1500}}},
	{"key_down", Request{Action: KeyDown{Keys: "shift"}}},
	{"key_up", Request{Action: KeyUp{Keys: "shift"}}},
	{"release", Request{Action: Release{}}},
	{"scroll-pixels", Request{Action: Scroll{DY: -250, Pixels: true}}},
	{"exec-background", Request{Action: Exec{Command: "make", Background: true}}},
	{"exec_output", Request{Action: ExecOutput{Job: 1, WaitMS: 2000}}},
	{"exec_stop", Request{Action: ExecStop{Job: 1}}},
	{"read_file", Request{Action: ReadFile{Path: "/etc/hostname"}}},
	{"read_file-range", Request{Action: ReadFile{Path: "photo.jpg", Offset: 1 << 20, Length: 4096}}},
	{"write_file", Request{Action: WriteFile{Path: "empty"}}},
	{"write_file-range", Request{Action: WriteFile{Path: "a/b.txt", Offset: ptr[int64](0), Mode: 0o600, Parents: true}}},
	{"list_files", Request{Action: ListFiles{Path: "."}}},
	{"list_files-rest", Request{Action: ListFiles{Path: "/usr/bin", Offset: MaxFiles}}},
	{"get_clipboard", Request{Action: GetClipboard{}}},
	{"get_clipboard-primary", Request{Action: GetClipboard{Selection: Primary}}},
	{"set_clipboard", Request{Action: SetClipboard{Text: "żółć", Selection: Clipboard}}},
	{"paste", Request{Action: Paste{Text: "żółć"}, Observe: Observe{Mode: ObserveSettled}}},
	{"list_windows", Request{Action: ListWindows{}}},
	{"change_window", Request{Action: ChangeWindow{ID: 0x1400003, Do: WindowFocus}}},
	{"change_window-move", Request{Action: ChangeWindow{ID: 0x1400003, Do: WindowMove, To: &Point{0, 0}}}},
	{"change_window-resize", Request{Action: ChangeWindow{ID: 0x1400003, Do: WindowResize, Region: &Rect{0, 0, 640, 800}}}},
	{"launch", Request{Action: Launch{Command: "mousepad notes.txt", TimeoutMS: 20_000}, Observe: Observe{Mode: ObserveSettled}}},
	{"resize_screen", Request{Action: ResizeScreen{Size: Size{1920, 1080}}}},
	{"wait", Request{
		Action:  Wait{DurationMS: 2000},
		Observe: Observe{Mode: ObserveSettled, QuietMS: 100, LimitMS: 3000},
	}},
	{"exec", Request{Action: Exec{Command: "echo $HOME && ls > /dev/null"}}},
	{"exec-timeout", Request{Action: Exec{Command: "make", TimeoutMS: 600_000}}},
	{"open_url", Request{Action: OpenURL{URL: "https://example.org/?a=1&b=2"}}},
	{"rest_browser", Request{Action: RestBrowser{}}},
	{"batch", Request{
		Action: Batch{Actions: []Step{
			{Click{Button: Left, Count: 1, At: &Point{640, 400}}},
			{Type{Text: "hello"}},
			{Wait{DurationMS: 500}},
			{Key{Keys: "Return"}},
		}},
		Observe: Observe{Mode: ObserveSettled},
	}},
	{"observe-none", Request{Action: Wait{}, Observe: Observe{Mode: ObserveNone}}},
	{"cancel", Request{Cancel: 17}},
}

var responses = []message{
	{"ok", Response{OK: true}},
	{"pointer", Response{OK: true, X: ptr(0), Y: ptr(799)}},
	{"batch", Response{
		OK: true, X: ptr(640), Y: ptr(400),
		Steps: []StepResult{{OK: true, X: ptr(640), Y: ptr(400)}, {OK: true}, {OK: true}, {OK: true}},
	}},
	{"batch-failed", Response{
		Error: &Error{CodeNotDelivered, "character 3 did not reach the application"},
		Steps: []StepResult{{OK: true, X: ptr(640), Y: ptr(400)}, {Error: &Error{CodeNotDelivered, "character 3 did not reach the application"}}},
	}},
	{"unchanged", Response{
		OK: true, X: ptr(640), Y: ptr(400),
		Settle: &Settled{Reason: SettleAsleep, ElapsedMS: 84, QuietMS: 180, LimitMS: 3000},
		Frame:  &Frame{Number: 8, Base: 7, Size: Size{1280, 800}},
	}},
	{"whole", Response{
		OK: true,
		Frame: &Frame{
			Number: 1, Size: Size{1280, 800},
			Rects:  []Patch{{Rect{0, 0, 1280, 800}, RLE, 6400}},
			Cursor: &Cursor{Pos: Point{640, 400}, Hot: Point{3, 2}, Size: Size{16, 24}, Serial: 5, Len: 1536},
		},
		PayloadLen: 7936,
	}},
	{"changed", Response{
		OK: true, X: ptr(12), Y: ptr(0),
		Settle: &Settled{Reason: SettleLimit, ElapsedMS: 3000, QuietMS: 180, LimitMS: 3000, Changed: true, Rects: []Rect{{0, 0, 2, 3}, {100, 200, 300, 210}}},
		Frame: &Frame{
			Number: 3, Base: 2, Size: Size{1280, 800},
			Rects:  []Patch{{Rect{0, 0, 2, 3}, Raw, 24}, {Rect{100, 200, 300, 210}, RLE, 80}},
			Cursor: &Cursor{Pos: Point{12, 0}, Hot: Point{3, 2}, Size: Size{16, 24}, Serial: 5},
		},
		PayloadLen: 104,
	}},
	{"exec", Response{
		OK: true, Exec: &Output{ExitCode: 2, StdoutLen: 12, StderrLen: 0, StdoutTotal: 12},
		PayloadLen: 12,
	}},
	{"exec-killed", Response{
		OK: true, Exec: &Output{ExitCode: -1, TimedOut: true, StdoutLen: MaxOutput, StderrLen: 3, StdoutTotal: 5 << 30, StderrTotal: 3},
		PayloadLen: MaxOutput + 3,
	}},
	{"exec-running", Response{
		OK: true, Exec: &Output{Job: 1, Running: true, StdoutLen: 5, StdoutTotal: 5},
		PayloadLen: 5,
	}},
	{"read_file", Response{
		OK:      true,
		File:    &File{Name: "/etc/hostname", Type: FileRegular, Size: 8, Mode: 0o644, Owner: "root", Modified: 1_767_225_600_000},
		DataLen: 8, PayloadLen: 8,
	}},
	{"list_files", Response{
		OK: true,
		Listing: &Listing{
			Files: []File{
				{Name: "Desktop", Type: FileDirectory, Size: 4096, Mode: 0o755, Owner: "user", Modified: 1_767_225_600_000},
				{Name: "sh", Type: FileSymlink, Size: 4, Mode: 0o777, Owner: "user", Modified: 1_767_225_600_000, Target: "dash"},
			},
			Total: 2,
		},
	}},
	{"get_clipboard", Response{OK: true, DataLen: 8, PayloadLen: 8}},
	{"list_windows", Response{OK: true, Windows: []Window{
		{ID: 0x1400003, Title: "user@desktop: ~", Class: "XTerm", PID: 412, Region: Rect{-20, 40, 640, 480}, Focused: true, Maximized: true},
		{ID: 0x1600001, Title: "Notes", Class: "Mousepad", Region: Rect{0, 0, 1280, 800}, Minimized: true, Full: true},
	}}},
	{"notices", Response{OK: true, Notices: []string{"the X server was restarted: all windows are gone"}}},
	{"error-invalid", Response{Error: Errorf(CodeInvalid, `key "Retrun" does not exist: did you mean "Return"?`)}},
	{"error-cancelled", Response{Error: Errorf(CodeCancelled, "stopped after 120 of 400 characters"), X: ptr(1), Y: ptr(2)}},
	{"error-not-delivered", Response{Error: Errorf(CodeNotDelivered, "character 3 did not reach the application")}},
	{"error-unavailable", Response{Error: Errorf(CodeUnavailable, "the X server is being restarted: try again in a few seconds")}},
	{"error-unknown", Response{Error: Errorf(CodeUnknown, "the X server ended during the click")}},
	{"error-internal", Response{Error: Errorf(CodeInternal, "start the shell: no such file")}},
}

var greetings = []message{
	{"hello", Hello{
		Protocol: Version, Agent: "vmette desktop-agent v0.1.0", Token: "3q2-7wAAAAAAAAAAAAAAAA",
		Connection: ConnControl, Screen: Size{1280, 800},
	}},
	{"hello-again", Hello{
		Protocol: Version, Agent: "vmette desktop-agent v0.1.0", Token: "3q2-7wAAAAAAAAAAAAAAAA",
		Connection: ConnControl, Screen: Size{1280, 800}, Features: []string{"chromium"}, Restarts: 1,
	}},
	{"hello-stdout", Hello{
		Protocol: Version, Agent: "vmette desktop-agent v0.1.0", Token: "3q2-7wAAAAAAAAAAAAAAAA", Connection: ConnStdout,
	}},
	{"welcome", Welcome{Protocol: Version, UnixTime: 1767225600000000000}},
	{"welcome-resume", Welcome{Protocol: Version, Resume: &Boot{
		Token: "c2V2ZW50ZWVuIGJ5dGVzIQ", Port: 1024, Hostname: "desktop-5f3a", Root: Root{Device: "/dev/vda", Type: "squashfs"},
		Screen: Size{1280, 800}, UnixTime: 1767225600000000000, Entropy: []byte("thirty-two bytes that are random"),
	}}},
	{"welcome-refusal", Welcome{Protocol: Version, Error: (&VersionError{Host: Version, Guest: Version + 1}).Error()}},
	{"boot", Boot{
		Token: "3q2-7wAAAAAAAAAAAAAAAA", Port: 1024, Hostname: "desktop", Root: Root{Device: "/dev/vda", Type: "squashfs"},
		Screen: Size{1280, 800}, UnixTime: 1_767_225_600_000_000_000,
	}},
	{"boot-no-sudo", Boot{
		Token: "3q2-7wAAAAAAAAAAAAAAAA", Port: 1024, Hostname: "desktop", Root: Root{Device: "/dev/vda", Type: "erofs"},
		Screen: Size{1024, 768}, NoSudo: true, UnixTime: 1_767_225_600_000_000_000,
	}},
	{"boot-workload", Boot{
		Token: "3q2-7wAAAAAAAAAAAAAAAA", Port: 1024, Hostname: "sandbox", Root: Root{Device: "/dev/vda", Type: "squashfs", Scratch: "/dev/vdb"},
		Screen: Size{1280, 800}, UnixTime: 1_767_225_600_000_000_000,
		Shares: []Share{{Tag: "src", Target: "/mnt/src"}, {Tag: "data", Target: "/mnt/data", ReadOnly: true}},
		Workload: &Workload{
			Args: []string{"sh", "-c", "exit 42"}, Env: []string{"LANG=C.UTF-8"}, Dir: "/srv", User: "daemon:users",
			Terminal: &TerminalSize{80, 24},
		},
	}},
	{"boot-directory", Boot{
		Token: "3q2-7wAAAAAAAAAAAAAAAA", Port: 1024, Hostname: "desktop", Root: Root{Device: ".root", Type: "virtiofs", Writable: true},
		Screen: Size{1280, 800}, UnixTime: 1_767_225_600_000_000_000,
		Authorities: []Authority{{Certificate: []byte("a certificate in DER"), SubjectHash: 0x4042bcee}},
	}},
	{"boot-network", Boot{
		Token: "3q2-7wAAAAAAAAAAAAAAAA", Port: 1024, Hostname: "desktop", Root: Root{Device: "/dev/vda", Type: "squashfs"},
		Screen: Size{1280, 800}, UnixTime: 1_767_225_600_000_000_000,
		Network: &Network{
			MAC: "02:76:6d:00:00:02", Addresses: []string{"192.0.2.254/30"}, Gateways: []string{"192.0.2.253"},
			GatewayMAC: "02:76:6d:00:00:01", Nameserver: "192.0.2.253", MTU: 16384,
		},
	}},
}

var workloads = []message{
	{"signal", Order{Signal: "SIGTERM"}},
	{"size", Order{Size: &TerminalSize{132, 43}}},
	{"report", Report{ExitCode: 42}},
}

var archives = map[string][]message{"requests": requests, "responses": responses, "greetings": greetings, "workloads": workloads}

// Every variant of every message has this form on the wire, and this form
// means that variant.
func TestGolden(t *testing.T) {
	for name, messages := range archives {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txtar")
			got := new(txtar.Archive)
			for _, m := range messages {
				header, err := Marshal(m.value)
				if err != nil {
					t.Fatalf("Marshal(%s): %v", m.name, err)
				}
				got.Files = append(got.Files, txtar.File{Name: m.name + ".json", Data: append(header, '\n')})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(txtar.Format(want)), string(txtar.Format(got))); diff != "" {
				t.Errorf("%s (-want +got), run the test with -update if the change is meant:\n%s", file, diff)
			}
			for i, m := range messages {
				if i >= len(want.Files) {
					break
				}
				v := reflect.New(reflect.TypeOf(m.value))
				if err := Unmarshal(want.Files[i].Data, v.Interface()); err != nil {
					t.Errorf("Unmarshal(%s): %v", m.name, err)
				} else if diff := cmp.Diff(m.value, v.Elem().Interface()); diff != "" {
					t.Errorf("Unmarshal(%s): (-want +got)\n%s", m.name, diff)
				}
			}
		})
	}
}

func TestGoldenHasEveryVariant(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range requests {
		if a := m.value.(Request).Action; a != nil {
			seen[a.Name()] = true
		}
	}
	for _, spec := range Actions {
		if !seen[spec.Name] {
			t.Errorf("no golden request has the action %q", spec.Name)
		}
	}
	// Each field of each type is set in some golden message.
	set := map[string]bool{}
	for _, messages := range archives {
		for _, m := range messages {
			header, err := Marshal(m.value)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(header, &v); err != nil {
				t.Fatal(err)
			}
			collect(v, set)
		}
	}
	types := []any{Request{}, Response{}, Hello{}, Welcome{}, Boot{}, Root{}, Network{}, Share{}, Authority{}, Workload{}, TerminalSize{}, Order{}, Report{}, Observe{}, Settled{}, Frame{}, Patch{}, Cursor{}, Output{}, Error{}, StepResult{}, stepJSON{}, File{}, Listing{}, Window{}}
	for _, spec := range Actions {
		types = append(types, reflect.ValueOf(spec.New()).Elem().Interface())
	}
	for _, v := range types {
		for _, f := range fieldsOf(reflect.TypeOf(v)) {
			if !set[f.name] {
				t.Errorf("no golden message has the field %q of %T", f.name, v)
			}
		}
	}
}

// collect adds the names of all fields of a decoded JSON value.
func collect(v any, names map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			names[name] = true
			collect(value, names)
		}
	case []any:
		for _, value := range v {
			collect(value, names)
		}
	}
}

// The JSON in the page on the protocol is that of the golden files. A block
// names its source in a comment before it:
//
//	<!-- requests.txtar: click.json -->
func TestProtocolPage(t *testing.T) {
	const page = "../docs/protocol.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	blocks := 0
	for i := 0; i < len(lines); i++ {
		if lines[i] != "```json" {
			continue
		}
		archive, name, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(lines[i-1], "<!-- "), " -->"), ": ")
		if !ok {
			t.Errorf("%s:%d: a block of JSON without its source", page, i+1)
			continue
		}
		if i+2 >= len(lines) || lines[i+2] != "```" {
			t.Fatalf("%s:%d: a block of JSON is not one line", page, i+1)
		}
		blocks++
		a, err := txtar.ParseFile(filepath.Join("testdata", archive))
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, f := range a.Files {
			if f.Name == name {
				want = strings.TrimSpace(string(f.Data))
			}
		}
		if want == "" {
			t.Errorf("%s:%d: %s has no %s", page, i+1, archive, name)
			continue
		}
		if *update {
			lines[i+1] = want
		}
		if lines[i+1] != want {
			t.Errorf("%s:%d: got %s, want %s; run the test with -update", page, i+2, lines[i+1], want)
		}
	}
	if blocks == 0 {
		t.Errorf("%s has no blocks of JSON", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

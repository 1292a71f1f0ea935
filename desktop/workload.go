package desktop

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Workload is a command that a guest runs in the place of a desktop: once, until
// it ends. The guest opens [ConnWorkload], on which it is given [Order]s and tells
// the [Report], and then a connection for each of the command's streams.
//
// The order of the end: when the command has ended the guest kills what it has
// left running, closes the streams of output once all of it has been written to
// them, writes to its disks what is not there yet, and reports. The host closes
// ConnWorkload when it has read everything, and the guest powers itself off.
type Workload struct {
	Args     []string      `json:"args"`               // the program, looked up in PATH, and its arguments
	Env      []string      `json:"env,omitempty"`      // NAME=VALUE; wins over what the guest sets by itself
	Dir      string        `json:"dir,omitempty"`      // working directory, absolute; "" means /
	User     string        `json:"user,omitempty"`     // USER or USER:GROUP, by names or numbers; "" means root
	Terminal *TerminalSize `json:"terminal,omitempty"` // of the terminal that the command gets; nil means none
}

// MaxWorkload bounds the arguments and the environment of a [Workload] together,
// in bytes.
const MaxWorkload = 128 << 10

// Validate reports a command that no guest could run.
func (w Workload) Validate() error {
	if len(w.Args) == 0 || w.Args[0] == "" {
		return errors.New("workload: there is no command")
	}
	size := 0
	for _, s := range slices.Concat(w.Args, w.Env, []string{w.Dir, w.User}) {
		if strings.ContainsRune(s, 0) {
			return errors.New("workload: there is a zero byte in the command or its environment")
		}
		size += len(s) + 1
	}
	if size > MaxWorkload {
		return fmt.Errorf("workload: arguments and environment of %d bytes are over the limit of %d", size, MaxWorkload)
	}
	for _, e := range w.Env {
		if i := strings.IndexByte(e, '='); i < 1 {
			return errors.New("workload: a variable of the environment is not NAME=VALUE")
		}
	}
	if w.Dir != "" && !path.IsAbs(w.Dir) {
		return fmt.Errorf("workload: working directory %q is not absolute", w.Dir)
	}
	if w.Terminal != nil {
		return w.Terminal.Validate()
	}
	return nil
}

// TerminalSize is the size of a terminal in characters.
type TerminalSize struct {
	Columns int `json:"columns"`
	Rows    int `json:"rows"`
}

// Validate reports a size that no terminal has.
func (s TerminalSize) Validate() error {
	const most = 1<<16 - 1
	if s.Columns < 1 || s.Rows < 1 || s.Columns > most || s.Rows > most {
		return fmt.Errorf("terminal of %d columns and %d rows is not between 1 and %d", s.Columns, s.Rows, most)
	}
	return nil
}

// Order is what the host wants of the guest that runs a [Workload]. Exactly one
// field is set.
type Order struct {
	Signal string        `json:"signal,omitempty"` // to send to the command and what it has started, such as "SIGTERM"
	Size   *TerminalSize `json:"size,omitempty"`   // that its terminal has from now on
}

// Validate reports an order of nothing or of two things, or one that is none.
func (o Order) Validate() error {
	switch {
	case (o.Signal == "") == (o.Size == nil):
		return errors.New("order: either a signal or a size")
	case o.Size != nil:
		return o.Size.Validate()
	case !validSignal(o.Signal):
		return fmt.Errorf("order: %.40q is no name of a signal", o.Signal)
	}
	return nil
}

// validSignal reports whether s looks like the name of a signal. Which there are
// depends on the guest's kernel.
func validSignal(s string) bool {
	name, ok := strings.CutPrefix(s, "SIG")
	if !ok || name == "" || len(s) > 16 {
		return false
	}
	for _, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Report is how a [Workload] ended.
type Report struct {
	ExitCode int `json:"exit_code"` // 128+n when signal n ended it; 127 without such a program, 126 when it could not be started
}

// Validate reports an exit code that no program has.
func (r Report) Validate() error {
	if r.ExitCode < 0 || r.ExitCode > 255 {
		return fmt.Errorf("report: exit code %d is not between 0 and 255", r.ExitCode)
	}
	return nil
}

// WriteOrder writes an order to a [ConnWorkload].
func WriteOrder(w io.Writer, o Order) error { return writeStatement(w, o) }

// ReadOrder reads the next order from a [ConnWorkload]. It returns io.EOF when
// the host has closed it.
func ReadOrder(r io.Reader) (o Order, err error) {
	err = readStatement(r, &o)
	return o, err
}

// WriteReport writes the report to a [ConnWorkload].
func WriteReport(w io.Writer, r Report) error { return writeStatement(w, r) }

// ReadReport reads the report from a [ConnWorkload].
func ReadReport(r io.Reader) (rep Report, err error) {
	err = readStatement(r, &rep)
	return rep, err
}

// statement is the req_id of a message that nobody answers.
const statement = 1

func writeStatement(w io.Writer, v any) error {
	header, err := Marshal(v)
	if err != nil {
		return err
	}
	return WriteFrame(w, statement, header, nil)
}

func readStatement(r io.Reader, v any) error {
	var m Message
	if err := m.read(r, 0); err != nil {
		return err
	}
	if m.ID != statement {
		return broken(fmt.Errorf("message has req_id %d instead of %d", m.ID, statement))
	}
	if err := Unmarshal(m.Header, v); err != nil {
		return broken(fmt.Errorf("decode message: %w", err))
	}
	return nil
}

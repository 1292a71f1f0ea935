// Package orders is what process 1 and the agent, which runs as its child
// without privileges, tell each other: lines of JSON on the agent's descriptor 3,
// a socket, so that the boot token stands neither in arguments nor in the
// environment.
//
// The first line is a [Start] for the agent. After it come an [Order] whenever an
// X server has come up, and one in answer to each [Request] that the agent sends.
package orders

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vmette/vmette-mcp/desktop"
)

// Start is all that an agent needs to know of the boot.
type Start struct {
	Token    string       `json:"token"`
	Port     uint32       `json:"port"` // of the host, to dial
	Screen   desktop.Size `json:"screen"`
	Restarts int          `json:"restarts"` // how many agents there were before
	Display  string       `json:"display"`  // such as ":0"
	Manager  bool         `json:"manager"`  // a window manager that announces itself will come
	Cgroup   string       `json:"cgroup"`   // group of processes that belongs to the agent's user, empty without
}

// Order is what process 1 says later. Exactly one field is set.
type Order struct {
	Display *Display `json:"display,omitempty"`
	Done    *Done    `json:"done,omitempty"`
}

// Display says that an X server takes connections.
type Display struct {
	Server uint64 `json:"server"` // 1 for the first of this boot, 2 after its first restart, and so on
}

// Request is what the agent asks of process 1. Exactly one field is set.
type Request struct {
	// Resume is what the machine, which was started from a saved state, is to be.
	Resume *desktop.Boot `json:"resume,omitempty"`
	// Clock is the time to which the clock is to be advanced, in nanoseconds since
	// 1970.
	Clock int64 `json:"clock,omitempty"`
}

// Done answers a [Request]. Error is empty when all was done, and else says what
// was not.
type Done struct {
	Error string `json:"error,omitempty"`
}

// maxLine bounds one line.
const maxLine = 64 << 10

// Reader reads lines.
type Reader struct{ lines *bufio.Scanner }

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &Reader{s}
}

// Read reads the next line into v, a *Start, an *Order or a *Request. It returns
// io.EOF at the end.
func (r *Reader) Read(v any) error {
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return fmt.Errorf("read orders: %w", err)
		}
		return io.EOF
	}
	if err := json.Unmarshal(r.lines.Bytes(), v); err != nil {
		// The text of the error may quote the line, and so the token.
		return errors.New("read orders: a line is not what was expected")
	}
	return nil
}

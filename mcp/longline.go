package mcp

import (
	"encoding/json"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// maxKept bounds what idFinder keeps of a key or an id, in bytes.
const maxKept = 256

// idFinder finds the id of a request in a message that is too long to be kept,
// so that the request can be refused by its id. Some clients write the id last;
// the message is fed to it piece by piece, and nothing of it is kept but the
// key at hand and the id. What it finds in something that is not JSON is of no
// meaning.
type idFinder struct {
	depth   int
	quoted  bool   // in a string
	escaped bool   // after a backslash in it
	value   bool   // after the colon of a member of the outermost object
	token   []byte // the key or value at hand in the outermost object
	key     string
	id      json.RawMessage
}

// feed takes the next piece of the message.
func (f *idFinder) feed(piece []byte) {
	for _, b := range piece {
		f.next(b)
	}
}

func (f *idFinder) next(b byte) {
	if f.quoted {
		f.keep(b)
		switch {
		case f.escaped:
			f.escaped = false
		case b == '\\':
			f.escaped = true
		case b == '"':
			f.quoted = false
		}
		return
	}
	switch b {
	case '"':
		f.quoted = true
		f.keep(b)
	case '{', '[':
		f.depth++
		f.keep(b)
		if f.depth == 1 {
			f.token = nil
		}
	case '}', ']':
		if f.depth == 1 {
			f.member()
		}
		f.depth--
	case ':':
		if f.depth == 1 && !f.value {
			f.value, f.key, f.token = true, string(f.token), nil
		}
	case ',':
		if f.depth == 1 {
			f.member()
		}
	case ' ', '\t', '\r', '\n':
	default:
		f.keep(b)
	}
}

// keep keeps a byte of a key or value of the outermost object.
func (f *idFinder) keep(b byte) {
	if f.depth == 1 && len(f.token) <= maxKept {
		f.token = append(f.token, b)
	}
}

// member ends a member of the outermost object.
func (f *idFinder) member() {
	if f.value && f.key == `"id"` {
		f.id = f.token
	}
	f.value, f.key, f.token = false, "", nil
}

// found returns the id, nil when the message had none that can be answered.
func (f *idFinder) found() json.RawMessage {
	if len(f.id) > maxKept || !rpc.IsID(f.id) {
		return nil
	}
	return f.id
}

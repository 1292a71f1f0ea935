package qmp

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxMessage is the longest message, in bytes, that a [Client] takes. The
// longest that QEMU sends to what we ask is some tens of KiB.
const MaxMessage = 1 << 20

// Event is something that QEMU tells unasked, such as SHUTDOWN.
type Event struct {
	Name string
	Data json.RawMessage // a JSON object, or nil
}

// Field returns the text of one of the event's data, or "".
func (e Event) Field(name string) string {
	var data map[string]json.RawMessage
	var text string
	if json.Unmarshal(e.Data, &data) == nil && json.Unmarshal(data[name], &text) == nil {
		return text
	}
	return ""
}

// Error is QEMU's refusal of a command.
type Error struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

// Error returns "class: description".
func (e *Error) Error() string { return e.Class + ": " + e.Desc }

// Version is QEMU's own.
type Version struct {
	Major, Minor, Micro int
}

// String returns "7.2.22".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// message is any message from QEMU: exactly one of greeting, event, and answer
// with an id is set.
type message struct {
	greeting *Version
	event    *Event
	answer   *answer
}

type answer struct {
	id  uint64
	ret json.RawMessage
	err *Error
}

// request is a command for QEMU.
type request struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        uint64 `json:"id"`
}

// decode decodes one message (docs/interop/qmp-spec in QEMU's sources).
func decode(line []byte) (message, error) {
	var m struct {
		QMP *struct {
			Version struct {
				QEMU Version `json:"qemu"`
			} `json:"version"`
		} `json:"QMP"`
		Event  string          `json:"event"`
		Data   json.RawMessage `json:"data"`
		Return json.RawMessage `json:"return"`
		Error  *Error          `json:"error"`
		ID     *uint64         `json:"id"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("decode message: %w", err)
	}
	switch {
	case m.QMP != nil:
		return message{greeting: &m.QMP.Version.QEMU}, nil
	case m.Event != "":
		return message{event: &Event{Name: m.Event, Data: m.Data}}, nil
	case m.Error != nil && m.ID == nil:
		return message{}, fmt.Errorf("qemu could not read a command: %w", m.Error)
	case (m.Return != nil || m.Error != nil) && m.ID != nil:
		return message{answer: &answer{id: *m.ID, ret: m.Return, err: m.Error}}, nil
	}
	return message{}, errors.New("message is no greeting, event or answer")
}

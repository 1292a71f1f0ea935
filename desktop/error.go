package desktop

import "fmt"

// Code classifies an [Error] for programs.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"       // the action cannot be done as asked; nothing was done
	CodeCancelled    Code = "cancelled"     // stopped on request; part of it may have been done
	CodeNotDelivered Code = "not_delivered" // part of it did not reach the application; the message says which
	CodeUnavailable  Code = "unavailable"   // the desktop is not there just now, such as while X restarts
	CodeUnknown      Code = "unknown"       // whether it was done is not known
	CodeInternal     Code = "internal"      // the agent failed; the message says how
)

// Error is the failure of one action, as the guest agent reports it. Message
// is for the model or person who asked, and says what to do next.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error returns "code: message".
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Errorf returns an *Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ProtocolError is a peer that broke the protocol. The connection is closed for
// it; nothing else can be believed.
type ProtocolError struct {
	Reason string // bounded, on one line
}

// Error returns what the peer did.
func (e *ProtocolError) Error() string { return "peer broke the protocol: " + e.Reason }

// broken makes a ProtocolError of an error whose text may quote the peer.
func broken(err error) *ProtocolError { return &ProtocolError{PlainLine(err.Error(), 512)} }

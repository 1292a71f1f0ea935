package guard

import (
	"io"
	"net/http"
	"time"
)

// hurried is a body that must have arrived within bodyTimeout.
type hurried struct {
	io.ReadCloser
	conn *http.ResponseController
}

// hurry starts the clock of a body. It is stopped at the end of the body: the
// deadline is one of the connection, and a handler that answers for minutes would
// else be taken for one whose client has gone.
func hurry(w http.ResponseWriter, body io.ReadCloser) io.ReadCloser {
	h := &hurried{body, http.NewResponseController(w)}
	h.deadline(time.Now().Add(bodyTimeout))
	return h
}

// deadline has no effect on a writer without a connection, as tests have.
func (h *hurried) deadline(t time.Time) { _ = h.conn.SetReadDeadline(t) }

func (h *hurried) Read(b []byte) (int, error) {
	n, err := h.ReadCloser.Read(b)
	if err == io.EOF {
		h.deadline(time.Time{})
	}
	return n, err
}

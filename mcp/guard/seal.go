package guard

import (
	"net/http"
	"strings"
	"time"
)

// sealed is a ResponseWriter that lets no CORS header out, lets no browser
// guess at or keep what it answers, and gives up a client that does not take it.
type sealed struct {
	http.ResponseWriter
	conn *http.ResponseController
}

// seal returns w without CORS headers, and with a deadline for each write. It flushes
// as w does, directly and through an [http.ResponseController].
func seal(w http.ResponseWriter) *sealed { return &sealed{w, http.NewResponseController(w)} }

// Unwrap is for [http.ResponseController], which asks for everything but Flush
// there.
func (s *sealed) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *sealed) WriteHeader(status int) {
	s.begin()
	s.ResponseWriter.WriteHeader(status)
}

func (s *sealed) Write(b []byte) (int, error) {
	s.begin()
	return s.ResponseWriter.Write(b)
}

// Flush sends the headers when nothing has been written yet.
func (s *sealed) Flush() { _ = s.FlushError() }

// FlushError is what an [http.ResponseController] flushes by.
func (s *sealed) FlushError() error {
	s.begin()
	return s.conn.Flush()
}

// begin is called before each way by which something gets out. Once the headers
// have, changes of them have no effect.
func (s *sealed) begin() {
	s.strip()
	// Without effect on a writer without a connection, as tests have.
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
}

func (s *sealed) strip() {
	h := s.Header()
	for name := range h {
		// Keys that were set without canonicalizing them count as well.
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "Access-Control-") {
			delete(h, name)
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

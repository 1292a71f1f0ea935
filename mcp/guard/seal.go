package guard

import (
	"net/http"
	"strings"
)

// sealed is a ResponseWriter that lets no CORS header out, and lets no browser
// guess at or keep what it answers.
type sealed struct {
	http.ResponseWriter
}

// seal returns w without CORS headers. It flushes as w does, directly and
// through an [http.ResponseController].
func seal(w http.ResponseWriter) *sealed { return &sealed{w} }

// Unwrap is for [http.ResponseController], which asks for everything but Flush
// there.
func (s *sealed) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *sealed) WriteHeader(status int) {
	s.strip()
	s.ResponseWriter.WriteHeader(status)
}

func (s *sealed) Write(b []byte) (int, error) {
	s.strip()
	return s.ResponseWriter.Write(b)
}

// Flush sends the headers when nothing has been written yet.
func (s *sealed) Flush() { _ = s.FlushError() }

// FlushError is what an [http.ResponseController] flushes by.
func (s *sealed) FlushError() error {
	s.strip()
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// strip is called before each way by which headers get out. Changes after the
// first have no effect.
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

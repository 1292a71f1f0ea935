package mcp

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/vmette/vmette-mcp/mcp/picture"
)

// Headers by which a client of HTTP asks for smaller pictures than the server would
// send. Each call is shown, and its coordinates are meant, as its own header says.
const (
	headerMaxEdge   = "Vmette-Image-Max-Edge"
	headerMaxPixels = "Vmette-Image-Max-Pixels"
	headerMaxBytes  = "Vmette-Image-Max-Bytes"
)

// budgetFor returns the budget of pictures for a client that has sent h, which is
// nil without HTTP: the server's, or less where h says so.
func budgetFor(server picture.Budget, h http.Header) (picture.Budget, error) {
	b := server.WithDefaults()
	for _, f := range []struct {
		header string
		least  int
		value  *int
	}{
		{headerMaxEdge, picture.MinMaxEdge, &b.MaxEdge},
		{headerMaxPixels, picture.MinMaxPixels, &b.MaxPixels},
		{headerMaxBytes, picture.MinMaxBase64, &b.MaxBase64},
	} {
		sent := h.Get(f.header)
		if sent == "" {
			continue
		}
		n, err := strconv.Atoi(sent)
		if err != nil || n < f.least || n > *f.value {
			return b, fmt.Errorf("the header %s is %s: send a whole number from %d to %d, which is what this server allows", f.header, quote(sent), f.least, *f.value)
		}
		*f.value = n
	}
	return b, nil
}

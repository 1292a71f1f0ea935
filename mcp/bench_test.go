package mcp

import (
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

// BenchmarkScreenshot measures what this package adds to a screenshot: decoding
// the call, encoding the picture and the answer, and the transport.
func BenchmarkScreenshot(b *testing.B) {
	host := newFakeHost()
	host.screen = desktop.Size{Width: 1280, Height: 800}
	in, out, end := serve(b, host)
	lines := scan(out)
	for i := 0; b.Loop(); i++ {
		send(b, in, toolCall(i, "screenshot", `{}`))
		answers(b, lines, 1)
	}
	if err := end(); err != nil {
		b.Error(err)
	}
}

package mcp

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// A server that is told to end finishes the calls in flight.
func TestEndOfHTTP(t *testing.T) {
	host := newFakeHost()
	w := serveHTTP(t, host, HTTPConfig{})
	entered, leave := make(chan struct{}), make(chan struct{})
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		close(entered)
		<-leave
		return obey(ctx, d, a, o)
	}
	s := w.session()
	w.do("GET", "/mcp", "", s...) // a stream that the client does not hang up
	answered := make(chan reply)
	go func() { answered <- w.call(s, "wait", `{"duration":1}`) }()
	<-entered
	ended := make(chan error)
	go func() { ended <- w.end() }()
	for w.do("GET", "/readyz", "").StatusCode == http.StatusOK { // until it is noticed
	}
	close(leave)
	if o := <-answered; o.Result.IsError {
		t.Errorf("the call in flight is told %s", o.text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(host.live) != 0 || host.leases != 0 {
		t.Errorf("%d desktops and %d leases are left", len(host.live), host.leases)
	}
}

// A call that takes longer than the server may is cut off. That is in the log, and
// no failure of the server.
func TestEndOfHTTPHasAnEnd(t *testing.T) {
	host := newFakeHost()
	var log bytes.Buffer
	w := serveServer(t, Config{Desktops: host, Images: host, Logger: slog.New(slog.NewTextHandler(&log, nil))}, HTTPConfig{Finish: 10 * time.Millisecond})
	entered := make(chan struct{})
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		close(entered)
		return hang(ctx, d, a, o)
	}
	s := w.session()
	answered := make(chan *http.Response)
	go func() { answered <- w.do("POST", "/mcp", toolCall(1, "wait", `{"duration":100}`), s...) }()
	<-entered
	if err := w.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	<-answered
	if got := log.String(); !strings.Contains(got, "calls were cut off") {
		t.Errorf("the log says %s", got)
	}
	if len(host.live) != 0 || host.leases != 0 {
		t.Errorf("%d desktops and %d leases are left", len(host.live), host.leases)
	}
}

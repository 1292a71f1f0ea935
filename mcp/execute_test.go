package mcp

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/sandbox"
)

// The machine of a call ends when the client gives the call up, or goes.
func TestExecuteEndsWithItsClient(t *testing.T) {
	for name, leave := range map[string]string{
		"cancelled": `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		"gone":      "",
	} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost()
			host.executes = make(chan sandbox.Config)
			in, out, end := serveConfig(t, host, Config{Programs: fakePrograms{host}})
			lines := scan(out)
			send(t, in, toolCall(1, "execute", `{"language":"sh","code":"hang"}`))
			<-host.executes // it runs
			if leave != "" {
				send(t, in, leave+"\n")
				<-host.executes // it has ended
				send(t, in, `{"jsonrpc":"2.0","id":2,"method":"ping"}`+"\n")
				answers(t, lines, 1)
			} else {
				in.Close()
				<-host.executes
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A call that says nothing of time is answered within a minute, whatever happens.
func TestExecuteTimes(t *testing.T) {
	for _, tt := range []struct {
		timeout   string
		run, boot time.Duration
	}{
		{``, 30 * time.Second, 25 * time.Second},
		{`,"timeout":5`, 5 * time.Second, 25 * time.Second},
		{`,"timeout":100`, 100 * time.Second, 100 * time.Second},
		{`,"timeout":3600`, time.Hour, sandbox.DefaultBootTimeout},
	} {
		host := newFakeHost()
		host.executes = make(chan sandbox.Config)
		in, out, end := serveConfig(t, host, Config{Programs: fakePrograms{host}})
		scan(out)
		send(t, in, toolCall(1, "execute", `{"language":"sh","code":"hang"`+tt.timeout+`}`))
		cfg := <-host.executes
		if boot := cfg.BootTimeout.Round(time.Second); cfg.Timeout != tt.run || boot != tt.boot {
			t.Errorf("%s: %v to run and %v to boot, want %v and %v", tt.timeout, cfg.Timeout, boot, tt.run, tt.boot)
		}
		in.Close()
		<-host.executes
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

// What runs counts as a desktop of its client's, and ends with the session.
func TestExecuteOverHTTP(t *testing.T) {
	v, as := tokens(t, "alice", "bob")
	host := newFakeHost()
	host.executes = make(chan sandbox.Config)
	w := serveServer(t, Config{Desktops: host, Images: host, Runner: host, Programs: fakePrograms{host}},
		HTTPConfig{Verifiers: []auth.Verifier{v}, Limits: quota.Limits{Desktops: 1}})
	alice := w.session(as["alice"]...)
	over := make(chan bool)
	go func() {
		defer close(over)
		// With its session the answer ends, too.
		_, _ = io.Copy(io.Discard, w.do("POST", "/mcp", strings.TrimSpace(toolCall(1000, "execute", `{"language":"sh","code":"hang"}`)), alice...).Body)
	}()
	<-host.executes // it runs
	if o := w.call(alice, "desktop_create", `{}`); !o.Result.IsError || !strings.Contains(o.text(), "limit of 1 desktops at once") {
		t.Errorf("a desktop beside it is answered %s", o.text())
	}
	if o := w.callStateless("desktop_create", `{}`, as["bob"]...); o.Result.IsError {
		t.Errorf("another client is told %s", o.text())
	}
	w.do("DELETE", "/mcp", "", alice...)
	<-host.executes // it has ended
	<-over
}

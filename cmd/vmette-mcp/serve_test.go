package main

import (
	"io"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// plain is a backend that saves nothing.
type plain struct{ sandbox.Backend }

// Desktops that clients of the network leave behind do not run for ever, unless the
// operator says so.
func TestClocks(t *testing.T) {
	saver := new(sandboxtest.Backend)
	const network = "--http=127.0.0.1:0"
	for _, tt := range []struct {
		name          string
		args          []string
		backend       sandbox.Backend
		idle, suspend time.Duration
	}{
		{"one client", nil, saver, 0, 0},
		{"one client, as it says", []string{"--idle=2h", "--suspend=1m"}, saver, 2 * time.Hour, time.Minute},
		{"the network", []string{network}, saver, time.Hour, 10 * time.Minute},
		{"the network, as it says", []string{network, "--idle=2h", "--suspend=1m"}, saver, 2 * time.Hour, time.Minute},
		{"the network, never", []string{network, "--idle=0s", "--suspend=0s"}, saver, 0, 0},
		{"nothing is saved", []string{network}, plain{saver}, time.Hour, 0},
		{"nothing is saved with this device", []string{network, "--vsock=vhost"}, saver, time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cli commandLine
			parser, err := newParser(&cli, io.Discard, io.Discard, new(bool))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(append([]string{"serve"}, tt.args...)); err != nil {
				t.Fatal(err)
			}
			if idle, suspend := cli.Serve.clocks(tt.backend); idle != tt.idle || suspend != tt.suspend {
				t.Errorf("they end after %v and are suspended after %v, want %v and %v", idle, suspend, tt.idle, tt.suspend)
			}
		})
	}
}

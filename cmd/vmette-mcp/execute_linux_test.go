package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
)

// TestIntegrationExecute has a client run programs in real guests, each in one of
// its own, and leave while one runs.
func TestIntegrationExecute(t *testing.T) {
	client := startServer(t, t.TempDir(), "--execute", "sh", "--execute", "python="+rootfs.DefaultSpec)
	defer client.Close()
	type outcome struct {
		ExitCode  int    `json:"exit_code"`
		TimedOut  bool   `json:"timed_out"`
		Stdout    string `json:"stdout"`
		Stderr    string `json:"stderr"`
		Isolation string `json:"isolation"`
		Image     string `json:"image"`
		Duration  int    `json:"duration_ms"`
		Start     int    `json:"start_ms"`
	}
	execute := func(args map[string]any) (out outcome) {
		t.Helper()
		res := call(t, client, "execute", args)
		if err := json.Unmarshal(res.Structured, &out); err != nil {
			t.Fatalf("%v: %s", err, res.Structured)
		}
		t.Logf("%s: up after %d ms, ran for %d ms", out.Image, out.Start, out.Duration)
		return out
	}

	got := execute(map[string]any{"language": "sh", "code": "cat; echo err >&2; touch /marker; exit 42", "stdin": "typed"})
	if got.ExitCode != 42 || got.Stdout != "typed" || got.Stderr != "err\n" || got.Isolation == "" || got.Image != rootfs.MinimalSpec {
		t.Errorf("sh: %+v", got)
	}
	got = execute(map[string]any{
		"language": "python", "timeout": 5,
		"code": "import os, time\nprint(6 * 7, os.path.exists('/marker'), flush=True)\ntime.sleep(1000)",
	})
	if got.ExitCode != exitTimeout || !got.TimedOut || got.Stdout != "42 False\n" || got.Image != rootfs.DefaultSpec {
		t.Errorf("python: %+v", got)
	}
	if left := descendants(t, client.PID()); len(left) > 0 {
		t.Errorf("after both these run on: %v", left)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// TestIntegrationExecuteCancelled gives up a program that runs: its machine ends at
// once.
func TestIntegrationExecuteCancelled(t *testing.T) {
	smallRoot(t) // skips, or says what to run
	s := startInProcess(t, "serve", "--image", rootfs.MinimalSpec, "--state-dir", t.TempDir())
	say := func(message string) {
		t.Helper()
		if _, err := fmt.Fprintln(s.in, message); err != nil {
			t.Fatal(err)
		}
	}
	say(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute","arguments":{"language":"sh","code":"sleep 1000"},"_meta":{"progressToken":1}}}`)
	for {
		line, err := s.out.ReadString('\n')
		if err != nil || !strings.Contains(line, "notifications/progress") {
			t.Fatalf("the server said %s, %v", line, err)
		}
		if strings.Contains(line, "run command") {
			break
		}
	}
	machines := descendants(t, os.Getpid())
	if len(machines) == 0 {
		t.Error("no process runs the machine")
	}
	begun := time.Now()
	say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	for _, p := range machines {
		if !p.endsWithin(time.Second) {
			t.Errorf("%v runs on", p)
		}
		p.close()
	}
	t.Logf("the machine was gone after %v", time.Since(begun))
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

package main

import (
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/agent"
	"github.com/vmette/vmette-mcp/mcp/mcpclient"
	"github.com/vmette/vmette-mcp/rootfs"
)

// startServer starts this program as a server, with the minimal image and a
// state directory of its own.
func startServer(t *testing.T, state string, flags ...string) *mcpclient.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	if _, err := agent.Binary(); err != nil {
		t.Fatalf("%v (make test does)", err)
	}
	store, err := rootfs.Open(os.Getenv("VMETTE_CACHE_DIR")) // where the server will look
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), rootfs.MinimalSpec); err != nil {
		t.Fatalf("%v: run vmette-mcp rootfs build %s (make test does)", err, rootfs.MinimalSpec)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcpclient.Start(t.Context(), mcpclient.Options{
		Path:   self,
		Args:   append([]string{"serve", "--image", rootfs.MinimalSpec, "--state-dir", state}, flags...),
		Env:    append(os.Environ(), asCommand+"=1"),
		Stderr: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// call calls a tool that is to succeed.
func call(t *testing.T, c *mcpclient.Client, tool string, args map[string]any) *mcpclient.Result {
	t.Helper()
	res, err := c.Call(t.Context(), tool, args)
	if err != nil {
		t.Fatal(err)
	}
	if res.IsError {
		t.Fatalf("%s: %s", tool, res.Text)
	}
	return res
}

// TestIntegrationServe drives a real guest over stdio, and then closes standard
// input while the desktop is still there.
func TestIntegrationServe(t *testing.T) {
	client := startServer(t, t.TempDir(), "--start", "cold")
	defer client.Close()

	created := call(t, client, "desktop_create", nil)
	var desktop struct {
		ID        string `json:"desktop_id"`
		Isolation string `json:"isolation"`
		Width     int    `json:"width"`
	}
	if err := json.Unmarshal(created.Structured, &desktop); err != nil || desktop.ID == "" || desktop.Isolation == "" || desktop.Width != 1280 {
		t.Fatalf("desktop_create answered %s, %v", created.Structured, err)
	}

	if shot := call(t, client, "screenshot", nil); shot.ImageType != "image/png" || len(shot.Image) == 0 {
		t.Fatalf("screenshot answered a picture of type %q, %d bytes", shot.ImageType, len(shot.Image))
	}
	call(t, client, "exec", map[string]any{
		"command": "mkfifo /tmp/ready /tmp/done; setsid xterm -geometry 80x20+100+100 " +
			"-e sh -c 'echo >/tmp/ready; cat >/tmp/typed; echo >/tmp/done' >/dev/null 2>&1 & read line </tmp/ready",
		"timeout": 60,
	})
	// The shell in it runs, but its window may not be there yet: moving the
	// pointer answers once the screen is quiet.
	call(t, client, "mouse_move", map[string]any{"coordinate": []int{300, 240}})
	click := call(t, client, "left_click", map[string]any{"coordinate": []int{300, 200}})
	if !strings.Contains(click.Text, "300, 200") {
		t.Errorf("left_click does not say where it clicked: %s", click.Text)
	}
	if typed := call(t, client, "type", map[string]any{"text": "Hello, wörld\n"}); typed.Image == nil {
		t.Errorf("typing into the terminal changed nothing: %s", typed.Text)
	}
	call(t, client, "key", map[string]any{"text": "ctrl+d"})
	read := call(t, client, "exec", map[string]any{"command": "read line </tmp/done; cat /tmp/typed"})
	var out struct {
		ExitCode int    `json:"exit_code"`
		Stdout   string `json:"stdout"`
	}
	if err := json.Unmarshal(read.Structured, &out); err != nil || out.Stdout != "Hello, wörld\n" {
		t.Errorf("the file holds %q (exit code %d, %v)", out.Stdout, out.ExitCode, err)
	}

	// A wrong call is refused with words, and the desktop lives on.
	wrong, err := client.Call(t.Context(), "left_click", map[string]any{"coordinate": []int{5000, 5}})
	if err != nil || !wrong.IsError || !strings.Contains(wrong.Text, "1280") {
		t.Errorf("a click outside the screen: %+v, %v", wrong, err)
	}

	call(t, client, "desktop_close", map[string]any{"desktop_id": desktop.ID})
	if left := descendants(t, client.PID()); len(left) > 0 {
		t.Errorf("after desktop_close these run on: %v", left)
	}

	call(t, client, "screenshot", nil) // the conversation's own desktop, booted anew
	children := descendants(t, client.PID())
	if len(children) == 0 {
		t.Error("a desktop is there, but no process runs it")
	}
	start := time.Now()
	if err := client.Close(); err != nil {
		t.Errorf("end of input: %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the server took %v to end, want at most 2s", took)
	}
	for _, p := range children {
		if !p.endsWithin(0) {
			t.Errorf("%v outlives the server", p)
		}
		p.close()
	}
}

// TestIntegrationKill kills the server at random moments while it boots and
// uses a desktop: a few times, or as often as VMETTE_KILLS says. Nothing of it may
// run on, and the next start removes what is left of it in the file system.
func TestIntegrationKill(t *testing.T) {
	times, _ := kills(t)
	state, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	adoptOrphans(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))

	boot := bootTime(t, state)
	for range times {
		client := startServer(t, state, "--start", "cold")
		// Two thirds of the moments lie in the boot, the others in its use.
		moment := time.Duration(moments.Int64N(int64(boot) * 3 / 2))
		killAt(t, client, moment)
	}

	// The next start cleans up, and leaves nothing itself.
	if err := startServer(t, state, "--start", "cold").Close(); err != nil {
		t.Fatal(err)
	}
	if left := append(filesIn(t, state), filesIn(t, temporary)...); len(left) > 0 {
		t.Errorf("these files are left: %v", left)
	}
}

// bootTime boots a desktop and says how long that took.
func bootTime(t *testing.T, state string) time.Duration {
	t.Helper()
	client := startServer(t, state, "--start", "cold")
	start := time.Now()
	call(t, client, "desktop_create", nil)
	took := time.Since(start)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	return took
}

// killAt kills the server a while after it was told to create a desktop, and
// waits until everything that it had started is gone.
func killAt(t *testing.T, client *mcpclient.Client, moment time.Duration) {
	t.Helper()
	used := make(chan struct{})
	go func() {
		defer close(used)
		for {
			if _, err := client.Call(t.Context(), "screenshot", nil); err != nil {
				return // it was killed
			}
		}
	}()
	<-time.After(moment)
	server, err := os.FindProcess(client.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = client.Close() // it says that the server was killed
	<-used
	for _, p := range descendants(t, os.Getpid()) {
		if !p.endsWithin(2 * time.Second) {
			t.Errorf("killed %v after its start: %v runs on", moment, p)
		}
		p.reap()
		p.close()
	}
}

// filesIn returns what is in dir, but for locks, which are empty files that
// servers share.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if p != dir && !(d.Type().IsRegular() && info.Size() == 0 && strings.HasSuffix(p, "lock")) {
			files = append(files, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

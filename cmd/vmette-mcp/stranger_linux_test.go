//go:build long

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/rootfs"
)

// buildForeign builds an image where the server will look for it, and removes it
// with the test.
func buildForeign(t *testing.T, spec string) *rootfs.Image {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	store, err := rootfs.Open(os.Getenv("VMETTE_CACHE_DIR"))
	if err != nil {
		t.Fatal(err)
	}
	bar := rootfs.NewBar(t.Output())
	defer bar.Close()
	img, err := store.Build(t.Context(), spec, bar.Update)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Remove(img.ID); err != nil {
			t.Error(err)
		}
	})
	return img
}

// TestIntegrationStranger has a Debian that mmdebstrap makes, with an X server
// and a window manager and nothing that was done for this program. It gives a
// working desktop.
func TestIntegrationStranger(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	archive := filepath.Join(t.TempDir(), "stranger.tar")
	mmdebstrap := exec.CommandContext(t.Context(), "mmdebstrap",
		"--quiet", "--variant=minbase", `--aptopt=APT::Install-Recommends "false"`,
		// What they draw with OpenGL with is half of the image.
		"--dpkgopt=path-exclude=/usr/lib/*/libLLVM*", "--dpkgopt=path-exclude=/usr/lib/*/dri/*",
		"--include=xvfb,icewm,xterm", "bookworm", archive)
	if said, err := mmdebstrap.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	img := buildForeign(t, "tar+file:"+archive)
	client := startServer(t, t.TempDir(), "--image", img.Name, "--start", "cold")
	defer client.Close()

	created := call(t, client, "desktop_create", nil)
	var desktop struct {
		Image string `json:"image"`
		Width int    `json:"width"`
	}
	if err := json.Unmarshal(created.Structured, &desktop); err != nil || desktop.Width != 1280 {
		t.Errorf("desktop_create answered %s, %v", created.Structured, err)
	}
	call(t, client, "exec", map[string]any{"command": "mkfifo /tmp/done"})
	call(t, client, "launch", map[string]any{
		"command": "xterm -geometry 80x20+100+100 -e sh -c 'cat >/tmp/typed; echo >/tmp/done'",
	})
	call(t, client, "left_click", map[string]any{"coordinate": []int{300, 200}})
	if typed := call(t, client, "type", map[string]any{"text": "from a stranger\n"}); typed.Image == nil {
		t.Errorf("typing into the terminal changed nothing: %s", typed.Text)
	}
	call(t, client, "key", map[string]any{"text": "ctrl+d"})
	read := call(t, client, "exec", map[string]any{
		"command": "read line </tmp/done; cat /tmp/typed; grep -l icewm /proc/[0-9]*/comm; ls /lib/modules/$(uname -r)/modules.dep; id -un",
		"timeout": 60,
	})
	for _, want := range []string{"from a stranger", "/comm", "/modules.dep", "user"} {
		if !strings.Contains(read.Text, want) {
			t.Errorf("the guest lacks %q: %s", want, read.Text)
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// TestIntegrationNoServer has an image that boots and has nothing to draw with.
func TestIntegrationNoServer(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "readme"), []byte("nothing else\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	img := buildForeign(t, root)
	client := startServer(t, t.TempDir(), "--image", img.Name, "--start", "cold")
	defer client.Close()
	res, err := client.Call(t.Context(), "desktop_create", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !res.IsError || !strings.Contains(res.Text, "Xvfb") || !strings.Contains(res.Text, "install") {
		t.Errorf("desktop_create says neither what is missing nor what to install: %s", res.Text)
	}
}

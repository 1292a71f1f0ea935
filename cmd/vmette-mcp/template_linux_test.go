package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/mcp/mcpclient"
	"github.com/vmette/vmette-mcp/rootfs"
)

// ownCache makes the command keep templates in a directory of the test's own, with
// the images of the user's cache in it, and returns where the templates are.
func ownCache(t *testing.T) string {
	t.Helper()
	store, err := rootfs.Open(os.Getenv("VMETTE_CACHE_DIR"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(store.Dir(), "images"), filepath.Join(dir, "images")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VMETTE_CACHE_DIR", dir)
	return filepath.Join(dir, "templates")
}

// templateBuild returns the command that builds the template of an image.
func templateBuild(t *testing.T, spec string, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"template", "build", spec}, flags...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	return cmd
}

// templateFile returns the path of a file of the one template in dir.
func templateFile(t *testing.T, dir, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s of templates: %v, %v; want one", name, found, err)
	}
	return found[0]
}

// hostnameOf creates a desktop and returns its name, how long it took to be there,
// and what its first action told.
func hostnameOf(t *testing.T, c *mcpclient.Client) (name string, took time.Duration, told string) {
	t.Helper()
	begun := time.Now()
	created := call(t, c, "desktop_create", nil)
	took = time.Since(begun)
	var desktop struct {
		ID string `json:"desktop_id"`
	}
	if err := json.Unmarshal(created.Structured, &desktop); err != nil {
		t.Fatal(err)
	}
	res := call(t, c, "exec", map[string]any{"command": "hostname", "desktop_id": desktop.ID})
	var out struct {
		Stdout string `json:"stdout"`
	}
	if err := json.Unmarshal(res.Structured, &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.Stdout), took, created.Text + res.Text
}

func TestIntegrationTemplate(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	templates := ownCache(t)
	begun := time.Now()
	if err := templateBuild(t, rootfs.MinimalSpec).Run(); err != nil {
		t.Fatal(err)
	}
	t.Logf("built in %v", time.Since(begun))

	client := startServer(t, t.TempDir())
	one, took, told := hostnameOf(t, client)
	t.Logf("created in %v", took)
	if strings.Contains(told, "booted") {
		t.Errorf("the first desktop tells %q", told)
	}
	two, took, _ := hostnameOf(t, client)
	t.Logf("created in %v", took)
	if one == two || one == "" {
		t.Errorf("the desktops are called %q and %q", one, two)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}

	// A template that is broken costs time, and nothing else.
	memory := templateFile(t, templates, "machine/memory")
	info, err := os.Stat(memory)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(memory, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	client = startServer(t, t.TempDir())
	if _, _, told := hostnameOf(t, client); !strings.Contains(told, "booted anew") {
		t.Errorf("with a broken template the first desktop tells %q", told)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(memory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the broken template is still there: %v", err)
	}
}

// TestIntegrationTemplateKill kills builds at random moments. The template that was
// there stays, and nothing half made is left.
func TestIntegrationTemplateKill(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	const times = 5
	templates := ownCache(t)
	adoptOrphans(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	begun := time.Now()
	if err := templateBuild(t, rootfs.MinimalSpec, "--no-warm-browser").Run(); err != nil {
		t.Fatal(err)
	}
	build := time.Since(begun)
	for range times {
		cmd := templateBuild(t, rootfs.MinimalSpec, "--no-warm-browser", "--again")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration(moments.Int64N(int64(build)))
		<-time.After(moment)
		cmd.Process.Kill()
		cmd.Wait()
		for _, p := range descendants(t, os.Getpid()) {
			if !p.endsWithin(2 * time.Second) {
				t.Errorf("killed %v after its start: %v runs on", moment, p)
			}
			p.reap()
			p.close()
		}
	}
	client := startServer(t, t.TempDir(), "--no-warm-browser")
	if _, _, told := hostnameOf(t, client); strings.Contains(told, "booted") {
		t.Errorf("after builds were killed, a desktop tells %q", told)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	half, err := filepath.Glob(filepath.Join(templates, "*.new"))
	if err != nil || len(half) > 0 {
		t.Errorf("these are left: %v, %v", half, err)
	}
	templateFile(t, templates, "template.json")
}

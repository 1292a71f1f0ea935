package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// TestIntegrationAuthorities has the programs and the browser of a desktop look at a
// server whose certificate nobody but an authority of the host's has signed, and at one
// of a stranger. Both serve from a directory of the host.
func TestIntegrationAuthorities(t *testing.T) {
	ca, site := t.TempDir(), t.TempDir()
	ours, stranger := sandboxtest.NewAuthority(t), sandboxtest.NewAuthority(t)
	files := map[string][]byte{
		filepath.Join(ca, "ours.pem"):    ours.PEM(),
		filepath.Join(site, "page.html"): []byte("<!doctype html><title>Only ours</title>"),
	}
	for name, a := range map[string]*sandboxtest.Authority{"ours": ours, "stranger": stranger} {
		cert, key := a.Server(t, "localhost")
		files[filepath.Join(site, name+".pem")] = append(cert, key...)
	}
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(site, 0o755); err != nil { // for the desktop's user
		t.Fatal(err)
	}
	client := startServer(t, t.TempDir(), "--image", rootfs.DefaultSpec, "--ca", ca, "--share", "site="+site+":ro")
	defer client.Close()
	d := desk{t, client, ""}
	d.shell(`cd /mnt/site
serve() { setsid openssl s_server -accept $1 -cert $2.pem -key $2.pem -WWW >/tmp/$2.log 2>&1 & }
serve 4433 ours; serve 4434 stranger
for port in 4433 4434; do
	for i in $(seq 300); do curl -ks https://localhost:$port/page.html >/dev/null && continue 2; sleep 0.1; done
	exit 1
done`)
	got := d.shell(`try() { "$@" >/dev/null 2>&1 </dev/null; echo "$?"; }
for port in 4433 4434; do
	try curl -s https://localhost:$port/page.html
	try openssl s_client -connect localhost:$port -verify_return_error -verify_hostname localhost
done`)
	if want := "0\n0\n60\n1\n"; got != want {
		t.Errorf("curl and openssl of our server and of a stranger's end with %q, want %q", got, want)
	}
	d.call("open_url", map[string]any{"url": "https://localhost:4433/page.html"})
	d.find("chromium", "Only ours")

	// What is shared is not saved, and the answer says so.
	res, err := client.Call(t.Context(), "desktop_checkpoint", map[string]any{"name": "one"})
	if err != nil || !res.IsError || !strings.Contains(res.Text, "cannot be saved") {
		t.Errorf("desktop_checkpoint answered %q, %v", res.Text, err)
	}
}

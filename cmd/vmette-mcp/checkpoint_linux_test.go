package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/mcp/mcpclient"
	"github.com/vmette/vmette-mcp/rootfs"
)

// startApplications starts a server whose desktops have a text editor and a browser
// that runs already. The template is built when it is not there.
func startApplications(t *testing.T) *mcpclient.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	if err := templateBuild(t, rootfs.DefaultSpec).Run(); err != nil {
		t.Fatalf("%v: vmette-mcp rootfs build makes the image (make test does)", err)
	}
	client := startServer(t, t.TempDir(), "--image", rootfs.DefaultSpec)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// desk is one desktop of a client.
type desk struct {
	t      *testing.T
	client *mcpclient.Client
	id     string // "" is the conversation's own
}

func (d desk) call(tool string, args map[string]any) *mcpclient.Result {
	d.t.Helper()
	if args == nil {
		args = map[string]any{}
	}
	if d.id != "" {
		args["desktop_id"] = d.id
	}
	return call(d.t, d.client, tool, args)
}

// shell runs a command that is to succeed and returns what it printed.
func (d desk) shell(command string) string {
	d.t.Helper()
	var out struct {
		ExitCode int    `json:"exit_code"`
		Stdout   string `json:"stdout"`
		Stderr   string `json:"stderr"`
	}
	res := d.call("exec", map[string]any{"command": command, "timeout": 300})
	if err := json.Unmarshal(res.Structured, &out); err != nil || out.ExitCode != 0 {
		d.t.Fatalf("%s: exit code %d, %v: %s", command, out.ExitCode, err, out.Stderr)
	}
	return out.Stdout
}

// window is one window of an application.
type window struct {
	ID     uint32
	Title  string
	Class  string
	Region [4]int
}

// at returns the point that is that far into the window, in percent of its sides.
func (w window) at(x, y int) []int {
	return []int{w.Region[0] + (w.Region[2]-w.Region[0])*x/100, w.Region[1] + (w.Region[3]-w.Region[1])*y/100}
}

// windows returns the windows that an answer names.
func (d desk) windows(res *mcpclient.Result) []window {
	d.t.Helper()
	var out struct{ Windows []window }
	if err := json.Unmarshal(res.Structured, &out); err != nil {
		d.t.Fatalf("no windows in %s: %v", res.Structured, err)
	}
	return out.Windows
}

// find returns the window of an application whose title holds text. It waits for
// that, and looks again each time the screen has settled.
func (d desk) find(class, title string) window {
	d.t.Helper()
	const limit = 5 * time.Minute // a browser starts in half of one on an emulated machine
	var list []window
	for begun := time.Now(); time.Since(begun) < limit; d.call("wait", map[string]any{"duration": 0}) {
		list = d.windows(d.call("list_windows", nil))
		for _, w := range list {
			if strings.Contains(strings.ToLower(w.Class), class) && strings.Contains(w.Title, title) {
				return w
			}
		}
	}
	d.t.Fatalf("no window of %s with the title %q after %v among %+v", class, title, limit, list)
	return window{}
}

// TestIntegrationRollback rolls back a document that is typed halfway and was never
// saved, after it was finished, saved and lost with its editor.
func TestIntegrationRollback(t *testing.T) {
	d := desk{t, startApplications(t), ""}
	d.shell(": >draft.txt")
	editor := d.windows(d.call("launch", map[string]any{"command": "mousepad draft.txt", "timeout": 300}))[0]
	d.call("left_click", map[string]any{"coordinate": editor.at(50, 60)})
	d.call("type", map[string]any{"text": "Half of a sentence"})

	begun := time.Now()
	d.call("desktop_checkpoint", map[string]any{"name": "half"})
	t.Logf("checkpoint in %v", time.Since(begun))

	d.call("type", map[string]any{"text": ", and a wrong end."})
	d.call("key", map[string]any{"text": "ctrl+s"})
	d.call("key", map[string]any{"text": "ctrl+q"})
	if got := d.shell("cat draft.txt"); got != "Half of a sentence, and a wrong end." {
		t.Fatalf("before the rollback the file holds %q", got)
	}

	begun = time.Now()
	back := d.call("desktop_rollback", map[string]any{"checkpoint": "half"})
	t.Logf("rolled back and looked at in %v", time.Since(begun))
	if back.Image == nil {
		t.Errorf("no picture came with %q", back.Text)
	}
	if got := d.shell("cat draft.txt"); got != "" {
		t.Errorf("after the rollback the file holds %q, although nothing was saved then", got)
	}
	if again := d.find("mousepad", ""); again.ID != editor.ID || again.Region != editor.Region {
		t.Errorf("the editor was %+v and is %+v", editor, again)
	}
	// The caret is where it was, and the keyboard goes there.
	d.call("type", map[string]any{"text": " is whole."})
	d.call("key", map[string]any{"text": "ctrl+s"})
	if got := d.shell("cat draft.txt"); got != "Half of a sentence is whole." {
		t.Errorf("what was typed after the rollback made it %q", got)
	}
}

// formPage is a field above a button, over the whole window. Its title says when it
// has been drawn, when the field has the keyboard, what is in it and what was sent.
const formPage = `<!doctype html>
<title>loading</title>
<style>body { margin: 0 } textarea, button { position: fixed; width: 100%; height: 50%; left: 0 } textarea { top: 0 } button { top: 50% }</style>
<form><textarea id="field"></textarea><button>Send</button></form>
<script>
const field = document.getElementById("field")
addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => document.title = "drawn")))
field.onfocus = () => document.title = "focused"
field.oninput = () => document.title = "typed " + field.value + "."
document.forms[0].onsubmit = () => { document.title = "sent " + field.value + "."; return false }
</script>
`

// TestIntegrationFork forks a browser with a form that is filled in, and submits it
// in the fork.
func TestIntegrationFork(t *testing.T) {
	parent := desk{t, startApplications(t), ""}
	parent.call("write_file", map[string]any{"path": "form.html", "text": formPage})
	path := strings.TrimSpace(parent.shell("realpath form.html"))
	parent.call("open_url", map[string]any{"url": "file://" + path})
	browser := parent.find("chromium", "drawn")
	parent.call("screenshot", nil) // Chromium takes no clicks before it has shown what is drawn
	field, button := browser.at(50, 40), browser.at(50, 85)
	parent.call("left_click", map[string]any{"coordinate": field})
	parent.find("chromium", "focused")
	parent.call("type", map[string]any{"text": "Ada"})
	parent.find("chromium", "typed Ada.")

	begun := time.Now()
	forked := parent.call("desktop_fork", nil)
	t.Logf("forked in %v", time.Since(begun))
	child := desk{t: t, client: parent.client}
	var made struct {
		ID string `json:"desktop_id"`
	}
	if err := json.Unmarshal(forked.Structured, &made); err != nil || made.ID == "" {
		t.Fatalf("desktop_fork answered %s, %v", forked.Structured, err)
	}
	child.id = made.ID
	if first := child.call("left_click", map[string]any{"coordinate": button}); first.Image == nil {
		t.Errorf("no picture came with the first answer of the fork: %s", first.Text)
	}
	child.find("chromium", "sent Ada.")

	if got := parent.find("chromium", "").Title; !strings.HasPrefix(got, "typed Ada.") {
		t.Errorf("the browser of the parent shows %q after the fork has sent the form", got)
	}
	parent.call("type", map[string]any{"text": " Lovelace"})
	parent.find("chromium", "typed Ada Lovelace.")
	if got := child.find("chromium", "").Title; !strings.HasPrefix(got, "sent Ada.") {
		t.Errorf("the browser of the fork shows %q after the parent was typed into", got)
	}
	// A browser is of use in the fork, and can be started anew: its profile is locked by
	// the name of the host.
	show := func(title string) {
		t.Helper()
		child.call("write_file", map[string]any{"path": "page.html", "text": "<!doctype html><title>" + title + "</title>"})
		child.call("open_url", map[string]any{"url": "file://" + strings.TrimSpace(child.shell("realpath page.html"))})
		child.find("chromium", title)
	}
	show("second page")
	child.shell("pkill -KILL chrom; while pgrep chrom >/dev/null; do :; done")
	show("third page")
	if a, b := parent.shell("hostname"), child.shell("hostname"); a == b {
		t.Errorf("both are called %s", a)
	}
}

// TestIntegrationBrowserStandsStill starts a desktop whose browser runs already, and
// finds that it costs nothing until the desktop is used, and that it then is at work; in
// a fork of that as well.
func TestIntegrationBrowserStandsStill(t *testing.T) {
	d := desk{t, startApplications(t), ""}
	frozen := func(d desk) string {
		t.Helper()
		return strings.TrimSpace(d.call("read_file", map[string]any{"path": "/sys/fs/cgroup/vmette/browser/cgroup.freeze"}).Text)
	}
	d.call("screenshot", nil)
	if got := frozen(d); !strings.HasSuffix(got, "1") {
		t.Errorf("in a desktop that was only looked at its control group is frozen: %q", got)
	}
	page := "<!doctype html><title>awake</title>"
	d.call("write_file", map[string]any{"path": "/tmp/awake.html", "text": page})
	if got := frozen(d); !strings.HasSuffix(got, "0") {
		t.Errorf("in a desktop that was used: %q", got)
	}
	d.call("open_url", map[string]any{"url": "file:///tmp/awake.html"})
	d.find("chromium", "awake")

	var forked struct {
		DesktopID string `json:"desktop_id"`
	}
	if err := json.Unmarshal(d.call("desktop_fork", nil).Structured, &forked); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]desk{"the desktop that was forked": d, "the fork": {t, d.client, forked.DesktopID}} {
		d.call("wait", map[string]any{"duration": 0})
		if got := frozen(d); !strings.HasSuffix(got, "0") {
			t.Errorf("in %s, after a wait: %q", name, got)
		}
	}
}

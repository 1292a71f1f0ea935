package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/rootfs/internal/probe"
)

// fontCaches compares the font caches that a program believes when it starts
// with the directories there are. It reads every font of those without.
const fontCaches = `
valid=$(FC_DEBUG=16 fc-match sans | awk '/^FcCacheTimeValid/ && $6 == $9' | wc -l)
dirs=$(find -L /usr/share/fonts /usr/local/share/fonts -type d | wc -l)
if [ "$valid" = "$dirs" ]; then echo all valid; else echo "$valid of $dirs valid"; fi`

// startX starts the X server and the window manager and waits until they are
// ready. What is started goes on in the steps that follow.
const startX = `
mkfifo /tmp/ready
Xvnc :7 -geometry 1280x800 -SecurityTypes None -rfbport -1 -ac -displayfd 3 3>/tmp/ready >/tmp/x.log 2>&1 &
read -r display < /tmp/ready && echo "display $display"
openbox --startup "sh -c 'echo openbox >/tmp/ready'" >/tmp/wm.log 2>&1 &
cat /tmp/ready`

// startChromium starts Chromium as a person would, waits for its window, and
// says in which process namespace a renderer lives. xprop goes on to watch until
// it is killed.
const startChromium = `
watch() { pattern=$1; shift; rm -f /tmp/watch; mkfifo /tmp/watch
	stdbuf -oL xprop "$@" >/tmp/watch 2>/dev/null & pid=$!
	grep -m 1 -e "$pattern" </tmp/watch; kill $pid; }
chromium >/tmp/chromium.log 2>&1 &
window=$(watch 0x -root -spy _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*' | head -n 1)
watch Chromium -id "$window" -spy _NET_WM_NAME
renderer=$(pgrep -f -n -- --type=renderer)
[ "$(readlink /proc/$renderer/ns/pid)" != "$(readlink /proc/self/ns/pid)" ] && echo sandboxed
grep Seccomp: /proc/$renderer/status`

// TestIntegrationImageBoots boots the images and looks at them with the eyes
// of a program inside.
func TestIntegrationImageBoots(t *testing.T) {
	for _, tt := range []struct {
		spec  string
		steps []probe.Step
		want  map[string][]string // step, and what its output contains
	}{
		{
			spec: MinimalSpec,
			steps: []probe.Step{
				{Name: "user", Run: "id; stat -c '%A' /; pwd; touch here && echo writable; cat /etc/hostname; locale charmap; sudo -n true || echo no sudo"},
				{Name: "modules", Root: true, Run: "modprobe -a fuse virtiofs virtio_net ext4 erofs loop && echo loaded"},
				{Name: "caches", Run: fontCaches},
				{Name: "x", Run: "mkfifo /tmp/ready; Xvnc :7 -SecurityTypes None -rfbport -1 -displayfd 3 3>/tmp/ready >/tmp/x.log 2>&1 & read -r display < /tmp/ready && echo display $display"},
			},
			want: map[string][]string{
				"user":    {"drwxr-xr-x", "uid=1000(user) gid=1000(user)", "/home/user", "writable", "desktop", "UTF-8", "no sudo"},
				"modules": {"loaded"},
				"caches":  {"all valid"},
				"x":       {"display 7"},
			},
		},
		{
			spec: DefaultSpec,
			steps: []probe.Step{
				{Name: "fonts", Run: "for l in ru el zh-cn ja ko ar he hi th und-zsye; do echo $l: $(fc-match -f '%{family}' :lang=$l); done"},
				{Name: "caches", Run: fontCaches},
				{Name: "handlers", Run: "xdg-mime query default x-scheme-handler/http; xdg-mime query default text/plain; readlink -f /usr/bin/x-www-browser"},
				{Name: "locale", Run: "LC_ALL=en_US.UTF-8 locale charmap; ls"},
				{Name: "x", Run: startX},
				{Name: "chromium", Run: startChromium},
			},
			want: map[string][]string{
				"fonts": {
					"ru: DejaVu", "el: DejaVu", "zh-cn: Noto Sans CJK", "ja: Noto Sans CJK", "ko: Noto Sans CJK", "ar: ", "he: ",
					"hi: Noto Sans Devanagari", "th: Noto Sans Thai", "und-zsye: Noto Color Emoji",
				},
				"caches":   {"all valid"},
				"handlers": {"chromium.desktop", "org.xfce.mousepad.desktop", "/usr/bin/chromium"},
				"locale":   {"UTF-8", "Desktop", "Documents", "Downloads"},
				"x":        {"display 7", "openbox"},
				"chromium": {"- Chromium", "sandboxed", "Seccomp:\t2"},
			},
		},
	} {
		t.Run(tt.spec, func(t *testing.T) {
			img := build(t, "", tt.spec)
			results, err := probe.Boot(t.Context(), probe.Machine{Kernel: img.Kernel, Modules: img.Modules, Root: img.Root},
				probe.Plan{Type: img.RootFormat, Steps: tt.steps})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				t.Logf("%s: %.2f s %s\n%s", r.Name, r.Seconds, r.Error, strings.TrimSpace(r.Output))
				if r.Error != "" {
					t.Errorf("%s: %s", r.Name, r.Error)
				}
				for _, want := range tt.want[r.Name] {
					if !strings.Contains(r.Output, want) {
						t.Errorf("%s: output lacks %q", r.Name, want)
					}
				}
			}
			if len(results) != len(tt.steps)+2 {
				t.Errorf("%d results for %d steps", len(results), len(tt.steps))
			}
		})
	}
}

// TestIntegrationBuildIsReproducible builds the minimal image anew. It must be
// the same, byte for byte, as the one that the store has already, or, when the
// packages have changed in between, as one that is built after it.
func TestIntegrationBuildIsReproducible(t *testing.T) {
	old := build(t, "", MinimalSpec)
	fresh := build(t, t.TempDir(), MinimalSpec)
	manifest := func(img *Image) *Manifest {
		m, _, err := readManifest(filepath.Dir(img.Manifest))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := manifest(old), manifest(fresh)
	if !cmp.Equal(a.Packages, b.Packages) {
		t.Logf("the packages have changed since %s: comparing two fresh builds", old.Built)
		a, b = b, manifest(build(t, t.TempDir(), MinimalSpec))
	}
	if !cmp.Equal(a.Packages, b.Packages) {
		t.Fatal("the packages have changed between two builds that followed one another: run this again")
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two builds of the same packages differ (-old +new):\n%s", diff)
	}
}

func build(t *testing.T, dir, spec string) *Image {
	t.Helper()
	if dir == "" {
		dir = os.Getenv("VMETTE_CACHE_DIR") // as the command does
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	bar := NewBar(os.Stderr)
	defer bar.Close()
	img, err := s.Build(t.Context(), spec, bar.Update)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

package x11

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// browser is a Chromium that shows one page on the whole screen, without
// decoration. The page says what it is at by its colour.
type browser struct {
	receiver
	d *Display
}

func startBrowser(t *testing.T, page string) *browser {
	t.Helper()
	s := x11test.Start(t, testScreen)
	s.StartManager(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte("<!doctype html><style>body { margin: 0; height: 100vh; background: #000080 }</style>"+page), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--app=file://" + file, "--kiosk", "--user-data-dir=" + filepath.Join(dir, "profile"),
		"--no-first-run", "--password-store=basic", "--disable-gpu", "--disable-background-networking", "--disable-component-update"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox")
	}
	cmd := exec.Command("chromium", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.Display, "HOME="+dir, "DBUS_SESSION_BUS_ADDRESS=disabled:")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	b := &browser{d: open(t, s.Display, Options{})}
	for start := time.Now(); ; {
		settle(t, b.d, SettleOptions{})
		if b.colour(t) == 0x000080 {
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("Chromium has not shown the page after 30 s; the middle of the screen is %06x", b.colour(t))
		}
	}
	return b
}

// colour returns the colour in the middle of the screen.
func (b *browser) colour(t *testing.T) int {
	t.Helper()
	b.capture(t, b.d)
	p, ok := b.Picture(false)
	if !ok {
		t.Fatal("there is no picture")
	}
	i := (p.Size.Height/2*p.Size.Width + p.Size.Width/2) * 4
	return int(p.Pix[i]) | int(p.Pix[i+1])<<8 | int(p.Pix[i+2])<<16
}

func (b *browser) click(t *testing.T, p desktop.Point) {
	t.Helper()
	if err := b.d.Click(t.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &p}); err != nil {
		t.Fatal(err)
	}
}

// settleTurns is how often each page is clicked: $VMETTE_SETTLE_TURNS, or a few
// times.
func settleTurns(t *testing.T) int {
	t.Helper()
	given, ok := os.LookupEnv("VMETTE_SETTLE_TURNS")
	if !ok {
		return 5
	}
	n, err := strconv.Atoi(given)
	if err != nil {
		t.Fatalf("VMETTE_SETTLE_TURNS: %v", err)
	}
	return n
}

// Pages that show the effect of a click late: the picture after the click must
// show it.
func TestSettleOfAPageThatAnswersLate(t *testing.T) {
	const colours = `<script>
let n = 0, show = () => document.body.style.background = "#" + (0x100000 + n).toString(16);
`
	tests := []struct {
		name, page string
		work       time.Duration // how long it takes to answer
	}{
		{"at once", colours + `onclick = () => { n++; show(); }</script>`, 0},
		{"150 ms later, idle until then", colours + `onclick = () => { n++; setTimeout(show, 150); }</script>`, 150 * time.Millisecond},
		{"150 ms later, with a first sign at once", `<div id=d style="width:300px;height:300px;background:#fff"></div>` + colours +
			`onclick = () => { n++; d.style.background = "#" + (0x200000 + n).toString(16); setTimeout(show, 150); }</script>`, 150 * time.Millisecond},
		{"after 1.5 s of work", colours + `onclick = () => { n++; let end = performance.now() + 1500; while (performance.now() < end); show(); }</script>`, 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := startBrowser(t, tt.page)
			var took []time.Duration
			for i := range settleTurns(t) {
				b.click(t, desktop.Point{X: 400 + 40*(i%20), Y: 600})
				got := settle(t, b.d, SettleOptions{})
				took = append(took, time.Duration(got.ElapsedMS)*time.Millisecond-tt.work)
				if c, want := b.colour(t), 0x100000+i+1; c != want || got.Reason == desktop.SettleLimit || !got.Changed || len(got.Rects) == 0 {
					t.Errorf("turn %d: %+v, the page is %06x, want %06x and quiet", i+1, got, c, want)
				}
			}
			report(t, "settled after the answer of the page", took)
		})
	}
}

// A caret that blinks, and a page that shows the effect of a click at once.
func TestSettleOfAPageWithACaret(t *testing.T) {
	b := startBrowser(t, `<input id=i style="font-size:40px"><script>
let n = 0;
i.focus();
onmousedown = (e) => e.preventDefault(); // the caret stays
onclick = () => { n++; document.body.style.background = "#" + (0x100000 + n).toString(16); };
</script>`)
	for start := time.Now(); !restlessKnown(b.d); {
		if time.Since(start) > 30*time.Second {
			t.Fatal("the caret is not known for what it is after 30 s")
		}
		settle(t, b.d, SettleOptions{})
	}
	var took []time.Duration
	for i := range settleTurns(t) {
		b.click(t, desktop.Point{X: 400 + 40*(i%20), Y: 600})
		got := settle(t, b.d, SettleOptions{})
		b.d.mu.Lock()
		last := b.d.activity.changed
		b.d.mu.Unlock()
		took = append(took, time.Since(last))
		if c, want := b.colour(t), 0x100000+i+1; c != want || got.Reason == desktop.SettleLimit {
			t.Errorf("turn %d: %+v, the page is %06x, want %06x and quiet", i+1, got, c, want)
		}
	}
	report(t, "settled after the last change", took)
}

// restlessKnown reports whether an area has been learned to move by itself.
func restlessKnown(d *Display) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.activity.restless[:], func(r restless) bool { return r.times >= restlessTimes })
}

// A page that moves all the time is not waited for longer than allowed.
func TestSettleOfAPageThatPlays(t *testing.T) {
	b := startBrowser(t, `<script>
let n = 0, play = () => { n++; document.body.style.background = "#" + (0x100000 + n % 0x10000).toString(16); requestAnimationFrame(play); };
onclick = play;
</script>`)
	b.click(t, desktop.Point{X: 400, Y: 600})
	const limit = time.Second
	if got := settle(t, b.d, SettleOptions{Limit: limit}); got.Reason != desktop.SettleLimit || !got.Changed || got.ElapsedMS < int(limit.Milliseconds()) {
		t.Errorf("got %+v, want the limit of %v", got, limit)
	}
}

// report logs figures.
func report(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	p50, p95 := percentiles(took)
	t.Logf("%s: n %d, p50 %v, p95 %v", what, len(took), p50, p95)
}

// figures reports figures of a benchmark in milliseconds.
func figures(b *testing.B, what string, took []time.Duration) {
	p50, p95 := percentiles(took)
	b.ReportMetric(float64(p50)/1e6, what+"-p50-ms")
	b.ReportMetric(float64(p95)/1e6, what+"-p95-ms")
}

func percentiles(took []time.Duration) (p50, p95 time.Duration) {
	slices.Sort(took)
	return took[(len(took)-1)/2], took[(len(took)*95+99)/100-1]
}

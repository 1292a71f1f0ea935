package browse

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/windows"
)

// browsers are the programs that take an address, best first. The first is
// what an image's administrator has chosen, on Debian and its kin.
var browsers = []string{
	"x-www-browser", "chromium", "chromium-browser", "google-chrome", "firefox", "firefox-esr",
	"epiphany-browser", "xdg-open",
}

// maxComplaint is how much of what a failed browser printed is told.
const maxComplaint = 2 << 10

// Browser starts browsers, on the display of the environment.
type Browser struct {
	Display string // the same, such as ":0": where their windows are waited for
	LogDir  string // of the user's, for what browsers print; empty for the system's temporary one
	Cgroup  string // directory of cgroup v2 that belongs to this user: the browsers' group is made in it; empty for none

	rest

	mu   sync.Mutex
	runs sync.WaitGroup
	live map[*exec.Cmd]bool
}

// Open starts the browser with an address, or has the one that runs already
// take it, and returns when that has shown a window or is content. Its errors
// are *desktop.Error.
func (b *Browser) Open(ctx context.Context, address string) (notice string, err error) {
	if strings.HasPrefix(address, "-") {
		return "", desktop.Errorf(desktop.CodeInvalid, "an address cannot begin with a hyphen: send http://HOST/..., https://HOST/... or file:///PATH")
	}
	program, err := find()
	if err != nil {
		return "", err
	}
	if home, err := os.UserHomeDir(); err == nil {
		if taken, err := handOver(ctx, handOverLimit, program, home, address); taken || err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := windows.Windows{Display: b.Display}.Watch(ctx)
	if err != nil {
		return "", err
	}
	defer watch.Close()
	shown := make(chan error, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, err := watch.Next(ctx)
		shown <- err
	})
	defer waiting.Wait()
	defer cancel()

	ended, complaint, err := b.start(program, address)
	if err != nil {
		return "", desktop.Errorf(desktop.CodeInternal, "start %s: %v", filepath.Base(program), err)
	}
	limit := time.NewTimer(desktop.OpenURLTimeout)
	defer limit.Stop()
	select {
	case err := <-shown:
		if err == nil {
			return "", nil
		}
		if ctx.Err() == nil {
			return "", desktop.Errorf(desktop.CodeUnknown, "the browser was started, but then the X server went away: take a screenshot and look")
		}
		return "", unwatched
	case state := <-ended:
		if !state.Success() {
			return "", desktop.Errorf(desktop.CodeInternal, "%s could not open the address (%v): %s", filepath.Base(program), state, complaint())
		}
		return "", nil
	case <-limit.C:
		return "the browser was started but has shown no window within " + desktop.OpenURLTimeout.String() + ": take a screenshot in a while", nil
	case <-ctx.Done():
		return "", unwatched
	}
}

var unwatched = desktop.Errorf(desktop.CodeCancelled, "the browser was started, but nobody waited until it showed the address")

func find() (string, error) {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", desktop.Errorf(desktop.CodeUnavailable, "the image has no web browser: it would need one of %s", strings.Join(browsers, ", "))
}

// start starts a program in a session of its own. What it prints goes to a
// file, which it can hold for as long as it likes.
func (b *Browser) start(program, address string) (ended <-chan *os.ProcessState, complaint func() string, err error) {
	log, err := os.CreateTemp(b.LogDir, "browser-*.log")
	if err != nil {
		return nil, nil, err
	}
	// Without a name it is gone with the last program that writes to it.
	os.Remove(log.Name())
	cmd := exec.Command(program, address)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	group, err := b.group()
	if err != nil {
		log.Close()
		return nil, nil, err
	}
	if group != nil {
		defer group.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	if home, err := os.UserHomeDir(); err == nil {
		cmd.Dir = home
	}
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, nil, err
	}
	b.mu.Lock()
	if b.live == nil {
		b.live = make(map[*exec.Cmd]bool)
	}
	b.live[cmd] = true
	b.mu.Unlock()

	end := make(chan *os.ProcessState, 1)
	var text string
	b.runs.Go(func() {
		defer log.Close()
		cmd.Wait()
		b.mu.Lock()
		delete(b.live, cmd)
		b.mu.Unlock()
		text = tail(log)
		end <- cmd.ProcessState
	})
	return end, func() string { return text }, nil
}

// tail returns the last of what was printed, on one line.
func tail(log *os.File) string {
	size, err := log.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "it printed nothing"
	}
	b, err := io.ReadAll(io.NewSectionReader(log, max(0, size-maxComplaint), maxComplaint))
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b)), " ")
}

// Close kills the browsers that this Browser has started and that still run.
// Only tests and measurements need it: in a guest, browsers outlive the agent.
func (b *Browser) Close() {
	b.mu.Lock()
	for cmd := range b.live {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	b.mu.Unlock()
	b.runs.Wait()
}

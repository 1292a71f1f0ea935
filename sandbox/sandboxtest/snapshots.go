package sandboxtest

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// maxClockError is how far a guest's clock may be from its host's when it has been
// booted, saved, or started from a saved state.
const maxClockError = time.Second

// testSnapshots checks what is promised of saved machines: that those which start
// from one are as it was, share nothing with each other, and leave it alone.
func testSnapshots(t *testing.T, b sandbox.Snapshotter, cfg sandbox.Config) {
	ears := &Eavesdropper{Backend: b}
	cfg.Authorities = [][]byte{NewAuthority(t).Certificate}
	parent := boot(t, ears, cfg)
	shell(t, parent, "echo saved >~/saved; sleep 1000 >/dev/null 2>&1 & echo $! >~/pid")
	shell(t, parent, "sudo date -s '-10 seconds'") // as if it had stood still for that long
	snap := snapshot(t, parent)
	askClock(t, parent)
	if res := do(t, parent, desktop.CursorPosition{}, desktop.Observe{}); len(res.Notices) > 0 {
		t.Errorf("after it was saved, the machine tells %q", res.Notices)
	}
	if got := shell(t, parent, "cat ~/saved; echo later >~/later; hostname"); got != "saved\ndesktop" {
		t.Errorf("after it was saved, the machine says %q", got)
	}

	// Who gives a save up finds the machine alive all the same.
	for limit := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(limit)*30*time.Millisecond)
		if given, err := parent.Snapshot(ctx); err == nil {
			given.Close()
		}
		cancel()
		shell(t, parent, "true")
	}

	t.Run("Independent", func(t *testing.T) {
		pair := resumeTwo(t, b, snap)
		for i, s := range pair {
			if got := shell(t, s, "cat ~/saved; cat ~/later 2>&1; kill -0 $(cat ~/pid) && echo runs"); got != "saved\ncat: /home/user/later: No such file or directory\nruns" {
				t.Errorf("machine %d says %q", i, got)
			}
			shell(t, s, "echo mine >~/mine-"+strconv.Itoa(i))
		}
		for i, s := range pair {
			if got, want := shell(t, s, "ls ~ | grep mine"), "mine-"+strconv.Itoa(i); got != want {
				t.Errorf("machine %d has the files %q, want %q", i, got, want)
			}
			if text := shell(t, s, "sudo grep -rs . /run/vmette /etc/hostname /etc/machine-id | cat"); ears.In(text) {
				t.Errorf("machine %d shows a boot token: %s", i, text)
			}
		}
		pair[0].Stop()
		shell(t, pair[1], "true") // the end of one is nothing to the other
		shell(t, parent, "test ! -e ~/mine-0")
	})

	t.Run("Agent", func(t *testing.T) {
		s := resume(t, b, snap, "renamed")
		// Another agent has to know the token of now.
		killAgent(t, s)
		if got := shell(t, s, "hostname"); got != "renamed" {
			t.Errorf("after the agent was killed, the hostname is %q", got)
		}
		// It trusts whom the one that was saved did.
		shell(t, s, "openssl verify /usr/local/share/ca-certificates/vmette-1.crt")
	})

	t.Run("Again", func(t *testing.T) {
		s := resume(t, b, snap, "first")
		shell(t, s, "echo more >~/more; dd if=/dev/urandom of=/dev/shm/noise bs=1M count=20 2>&1; sha256sum /dev/shm/noise >~/sum")
		second := snapshot(t, s)
		shell(t, s, "echo changed >~/more; rm /dev/shm/noise")
		again := resume(t, b, second, "second")
		if got := shell(t, again, "cat ~/saved ~/more; sha256sum -c ~/sum; hostname"); got != "saved\nmore\n/dev/shm/noise: OK\nsecond" {
			t.Errorf("a machine from the save of one that was started from a save says %q", got)
		}
		if got := shell(t, s, "cat ~/more"); got != "changed" {
			t.Errorf("the one that was saved says %q", got)
		}
		testStored(t, b, second, func(s *sandbox.Session) {
			if got := shell(t, s, "cat ~/saved ~/more; sha256sum -c ~/sum"); got != "saved\nmore\n/dev/shm/noise: OK" {
				t.Errorf("a machine from what was stored says %q", got)
			}
		})
	})
}

// snapshot saves a session.
func snapshot(t *testing.T, s *sandbox.Session) *sandbox.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatalf("%v\nconsole:\n%s", err, s.Console())
	}
	t.Cleanup(func() {
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	})
	return snap
}

func resume(t *testing.T, b sandbox.Snapshotter, snap *sandbox.Snapshot, hostname string) *sandbox.Session {
	t.Helper()
	s, err := sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: t.TempDir(), Hostname: hostname})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// identity is what must differ between two machines. Bash's SRANDOM is from
// getrandom(2).
const identity = `hostname; cat /etc/hostname /etc/machine-id; head -c 16 /dev/urandom | od -An -tx1 -w16; bash -c 'echo $SRANDOM $SRANDOM $SRANDOM'`

// resumeTwo starts two machines from snap at the same time, and checks that the
// first that anybody hears of them is no secret or name that they share.
func resumeTwo(t *testing.T, b sandbox.Snapshotter, snap *sandbox.Snapshot) (pair [2]*sandbox.Session) {
	t.Helper()
	names := [2]string{"one", "two"}
	var said [2][]string
	var wg sync.WaitGroup
	for i := range pair {
		wg.Go(func() {
			var err error
			pair[i], err = sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: t.TempDir(), Hostname: names[i]})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(pair[i].Stop)
			before := time.Now()
			for _, command := range []string{"date +%s.%N", identity} {
				res, err := pair[i].Do(t.Context(), desktop.Exec{Command: command}, desktop.Observe{})
				if err != nil {
					t.Error(err)
					return
				}
				if len(res.Notices) > 0 {
					t.Errorf("machine %d tells %q", i, res.Notices)
				}
				lines := strings.Split(strings.TrimSpace(string(res.Stdout)), "\n")
				if said[i] == nil {
					checkClock(t, lines[0], before, time.Now())
				}
				said[i] = append(said[i], lines...)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	const lines = 6
	for i := range pair {
		if len(said[i]) != lines || said[i][1] != names[i] || said[i][2] != names[i] {
			t.Fatalf("machine %d, which was to be called %s, says %q", i, names[i], said[i])
		}
	}
	for n := 1; n < lines; n++ {
		if said[0][n] == said[1][n] {
			t.Errorf("both machines say %q", said[0][n])
		}
	}
	return pair
}

// askClock compares the guest's clock with the host's.
func askClock(t *testing.T, s *sandbox.Session) {
	t.Helper()
	before := time.Now()
	said := shell(t, s, "date +%s.%N")
	checkClock(t, said, before, time.Now())
}

// checkClock compares what a guest said of its time at some moment in between.
func checkClock(t *testing.T, said string, before, after time.Time) {
	t.Helper()
	sec, err := strconv.ParseFloat(said, 64)
	if err != nil {
		t.Errorf("the guest's clock says %q", said)
		return
	}
	clock := time.UnixMicro(int64(sec * 1e6))
	if clock.Before(before.Add(-maxClockError)) || clock.After(after.Add(maxClockError)) {
		t.Errorf("the guest's clock says %v, the host's %v to %v", clock, before, after)
	}
}

// testStored checks that what was stored can be used by another process, and that
// no damage to it goes unnoticed.
func testStored(t *testing.T, b sandbox.Snapshotter, snap *sandbox.Snapshot, check func(*sandbox.Session)) {
	dir := t.TempDir()
	if err := snap.Store(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := sandbox.LoadSnapshot(t.Context(), b, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	if diff := cmp.Diff(snap.Config(), loaded.Config()); diff != "" {
		t.Errorf("config of what was loaded (-want +got):\n%s", diff)
	}
	check(resume(t, b, loaded, "stored"))
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			testDamaged(t, b, dir, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// testDamaged checks that damage to the file at path, a part of what was stored in
// dir, is found.
func testDamaged(t *testing.T, b sandbox.Snapshotter, dir, path string) {
	try := func(what string) {
		if s, err := sandbox.LoadSnapshot(t.Context(), b, dir); err == nil {
			s.Close()
			t.Errorf("%s: nobody noticed that it is %s", path, what)
		}
	}
	whole, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at, was := someByte(t, f, whole.Size())
	write := func(b byte) {
		if _, err := f.WriteAt([]byte{b}, at); err != nil {
			t.Fatal(err)
		}
	}
	write(was ^ 0x80)
	try("changed in one bit")
	write(was)

	var last [1]byte
	if _, err := f.ReadAt(last[:], whole.Size()-1); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(whole.Size() - 1); err != nil {
		t.Fatal(err)
	}
	try("truncated")
	if _, err := f.WriteAt(last[:], whole.Size()-1); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	try("gone")
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
}

// someByte returns the place and the value of a byte in the second half of a file,
// or in the first one if that is a hole.
func someByte(t *testing.T, f *os.File, size int64) (at int64, b byte) {
	t.Helper()
	block := make([]byte, 1<<20)
	for _, half := range []int64{size / 2, 0} {
		for at := half; at < size; at += int64(len(block)) {
			n, err := f.ReadAt(block, at)
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			if i := bytes.IndexFunc(block[:n], func(r rune) bool { return r != 0 }); i >= 0 {
				return at + int64(i), block[i]
			}
		}
	}
	t.Fatalf("%s is all zero", f.Name())
	return 0, 0
}

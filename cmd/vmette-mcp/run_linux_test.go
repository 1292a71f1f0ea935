package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/agent"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// smallRoot returns a directory with a root file system of one program, which has
// all that the tests below run.
func smallRoot(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	if _, err := agent.Binary(); err != nil {
		t.Fatalf("%v (make test does)", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("%v: install busybox-static (make test does)", err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "cat", "id", "pwd", "sleep", "stty"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runCommand returns "vmette-mcp run" of an image, with a state directory of its own.
// What is made of the image is removed with the test.
func runCommand(t *testing.T, spec string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		store, err := rootfs.Open(os.Getenv("VMETTE_CACHE_DIR"))
		if err == nil {
			err = store.Remove(spec)
		}
		if err != nil && !errors.Is(err, rootfs.ErrNotBuilt) {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), self, append([]string{"run", "--rootfs", spec}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "VMETTE_STATE_DIR="+t.TempDir())
	return cmd
}

// startReady starts a command that writes a line once it is ready, and returns when
// it has.
func startReady(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
		t.Error(err)
	}
}

// result is what came of a run.
type result struct {
	code           int
	stdout, stderr string
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestIntegrationRun runs a command on an image of each kind.
func TestIntegrationRun(t *testing.T) {
	root := smallRoot(t)
	archive := filepath.Join(t.TempDir(), "root.tar")
	writeTar(t, archive, root)
	squashfs := filepath.Join(t.TempDir(), "root.squashfs")
	if said, err := exec.CommandContext(t.Context(), "mksquashfs", root, squashfs, "-quiet", "-no-progress").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	// Its modules are not in a squashfs image, yet it has a card and a share.
	shared := t.TempDir()
	const script = `cat; echo "$GREETING"; id -u; pwd
for card in /sys/class/net/*; do [ ! -d /mnt/written ] || echo "${card##*/}" >>/mnt/written/cards; done
echo wrong >&2; exit 42`
	tests := []struct {
		name, spec string
		flags      []string
		want       string // standard output
	}{
		{"dir", root, []string{"--env=GREETING=hello", "--user=7:8", "--workdir=/bin"}, "hello\n7\n/bin\n"},
		{"squashfs", "squashfs+file:" + squashfs, []string{"--net=open", "--share=written=" + shared}, "\n0\n/\n"},
		{"tar", "tar+file:" + archive, nil, "\n0\n/\n"},
		{"oci", "oci://" + pushImage(t, archive), []string{"--workdir=/"}, "from the image\n33\n/\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := runCommand(t, tt.spec, append(tt.flags, "--", "sh", "-c", script)...)
			cmd.Stdin = strings.NewReader("typed\n")
			got := finish(t, cmd)
			if got.code != 42 || got.stdout != "typed\n"+tt.want || !strings.HasSuffix(got.stderr, "wrong\n") {
				t.Errorf("exit code %d, stdout %q, stderr %q; want 42 and %q", got.code, got.stdout, got.stderr, "typed\n"+tt.want)
			}
		})
	}
	if cards, err := os.ReadFile(filepath.Join(shared, "cards")); err != nil || !strings.Contains(string(cards), "eth0") {
		t.Errorf("the cards of the guest with a network are %q, %v", cards, err)
	}
}

// TestIntegrationRunEnds has commands that end in other ways.
func TestIntegrationRunEnds(t *testing.T) {
	root := smallRoot(t)
	t.Run("time is up", func(t *testing.T) {
		got := finish(t, runCommand(t, root, "--timeout=1s", "--", "sleep", "1000"))
		if got.code != exitTimeout || !strings.Contains(got.stderr, "ended after 1s") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("signal", func(t *testing.T) {
		cmd := runCommand(t, root, "--", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 1; done")
		startReady(t, cmd)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
			t.Errorf("ended with %v, want exit code 9", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		state, temporary := t.TempDir(), t.TempDir()
		cmd := runCommand(t, root, "--scratch=64M", "--", "sh", "-c", "echo ready; sleep 1000")
		cmd.Env = append(cmd.Env, "VMETTE_STATE_DIR="+state, "TMPDIR="+temporary)
		adoptOrphans(t)
		startReady(t, cmd)
		machines := descendants(t, cmd.Process.Pid)
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it says that the process was killed
		for _, p := range machines {
			if !p.endsWithin(2 * time.Second) {
				t.Errorf("%v runs on", p)
			}
			p.reap()
			p.close()
		}
		if len(machines) == 0 || len(filesIn(t, state)) == 0 {
			t.Error("nothing was there that could be left")
		}
		// Whoever uses the state directory next removes what is left.
		_, done, err := sandbox.OpenState(state, slog.New(slog.DiscardHandler))
		if err == nil {
			err = done()
		}
		if left := append(filesIn(t, state), filesIn(t, temporary)...); err != nil || len(left) > 0 {
			t.Errorf("these files are left: %v, %v", left, err)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		if got := finish(t, runCommand(t, root, "--", "nosuch")); got.code != 127 || !strings.Contains(got.stderr, `no program "nosuch"`) {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("usage", func(t *testing.T) {
		if got := finish(t, runCommand(t, root)); got.code != exitUsage || !strings.Contains(got.stderr, "no command") {
			t.Errorf("without a command: exit code %d, stderr %q", got.code, got.stderr)
		}
		if got := finish(t, runCommand(t, root, "-t", "--", "sh")); got.code != exitUsage || !strings.Contains(got.stderr, "-t needs a terminal") {
			t.Errorf("without a terminal: exit code %d, stderr %q", got.code, got.stderr)
		}
	})
}

// TestIntegrationRunTerminal has a command on a terminal of its own, which follows the
// size of ours, and finds ours as it was.
func TestIntegrationRunTerminal(t *testing.T) {
	root := smallRoot(t)
	master, terminal := openPTY(t)
	resize(t, master, 91, 17)
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := runCommand(t, root, "-t", "--", "sh", "-c",
		`trap 'stty size; exit 7' WINCH; stty size; read line; echo "<$line>"; while :; do sleep 0.1; done`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // SIGWINCH goes to who has the terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(master)
	expect := func(want string) {
		t.Helper()
		for {
			line, err := screen.ReadString('\n')
			if strings.TrimRight(line, "\r\n") == want {
				return
			}
			if err != nil {
				t.Fatalf("the terminal shows %q, %v; want %q", line, err, want)
			}
		}
	}
	expect("17 91")
	if _, err := io.WriteString(master, "typed\r"); err != nil {
		t.Fatal(err)
	}
	expect("<typed>")
	resize(t, master, 33, 44)
	expect("44 33")
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("ended with %v, want exit code 7", err)
	}
	after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("the terminal was not given back as it was, %v (-before +after):\n%s", err, diff)
	}
}

// openPTY returns both ends of a new terminal.
func openPTY(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

func resize(t *testing.T, master *os.File, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationRunDefault runs a command on the image that is there without a flag.
func TestIntegrationRunDefault(t *testing.T) {
	smallRoot(t) // skips, or says what to run
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "run", "--mem=1G", "--", "python3", "-c",
		`import os, sys; print(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20); sys.exit(42)`)
	cmd.Env = append(os.Environ(), asCommand+"=1", "VMETTE_STATE_DIR="+t.TempDir(), "VMETTE_OFFLINE=1")
	got := finish(t, cmd)
	mib, err := strconv.Atoi(strings.TrimSpace(got.stdout))
	if got.code != 42 || err != nil || mib < 900 || mib > 1024 {
		t.Errorf("exit code %d, %q MiB of memory, stderr %q; want 42 and nearly 1024", got.code, got.stdout, got.stderr)
	}
}

func writeTar(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// pushImage puts the archive as an image that names a user, a variable and an entry
// point into a registry of its own, and returns its name.
func pushImage(t *testing.T, archive string) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	layer, err := tarball.LayerFromFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(t, layer)},
		Config: v1.Config{
			Env: []string{"GREETING=from the image"}, User: "33", WorkingDir: "/bin",
			Entrypoint: []string{"/bin/busybox"}, Cmd: []string{"false"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/small:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

func diffIDs(t *testing.T, layer v1.Layer) []v1.Hash {
	t.Helper()
	id, err := layer.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return []v1.Hash{id}
}

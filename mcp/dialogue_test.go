package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	_ "image/png" // to check the pictures of results
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDialogues plays the client's part of each dialogue in testdata to a
// server over its stdio transport, and compares what the server says. A line is
//
//	> MESSAGE    said by the client; the answer to a request is waited for
//	>> MESSAGE   said by the client; nothing is waited for
//	< MESSAGE    said by the server
//	? N          N messages of the server are waited for, in any order
//	! COMMAND    something that happens on the host, see [dialogue.happen]
//	# TEXT       a comment
//
// Pictures are written as their format and size. A script whose name begins with
// a profile is played to a server of that profile, and one whose name ends with
// "saving" to one that makes checkpoints by itself, and with "networked" to one whose
// desktops may have a network.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogue/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var got []txtar.File
			for _, f := range ar.Files {
				got = append(got, txtar.File{Name: f.Name, Data: play(t, configOf(f.Name), strings.Contains(name, "execute"), f.Data)})
			}
			if *update {
				ar.Files = got
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for i, f := range ar.Files {
				if diff := cmp.Diff(lines(f.Data), lines(got[i].Data)); diff != "" {
					t.Errorf("%s: the server said something else (-want +got); run go test -update if that is right:\n%s", f.Name, diff)
				}
			}
		})
	}
}

// configOf returns what the name of a script asks for.
func configOf(name string) Config {
	c := Config{Profile: ProfileToolset, Save: strings.HasSuffix(name, " saving"), Network: strings.HasSuffix(name, " networked")}
	word, _, _ := strings.Cut(name, " ")
	if p := Profile(word); slices.Contains(Profiles, p) {
		c.Profile = p
	}
	return c
}

func lines(b []byte) []string { return strings.Split(string(b), "\n") }

// dialogue is a client and a host that follow a script.
type dialogue struct {
	t    *testing.T
	host *fakeHost
	in   io.Writer
	out  *bufio.Scanner
	said bytes.Buffer

	release func() // lets keys go on that are held
}

// play plays a script and returns it with what the server said. With executes there is
// the tool execute.
func play(t *testing.T, cfg Config, executes bool, script []byte) []byte {
	host := newFakeHost()
	if executes {
		cfg.Programs = fakePrograms{host}
	}
	in, out, end := serveConfig(t, host, cfg)
	d := &dialogue{t: t, host: host, in: in, out: bufio.NewScanner(out)}
	d.out.Buffer(nil, maxMessage)
	for line := range strings.Lines(string(script)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "< ") {
			continue
		}
		fmt.Fprintln(&d.said, line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case ">":
			d.say(rest)
			if id := idOf([]byte(rest)); id != "" {
				for heard := ""; heard != id; {
					var said string
					said, heard = d.hear()
					d.said.WriteString(said)
				}
			}
		case ">>":
			d.say(rest)
		case "?":
			var n int
			if _, err := fmt.Sscan(rest, &n); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			var heard []string
			for range n {
				said, _ := d.hear()
				heard = append(heard, said)
			}
			slices.Sort(heard)
			d.said.WriteString(strings.Join(heard, ""))
		case "!":
			d.happen(rest)
		}
	}
	if err := end(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if host.leases != 0 || len(host.live) != 0 {
		t.Errorf("%d leases and %d desktops are left of the conversation", host.leases, len(host.live))
	}
	return d.said.Bytes()
}

func (d *dialogue) say(message string) {
	if _, err := io.WriteString(d.in, message+"\n"); err != nil {
		d.t.Fatal(err)
	}
}

// hear returns what the server says next, and the id of it.
func (d *dialogue) hear() (said, id string) {
	if !d.out.Scan() {
		d.t.Fatalf("the server said nothing more: %v", d.out.Err())
	}
	return fmt.Sprintf("< %s\n", withoutPictures(d.t, d.out.Bytes())), idOf(d.out.Bytes())
}

func idOf(message []byte) string {
	var m struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(message, &m) != nil || m.ID == nil {
		return ""
	}
	return string(m.ID)
}

// saveErrors are what keeps a desktop from being saved, by the commands that say so.
var saveErrors = map[string]error{
	"unsupported": sandbox.ErrUnsupported,
	"in-use":      sandbox.ErrInUse,
	"no-shelf":    sandbox.ErrNoShelf,
	"disk-full":   sandbox.ErrDiskFull,
}

// happen lets something happen on the host.
func (d *dialogue) happen(command string) {
	word, rest, _ := strings.Cut(command, " ")
	switch word {
	case "screen":
		if _, err := fmt.Sscanf(rest, "%dx%d", &d.host.screen.Width, &d.host.screen.Height); err != nil {
			d.t.Fatal(err)
		}
	case "gate":
		d.host.gate, d.host.steps = make(chan struct{}), make(chan string)
	case "step":
		d.host.steps <- rest
	case "open":
		close(d.host.gate)
	case "lose":
		d.host.lose(rest)
	case "boot-fails":
		d.host.bootErr = fmt.Errorf("%w: step %q: %s", sandbox.ErrStartFailed, "start qemu", rest)
	case "boot-works":
		d.host.bootErr = nil
	case "network":
		d.host.network = sandbox.Network{Mode: "allow", Allow: rest}
	case "no-image":
		d.host.imageErr = &NotReadyError{Phase: "install packages", Done: 123, Total: 290, Detail: rest}
	case "unsupported", "in-use", "no-shelf", "disk-full":
		d.host.saveErr = fmt.Errorf("%w: %s", saveErrors[word], rest)
	case "image":
		d.host.imageErr = nil
	case "fail":
		code, why, _ := strings.Cut(rest, " ")
		d.host.do = fail(desktop.Errorf(desktop.Code(code), "%s", why))
	case "fail-noticed":
		d.host.do = fail(desktop.Errorf(desktop.CodeUnknown, "the connection broke"), rest)
	case "stopped":
		d.host.do = func(context.Context, *fakeDesktop, desktop.Action, desktop.Observe) (*desktop.Result, error) {
			d.host.lose("it powered itself off")
			return nil, fmt.Errorf("%w: this one has ended, it powered itself off", sandbox.ErrNoDesktop)
		}
	case "notice":
		d.host.do = func(ctx context.Context, f *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
			res, err := obey(ctx, f, a, o)
			res.Notices = []string{rest}
			return res, err
		}
	case "hang":
		d.host.do = hang
	case "hold":
		held := make(chan struct{})
		d.release = func() { close(held) }
		d.host.do = func(ctx context.Context, f *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
			if _, isKey := a.(desktop.Key); isKey {
				<-held
			}
			return obey(ctx, f, a, o)
		}
	case "release":
		d.release()
	case "obey":
		d.host.do = obey
	default:
		d.t.Fatalf("nothing called %q happens", command)
	}
}

// withoutPictures replaces each picture in a message by what it is.
func withoutPictures(t *testing.T, message []byte) string {
	const mark = `"data":"`
	s := string(message)
	for from := 0; ; {
		i := strings.Index(s[from:], mark)
		if i < 0 {
			return s
		}
		begin := from + i + len(mark)
		end := begin + strings.IndexByte(s[begin:], '"')
		file, err := base64.StdEncoding.DecodeString(s[begin:end])
		if err != nil {
			t.Fatalf("picture: %v", err)
		}
		cfg, format, err := image.DecodeConfig(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("picture: %v", err)
		}
		s = s[:begin] + fmt.Sprintf("%s %dx%d", format, cfg.Width, cfg.Height) + s[end:]
		from = begin
	}
}

// serve starts a server on a host, and returns the client's ends of its stdio.
// end closes in and returns what the server returned.
func serve(t testing.TB, host *fakeHost) (in io.WriteCloser, out io.Reader, end func() error) {
	t.Helper()
	return serveConfig(t, host, Config{})
}

// serveConfig is like serve for a server with options of cfg.
func serveConfig(t testing.TB, host *fakeHost, cfg Config) (in io.WriteCloser, out io.Reader, end func() error) {
	t.Helper()
	cfg.Desktops, cfg.Images, cfg.Runner, cfg.Version = host, host, host, "test"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.ServeStdio(context.Background(), stdin, stdout)
		stdout.Close()
		done <- err
	}()
	return in, out, func() error {
		in.Close()
		rest := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, out)
			close(rest)
		}()
		<-rest
		return <-done
	}
}

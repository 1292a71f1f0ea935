package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

func TestMebibytes(t *testing.T) {
	for text, want := range map[string]mebibytes{
		"512": 512, "512M": 512, "8G": 8 << 10, "1T": 1 << 20, "0": 0,
		"": -1, "G": -1, "-1": -1, "1.5G": -1, "8g": -1, "8GB": -1, "9999999T": -1,
	} {
		var got mebibytes
		err := got.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q is %d MiB, %v; want %d, or an error for -1", text, got, err, want)
		}
	}
}

// attended runs a command of a fake guest as "vmette-mcp run" does.
func attended(t *testing.T, ctx context.Context, guest func(context.Context, *sandboxtest.Guest) error, stdout io.Writer, args ...string) (int, error) {
	t.Helper()
	b := &sandboxtest.Backend{Guest: guest}
	cfg := sandboxtest.Config()
	cfg.Workload, cfg.Exec.Args = sandbox.WorkloadOneShot, args
	a := &app{ctx: ctx, stdout: stdout, stderr: io.Discard, log: slog.New(slog.DiscardHandler)}
	code, err := attend(a, b, cfg, sandbox.StartOptions{Dir: t.TempDir(), Stdio: sandbox.Stdio{Out: stdout}}, nil, new(published))
	if n := b.Running(); n != 0 {
		t.Errorf("%d machines are left", n)
	}
	return code, err
}

// hits sends a signal to this process for each write.
type hits struct {
	t      *testing.T
	signal syscall.Signal
}

func (h hits) Write(p []byte) (int, error) {
	if err := syscall.Kill(syscall.Getpid(), h.signal); err != nil {
		h.t.Error(err)
	}
	return len(p), nil
}

// A command that does not heed signals is ended with its sandbox by the third one
// that asks for an end.
func TestRunEndsAtTheThirdSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			// Each signal that arrives in the guest brings about the next one.
			code, err := attended(t, t.Context(), sandboxtest.Command, hits{t, sig}, "deaf")
			if err != nil || code != exitSignal+int(sig) {
				t.Errorf("exit code %d, %v; want %d", code, err, exitSignal+int(sig))
			}
		})
	}
}

// A sandbox that is given up before its command runs is no failure of the sandbox.
func TestRunInterruptedAtTheBoot(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := attended(t, ctx, func(ctx context.Context, _ *sandboxtest.Guest) error {
		cancel(interrupted{syscall.SIGTERM})
		<-ctx.Done()
		return nil
	}, io.Discard, "exit", "0")
	var got interrupted
	if !errors.As(err, &got) || got.Signal != syscall.SIGTERM {
		t.Errorf("ended with %v, want it interrupted by SIGTERM", err)
	}
}

// Likewise while its image is made, here of an archive that does not come. No guest
// is booted, but the guest agent must be there.
func TestIntegrationRunInterruptedAtTheBuild(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				cancel(interrupted{sig})
				<-r.Context().Done()
			}))
			defer server.Close()
			var stderr bytes.Buffer
			code := run(ctx, []string{
				"run", "--cache-dir", t.TempDir(), "--state-dir", t.TempDir(), "--accel=tcg",
				"--rootfs", "tar+" + server.URL + "/root.tar", "--", "true",
			}, strings.NewReader(""), io.Discard, &stderr)
			if code != exitSignal+int(sig) || !strings.Contains(stderr.String(), "interrupted") {
				t.Errorf("exit code %d, want %d; stderr:\n%s", code, exitSignal+int(sig), &stderr)
			}
		})
	}
}

func TestUntilSignal(t *testing.T) {
	ctx, release := untilSignal()
	defer release()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if got := context.Cause(ctx); got != (interrupted{syscall.SIGTERM}) || !errors.Is(got, context.Canceled) {
		t.Errorf("the cause is %v", got)
	}
}

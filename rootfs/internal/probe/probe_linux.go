package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
)

// Plan is what the guest is to do.
type Plan struct {
	Type  string `json:"type"` // of the root file system
	Steps []Step `json:"steps"`
}

// Step reads files, or runs a command as the user of the desktop.
type Step struct {
	Name string   `json:"name"`
	Read []string `json:"read,omitempty"` // patterns of files that are read once
	Run  string   `json:"run,omitempty"`  // for the shell
	Root bool     `json:"root,omitempty"` // Run as root
}

// Result is what came of a step. The first two results are those of the boot:
// "kernel" until the first process, "root" until the root file system is there.
type Result struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Busy    float64 `json:"busy"`             // seconds that the processors worked
	Bytes   int64   `json:"bytes,omitempty"`  // read
	Output  string  `json:"output,omitempty"` // of the command, stdout and stderr
	Error   string  `json:"error,omitempty"`
}

// PlanFile is where the guest finds the plan in its initramfs, and Prefix
// begins the line of its console that holds the results.
const (
	PlanFile = "vmette/probe.json"
	Prefix   = "probe: "
)

// StepLimit is how long a command may take.
const StepLimit = 4 * time.Minute

// Machine is what to boot.
type Machine struct {
	Kernel  string
	Modules string // cpio archive
	Root    string // file system image

	// Count makes the guest's clock count instructions, a nanosecond each, on
	// one processor: Busy does not depend then on what else the host does.
	Count bool
}

// Boot boots m without KVM and returns the results of the plan's steps.
func Boot(ctx context.Context, m Machine, plan Plan) ([]Result, error) {
	dir, err := os.MkdirTemp("", "probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	initramfs := filepath.Join(dir, "initramfs.cpio")
	if err := writeInitramfs(ctx, initramfs, dir, m.Modules, plan); err != nil {
		return nil, fmt.Errorf("make the probe's initramfs: %w", err)
	}
	accel := []string{"-accel", "tcg,thread=multi", "-smp", "2"}
	if m.Count {
		accel = []string{"-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off"}
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append(accel,
		"-M", "q35", "-cpu", "max", "-m", "2048",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", m.Kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1",
		"-drive", "if=none,id=root,format=raw,readonly=on,file="+m.Root, "-device", "virtio-blk-pci,drive=root")...)
	runtime.LockOSThread() // the machine ends when the thread that started it does
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var console, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run qemu: %w: %s\n%s", err, stderr.Bytes(), console.Bytes())
	}
	for line := range strings.Lines(console.String()) {
		if b, ok := strings.CutPrefix(strings.TrimSpace(line), Prefix); ok {
			var results []Result
			err := json.Unmarshal([]byte(b), &results)
			return results, err
		}
	}
	return nil, errors.New("the guest reported nothing:\n" + console.String())
}

func writeInitramfs(ctx context.Context, file, dir, modules string, plan Plan) error {
	guest := filepath.Join(dir, "guest")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", guest,
		"github.com/vmette/vmette-mcp/rootfs/internal/probe/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	program, err := os.ReadFile(guest)
	if err != nil {
		return err
	}
	planJSON, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	in, err := os.Open(modules)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	w := cpio.Newc.Writer(out)
	return errors.Join(
		w.WriteRecord(cpio.StaticRecord(program, cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755})),
		w.WriteRecord(cpio.StaticFile(PlanFile, string(planJSON), 0o600)),
		cpio.WriteTrailer(w),
		out.Close(),
	)
}

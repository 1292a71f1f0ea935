// Guest is the init of package probe: the kernel of an image starts it in place
// of the guest agent. It loads the modules, mounts the root file system under a
// writable overlay, performs the steps of the plan, writes what came of them to
// the console as one line of JSON and powers the machine off.
package main

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
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/rootfs/internal/probe"
)

func main() {
	results, err := performAll()
	if err != nil {
		results = append(results, probe.Result{Name: "probe", Error: err.Error()})
	}
	b, err := json.Marshal(results)
	if err == nil {
		fmt.Printf("\n%s%s\n", probe.Prefix, b)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func performAll() ([]probe.Result, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("guestprobe is for the kernel to start")
	}
	b, err := os.ReadFile("/" + probe.PlanFile)
	if err != nil {
		return nil, err
	}
	var plan probe.Plan
	if err := json.Unmarshal(b, &plan); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := enterRoot(plan.Type); err != nil {
		return nil, err
	}
	results := []probe.Result{
		{Name: "kernel", Seconds: uptime() - time.Since(began).Seconds()},
		{Name: "root", Seconds: time.Since(began).Seconds()},
	}
	for _, s := range plan.Steps {
		results = append(results, perform(s))
	}
	return results, nil
}

// enterRoot makes the disk, under an overlay, the root of this process.
func enterRoot(fsType string) error {
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"sys", "/sys", "sysfs"}, {"dev", "/dev", "devtmpfs"},
	} {
		if err := mount(m.source, m.target, m.kind, 0, ""); err != nil {
			return err
		}
	}
	list, err := os.ReadFile("/vmette/modules")
	if err != nil {
		return err
	}
	for _, file := range strings.Fields(string(list)) {
		if err := load("/" + file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	if err := errors.Join(
		mount("/dev/vda", "/lower", fsType, unix.MS_RDONLY, ""),
		mount("tmpfs", "/writable", "tmpfs", 0, ""),
		os.MkdirAll("/writable/upper", 0o755),
		os.MkdirAll("/writable/work", 0o755),
		mount("overlay", "/new", "overlay", 0, "lowerdir=/lower,upperdir=/writable/upper,workdir=/writable/work"),
	); err != nil {
		return err
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if err := unix.Mount(dir, "/new"+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := errors.Join(unix.Chroot("/new"), os.Chdir("/")); err != nil {
		return err
	}
	return errors.Join(
		mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"),
		mount("tmpfs", "/run", "tmpfs", 0, "mode=755"),
		mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777"),
		mount("devpts", "/dev/pts", "devpts", 0, "mode=620"),
		os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
	)
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// uptime returns the seconds since the kernel began.
func uptime() float64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return float64(ts.Nano()) / 1e9
}

// busy returns the seconds that all processors have worked since the boot.
func busy() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var cpu string
	var user, nice, system, idle, iowait, irq, softirq int64
	if _, err := fmt.Sscan(string(b), &cpu, &user, &nice, &system, &idle, &iowait, &irq, &softirq); err != nil {
		return 0
	}
	const ticks = 100 // a second, in /proc on every architecture we boot
	return float64(user+nice+system+irq+softirq) / ticks
}

func perform(s probe.Step) probe.Result {
	r := probe.Result{Name: s.Name}
	began, worked := time.Now(), busy()
	var err error
	if s.Run != "" {
		r.Output, err = run(s)
	} else {
		r.Bytes, err = read(s)
	}
	r.Seconds, r.Busy = time.Since(began).Seconds(), busy()-worked
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func read(s probe.Step) (total int64, err error) {
	for _, pattern := range s.Read {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return total, err
		}
		for _, name := range files {
			if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
				continue
			}
			f, err := os.Open(name)
			if err != nil {
				return total, err
			}
			n, err := io.Copy(struct{ io.Writer }{io.Discard}, f)
			f.Close()
			if err != nil {
				return total, err
			}
			total += n
		}
	}
	return total, nil
}

func run(s probe.Step) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probe.StepLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.Run)
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/home/user", "USER=user", "LANG=C.UTF-8",
		"DISPLAY=:7", "XDG_RUNTIME_DIR=/tmp",
	}
	cmd.Dir = "/home/user"
	if !s.Root {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// What the command leaves running may hold its output open.
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	const limit = 64 << 10
	return string(out.Bytes()[:min(out.Len(), limit)]), err
}

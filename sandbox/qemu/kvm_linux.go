package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const kvmDevice = "/dev/kvm"

// kvmLimit is how long the probe guest may run. Where KVM works it takes a few
// hundredths of a second, and QEMU around it a few tenths; on a nested host
// that has to emulate each instruction it takes minutes.
const kvmLimit = 3 * time.Second

// kvmMemory is the file, in the cache directory, that the answer is kept in.
const kvmMemory = "kvm.json"

// kvmAnswer is what is remembered of a probe, and for which host and QEMU.
type kvmAnswer struct {
	BootID string  `json:"boot_id"` // a host that boots anew may have become another
	QEMU   string  `json:"qemu"`    // path and version
	User   int     `json:"user"`    // may differ in rights
	KVM    Ability `json:"kvm"`
}

// recallKVM tells whether KVM runs guests as cred, from memory if it was asked
// before. The error is that of ctx.
func recallKVM(ctx context.Context, cacheDir string, h Host, cred *syscall.Credential) (Ability, error) {
	if a := kvmAccess(cred); !a.Usable {
		return a, nil // quickly found out, and quickly mended
	}
	if got, err := readAnswer(kvmMemoryPath(cacheDir)); err == nil && got.fits(h) {
		return got.KVM, nil
	}
	return askKVM(ctx, cacheDir, h, cred)
}

// askKVM tells whether KVM runs guests as cred by running one. A clear answer
// takes the place of what was remembered; an unclear one only removes that. The
// error is that of ctx.
func askKVM(ctx context.Context, cacheDir string, h Host, cred *syscall.Credential) (Ability, error) {
	a, clear := kvmAccess(cred), false
	if a.Usable {
		a, clear = probeKVM(ctx, h.Binary, withKVM(cred), kvmLimit)
	}
	if ctx.Err() != nil {
		return Ability{}, context.Cause(ctx)
	}
	// If memory fails, the next server asks again.
	if path := kvmMemoryPath(cacheDir); clear {
		writeAnswer(path, kvmAnswer{BootID: bootID(), QEMU: h.Binary + " " + h.Version, User: os.Geteuid(), KVM: a})
	} else {
		os.Remove(path)
	}
	return a, nil
}

// fits reports whether the answer is one for this boot, QEMU and user.
func (a kvmAnswer) fits(h Host) bool {
	return a.BootID != "" && a.BootID == bootID() && a.QEMU == h.Binary+" "+h.Version && a.User == os.Geteuid()
}

// bootID returns what names this boot of the host, or "".
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

func kvmMemoryPath(cacheDir string) string {
	if cacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			user = os.TempDir()
		}
		cacheDir = filepath.Join(user, "vmette")
	}
	return filepath.Join(cacheDir, kvmMemory)
}

func readAnswer(path string) (a kvmAnswer, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}

// writeAnswer replaces the file at path in one step, so that nobody reads half
// of it.
func writeAnswer(path string, a kvmAnswer) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), kvmMemory+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// kvmAccess tells whether a machine that runs as cred, or as this user when
// that is nil, may open /dev/kvm, and if not, why.
func kvmAccess(cred *syscall.Credential) Ability {
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Ability{
			Reason: kvmDevice + " does not exist",
			Remedy: "switch virtualization on in the firmware, or nested virtualization in the machine that this one runs in; then modprobe kvm_intel or kvm_amd",
		}
	case errors.Is(err, os.ErrPermission):
		return Ability{Reason: err.Error(), Remedy: "sudo usermod -aG kvm $USER, and log in anew"}
	case err != nil:
		return Ability{Reason: err.Error()}
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return Ability{Reason: err.Error()}
	}
	if cred != nil && fi.Mode().Perm()&0o006 != 0o006 && len(withKVM(cred).Groups) == 0 {
		return Ability{
			Reason: fmt.Sprintf("%s (mode %#o) is for root alone, and no machine runs as root", kvmDevice, fi.Mode().Perm()),
			Remedy: "chgrp kvm /dev/kvm && chmod 660 /dev/kvm",
		}
	}
	return Ability{Usable: true}
}

// probeKVM runs a tiny guest in KVM. That the device opens and makes a machine
// says little: on some nested hosts it does, and then runs code thousands of
// times too slowly. The answer is clear if it tells of KVM and not of what may
// have come between: a QEMU that failed, or a host too busy to run it.
func probeKVM(ctx context.Context, binary string, cred *syscall.Credential, limit time.Duration) (a Ability, clear bool) {
	rom, err := memoryFile("probe guest", func(f *os.File) error {
		_, err := f.Write(probeROM())
		return err
	})
	if err != nil {
		return Ability{Reason: err.Error()}, false
	}
	defer rom.Close()
	cmd := exec.Command(binary, append(probeArgs(fdPath(firstFD)), "-accel", "kvm", "-cpu", "host")...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{}, &said
	c, err := startChild(cmd, []*os.File{rom}, childOptions{cred: cred})
	if err != nil {
		return Ability{Reason: fmt.Sprintf("start QEMU: %v", err)}, false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := false
	select {
	case <-c.exited:
	case <-timer.C:
		late = true
	case <-ctx.Done():
	}
	c.kill()
	c.wait()
	st := c.cmd.ProcessState
	if late {
		return tooSlow(limit), isClear(st.UserTime()+st.SystemTime(), limit)
	}
	if st.ExitCode() == probeExit {
		return Ability{Usable: true}, true
	}
	return Ability{Reason: strings.TrimSpace(fmt.Sprintf("QEMU ended with status %d: %s", st.ExitCode(), said.String()))}, false
}

func tooSlow(limit time.Duration) Ability {
	return Ability{
		Reason: fmt.Sprintf("%s opens, but a guest of some instructions had not ended after %v", kvmDevice, limit),
		Remedy: "none on this host if it is a virtual machine without real nested virtualization; sandboxes are emulated instead",
	}
}

// isClear reports whether a probe that did not end within limit had enough of
// the processor to blame KVM for it: many times what it needs where KVM works.
func isClear(spent, limit time.Duration) bool { return spent >= limit/4 }

// probeArgs returns the arguments, but for the accelerator, of a QEMU that runs
// the probe guest in the file rom.
func probeArgs(rom string) []string {
	return []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "q35", "-m", "16M", "-bios", rom,
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", probePort),
	}
}

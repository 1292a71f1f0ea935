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

// recallKVM tells whether KVM runs guests, from memory if it was asked before.
// The error is that of ctx.
func recallKVM(ctx context.Context, cacheDir, binary, version string) (Ability, error) {
	cred := unprivileged()
	if a := kvmAccess(cred); !a.Usable {
		return a, nil // quickly found out, and quickly mended
	}
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Ability{}, fmt.Errorf("read the host's boot id: %w", err)
	}
	want := kvmAnswer{BootID: strings.TrimSpace(string(bootID)), QEMU: binary + " " + version, User: os.Geteuid()}
	path := kvmMemoryPath(cacheDir)
	if got, err := readAnswer(path); err == nil {
		want.KVM = got.KVM
		if got == want {
			return got.KVM, nil
		}
	}
	want.KVM = probeKVM(ctx, binary, withKVM(cred), kvmLimit)
	if ctx.Err() != nil {
		return Ability{}, context.Cause(ctx)
	}
	writeAnswer(path, want) // if that fails, the next server asks again
	return want.KVM, nil
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
// times too slowly.
func probeKVM(ctx context.Context, binary string, cred *syscall.Credential, limit time.Duration) Ability {
	rom, err := os.CreateTemp("", "vmette-kvm-probe-")
	if err != nil {
		return Ability{Reason: fmt.Sprintf("make probe guest: %v", err)}
	}
	defer rom.Close()
	os.Remove(rom.Name())
	if cred != nil {
		err = rom.Chown(int(cred.Uid), int(cred.Gid))
	}
	if _, werr := rom.Write(probeROM()); errors.Join(err, werr) != nil {
		return Ability{Reason: fmt.Sprintf("make probe guest: %v", errors.Join(err, werr))}
	}

	files := fileTable{files: []*os.File{rom}}
	cmd := exec.Command(binary, append(probeArgs(fdPath(firstFD)), "-accel", "kvm", "-cpu", "host")...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{}, &said
	c, err := startChild(cmd, files.files, cred)
	if err != nil {
		return Ability{Reason: fmt.Sprintf("start QEMU: %v", err)}
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
	switch code := c.cmd.ProcessState.ExitCode(); {
	case late:
		return Ability{
			Reason: fmt.Sprintf("%s opens, but a guest of some instructions had not ended after %v", kvmDevice, limit),
			Remedy: "none on this host if it is a virtual machine without real nested virtualization; sandboxes are emulated instead",
		}
	case code == probeExit:
		return Ability{Usable: true}
	default:
		return Ability{Reason: strings.TrimSpace(fmt.Sprintf("QEMU ended with status %d: %s", code, said.String()))}
	}
}

// probeArgs returns the arguments, but for the accelerator, of a QEMU that runs
// the probe guest in the file rom.
func probeArgs(rom string) []string {
	return []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "q35", "-m", "16M", "-bios", rom,
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", probePort),
	}
}

package qemu

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

func TestParseVersion(t *testing.T) {
	tests := []struct{ out, want string }{
		{"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright (c)\n", "7.2.22 (Debian 1:7.2+dfsg-7)"},
		{"QEMU emulator version 10.0.0\n", "10.0.0"},
		{"bash: version 5", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, err := parseVersion(tt.out)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: got %q, %v; want %q", tt.out, got, err, tt.want)
		}
	}
}

func TestUserDoorAbility(t *testing.T) {
	refused := errors.New("operation not permitted")
	tests := []struct {
		access error
		scope  string // "" when there is no Yama
		want   string
	}{
		{nil, "", "usable"},
		{nil, "2\n", "usable"}, // CAP_SYS_PTRACE is enough for it
		{refused, "", "operation not permitted"},
		{refused, "1\n", "operation not permitted"},
		{refused, "what\n", "operation not permitted"},
		{refused, "2\n", "kernel.yama.ptrace_scope is 2"},
		{refused, "3\n", "kernel.yama.ptrace_scope is 3"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "ptrace_scope")
		if tt.scope != "" {
			if err := os.WriteFile(path, []byte(tt.scope), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := userDoorAbility(tt.access, path)
		if got.Usable != (tt.access == nil) || !strings.HasPrefix(got.String(), tt.want) {
			t.Errorf("access %v, scope %q: got %+v, want %s", tt.access, tt.scope, got, tt.want)
		}
	}
}

func TestLackedCaps(t *testing.T) {
	const container = 0xa80425fb // what root of a container has by default
	tests := []struct {
		have uint64
		door Door
		want string
	}{
		{1<<41 - 1, DoorAuto, ""},
		{container, DoorAuto, "CAP_SYS_PTRACE"},
		{container, DoorVhost, ""},
		{0, DoorVhostUser, "CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE"},
	}
	for _, tt := range tests {
		if got := strings.Join(lackedCaps(tt.have, tt.door), " "); got != tt.want {
			t.Errorf("%#x, door %s: lacks %q, want %q", tt.have, tt.door, got, tt.want)
		}
	}
}

// A relative path names the same QEMU wherever that is started.
func TestInspectMakesPathAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	writeScript(t, "qemu", "echo QEMU emulator version 9.9")
	h, err := Inspect(t.Context(), Options{Binary: "./qemu", Accel: AccelTCG})
	if err != nil || !h.QEMU.Usable || !filepath.IsAbs(h.Binary) || h.Version != "9.9" {
		t.Errorf("got %+v, %v", h, err)
	}
}

// writeScript writes a program for the shell to path.
func writeScript(t *testing.T, path, program string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+program+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestChooseDoor(t *testing.T) {
	yes, no := Ability{Usable: true}, Ability{Reason: "it is shut", Remedy: "open it"}
	states := func(user, kernel Ability) []DoorState {
		return []DoorState{{DoorVhostUser, user}, {DoorVhost, kernel}}
	}
	tests := []struct {
		name   string
		want   Door
		states []DoorState
		chosen Door // "" for an error
	}{
		{"auto prefers our own", DoorAuto, states(yes, yes), DoorVhostUser},
		{"auto takes the other one", DoorAuto, states(no, yes), DoorVhost},
		{"auto finds none", DoorAuto, states(no, no), ""},
		{"asked for and usable", DoorVhost, states(yes, yes), DoorVhost},
		{"asked for and not usable", DoorVhost, states(yes, no), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := chooseDoor(tt.want, tt.states)
			if got != tt.chosen {
				t.Errorf("got %q, %v; want %q", got, err, tt.chosen)
			}
			if tt.chosen == "" && (!errors.Is(err, sandbox.ErrUnsupported) || !strings.Contains(err.Error(), "it is shut: open it")) {
				t.Errorf("got %v, want ErrUnsupported with reason and remedy", err)
			}
		})
	}
}

func TestClaimCID(t *testing.T) {
	var tried []uint64
	cid, err := claimCID(func(c uint64) error {
		if tried = append(tried, c); len(tried) < 3 {
			return os.NewSyscallError("ioctl", unix.EADDRINUSE)
		}
		return nil
	})
	if err != nil || uint64(cid) != tried[2] {
		t.Errorf("got %d, %v; want the third of %v", cid, err, tried)
	}
	for _, c := range tried {
		if c <= vsock.Host || c >= 1<<32-1 {
			t.Errorf("guest address %d is reserved", c)
		}
	}

	if _, err := claimCID(func(uint64) error { return unix.EACCES }); !errors.Is(err, unix.EACCES) {
		t.Errorf("got %v, want EACCES", err)
	}
	if _, err := claimCID(func(uint64) error { return unix.EADDRINUSE }); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("none free: got %v, want EADDRINUSE", err)
	}
}

func TestFromGuest(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want bool
	}{
		{&vsock.Addr{ContextID: 7, Port: 99}, true},
		{&vsock.Addr{ContextID: 8, Port: 99}, false},
		{&vsock.Addr{ContextID: vsock.Host, Port: 99}, false},
		{&net.UnixAddr{Name: "7"}, false},
	}
	for _, tt := range tests {
		if got := fromGuest(tt.addr, 7); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.addr, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{Accel: "xen"}, {Vsock: "tcp"}} {
		if _, err := New(o); !errors.Is(err, sandbox.ErrInvalidConfig) {
			t.Errorf("%+v: got %v, want ErrInvalidConfig", o, err)
		}
	}
}

func TestInspectWithoutQEMU(t *testing.T) {
	h, err := Inspect(t.Context(), Options{Binary: filepath.Join(t.TempDir(), "none")})
	if err != nil || h.QEMU.Usable || h.KVM.Usable || !strings.Contains(h.QEMU.Remedy, "qemu-system-x86") {
		t.Errorf("got %+v, %v; want neither QEMU nor KVM, and a remedy", h, err)
	}
	b, err := New(Options{Binary: filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := sandbox.Config{Kernel: "k", Initramfs: "i", Root: sandbox.RootfsBlock{Path: "r", Format: "squashfs"}}
	if _, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir()}); !errors.Is(err, sandbox.ErrUnsupported) {
		t.Errorf("Start: got %v, want ErrUnsupported", err)
	}
}

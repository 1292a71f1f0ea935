//go:build cgo && (linux || libvmette)

package main

// #include <stdbool.h>
// #include <stdint.h>
// #include <stdlib.h>
//
// // These are of vmette.h, which cgo may not see: it declares what is exported here.
// typedef struct vmette_config_t vmette_config_t;
// typedef struct vmette_run_output_t vmette_run_output_t;
import "C"

import (
	"context"
	"fmt"
	"os"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/vmette/vmette-mcp/capi/internal/oneshot"
)

// handles are what C has of the things of Go: a pointer to a byte of its own for
// each, which says nothing but which it is. One that is not here is not followed.
type handles[T any] struct {
	mu  sync.Mutex
	all map[unsafe.Pointer]*T
}

func (h *handles[T]) add(v *T) unsafe.Pointer {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := C.malloc(1)
	if h.all == nil {
		h.all = make(map[unsafe.Pointer]*T)
	}
	h.all[p] = v
	return p
}

// get returns what p stands for, nil if that is nothing.
func (h *handles[T]) get(p unsafe.Pointer) *T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[p]
}

func (h *handles[T]) free(p unsafe.Pointer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all[p] != nil {
		delete(h.all, p)
		C.free(p)
	}
}

var (
	configs handles[oneshot.Config]
	outputs handles[oneshot.Output]
)

// text returns a string of C.
func text(s *C.char) (string, oneshot.Status) {
	if s == nil {
		return "", oneshot.NullArg
	}
	t := C.GoString(s)
	if !utf8.ValidString(t) {
		return "", oneshot.InvalidUTF8
	}
	return t, oneshot.OK
}

// set changes a config with the strings that are given.
func set(cfg *C.vmette_config_t, change func(c *oneshot.Config, args []string), args ...*C.char) C.int {
	c := configs.get(unsafe.Pointer(cfg))
	if c == nil {
		return report(oneshot.NullArg, "the config is none")
	}
	texts := make([]string, len(args))
	for i, a := range args {
		var s oneshot.Status
		if texts[i], s = text(a); s != oneshot.OK {
			return report(s, fmt.Sprintf("string %d is null or not UTF-8", i+1))
		}
	}
	c.Change(func() { change(c, texts) })
	return C.int(oneshot.OK)
}

// report tells why a status is not OK to whoever wants to know.
func report(s oneshot.Status, why any) C.int {
	if os.Getenv("VMETTE_DEBUG") != "" {
		fmt.Fprintf(os.Stderr, "libvmette: status %d: %v\n", s, why)
	}
	return C.int(s)
}

//export vmette_config_new
func vmette_config_new(kernel, initramfs *C.char) *C.vmette_config_t {
	k, s1 := text(kernel)
	i, s2 := text(initramfs)
	if s1 != oneshot.OK || s2 != oneshot.OK {
		report(max(s1, s2), "kernel or initramfs is null or not UTF-8")
		return nil
	}
	return (*C.vmette_config_t)(configs.add(oneshot.New(k, i)))
}

//export vmette_config_free
func vmette_config_free(cfg *C.vmette_config_t) { configs.free(unsafe.Pointer(cfg)) }

//export vmette_config_set_cmdline
func vmette_config_set_cmdline(cfg *C.vmette_config_t, cmdline *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.Cmdline = a[0] }, cmdline)
}

//export vmette_config_set_rootfs_share
func vmette_config_set_rootfs_share(cfg *C.vmette_config_t, path *C.char, readOnly C.bool) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.Root, c.RootWritable = a[0], !bool(readOnly) }, path)
}

//export vmette_config_add_share
func vmette_config_add_share(cfg *C.vmette_config_t, tag, path *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.AddShare(a[0], a[1]) }, tag, path)
}

//export vmette_config_add_env
func vmette_config_add_env(cfg *C.vmette_config_t, key, value *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.AddEnv(a[0], a[1]) }, key, value)
}

//export vmette_config_add_disk
func vmette_config_add_disk(cfg *C.vmette_config_t, path *C.char, readOnly C.bool) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.AddDisk(a[0], bool(readOnly)) }, path)
}

//export vmette_config_set_exec
func vmette_config_set_exec(cfg *C.vmette_config_t, command *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.Command = a[0] }, command)
}

//export vmette_config_set_net
func vmette_config_set_net(cfg *C.vmette_config_t, policy *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.Net = a[0] }, policy)
}

//export vmette_config_set_switch_root
func vmette_config_set_switch_root(cfg *C.vmette_config_t, on C.bool) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.NoSwitchRoot = !bool(on) })
}

//export vmette_config_set_vsock_port
func vmette_config_set_vsock_port(cfg *C.vmette_config_t, port C.uint32_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.VsockPort = uint32(port) })
}

//export vmette_config_set_guest_vsock_port
func vmette_config_set_guest_vsock_port(cfg *C.vmette_config_t, port C.uint32_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.GuestPort = uint32(port) })
}

//export vmette_config_set_timeout
func vmette_config_set_timeout(cfg *C.vmette_config_t, milliseconds C.uint64_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.TimeoutMS = uint64(milliseconds) })
}

//export vmette_config_set_vcpus
func vmette_config_set_vcpus(cfg *C.vmette_config_t, n C.uint32_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.CPUs = uint32(n) })
}

//export vmette_config_set_mem_mib
func vmette_config_set_mem_mib(cfg *C.vmette_config_t, mib C.uint32_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.MemoryMiB = uint32(mib) })
}

//export vmette_config_set_scratch_mib
func vmette_config_set_scratch_mib(cfg *C.vmette_config_t, mib C.uint32_t) C.int {
	return set(cfg, func(c *oneshot.Config, _ []string) { c.ScratchMiB = uint32(mib) })
}

//export vmette_config_set_build_snapshot
func vmette_config_set_build_snapshot(cfg *C.vmette_config_t, path *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.BuildSnapshot = a[0] }, path)
}

//export vmette_config_set_resume_snapshot
func vmette_config_set_resume_snapshot(cfg *C.vmette_config_t, path *C.char) C.int {
	return set(cfg, func(c *oneshot.Config, a []string) { c.ResumeSnapshot = a[0] }, path)
}

//export vmette_run
func vmette_run(cfg *C.vmette_config_t, out **C.vmette_run_output_t) C.int {
	if out == nil {
		return report(oneshot.NullArg, "out is null")
	}
	*out = nil
	c := configs.get(unsafe.Pointer(cfg))
	if c == nil {
		return report(oneshot.NullArg, "the config is none")
	}
	o, err := c.Run(context.Background(), os.Stdout, os.Stderr)
	if err != nil {
		return report(oneshot.StatusOf(err), err)
	}
	*out = (*C.vmette_run_output_t)(outputs.add(&o))
	return C.int(oneshot.OK)
}

//export vmette_run_output_exit_code
func vmette_run_output_exit_code(out *C.vmette_run_output_t) C.int32_t {
	o := outputs.get(unsafe.Pointer(out))
	if o == nil {
		return -1
	}
	return C.int32_t(o.ExitCode)
}

//export vmette_run_output_free
func vmette_run_output_free(out *C.vmette_run_output_t) { outputs.free(unsafe.Pointer(out)) }

// versionText lasts as long as the process.
var versionText = C.CString(oneshot.Version)

//export vmette_version
func vmette_version() *C.char { return versionText }

package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

func TestLanguages(t *testing.T) {
	tests := []struct {
		name  string
		flags executeFlags
		image string
		want  map[string]string
		err   string
	}{
		{"default", executeFlags{}, rootfs.DefaultSpec, map[string]string{"sh": rootfs.DefaultSpec, "python": rootfs.DefaultSpec}, ""},
		{"default on another image", executeFlags{}, "./root", map[string]string{"sh": "./root"}, ""},
		{"named", executeFlags{Execute: []string{"perl", "node=oci://node:22"}}, "./root", map[string]string{"perl": "./root", "node": "oci://node:22"}, ""},
		{"none", executeFlags{Execute: []string{"none"}}, "./root", nil, ""},
		{"none and one", executeFlags{Execute: []string{"none", "sh"}}, "./root", nil, "goes with no other"},
		{"none and an image", executeFlags{Execute: []string{"none"}, ExecuteImage: []string{"a"}}, "./root", nil, "goes with no other"},
		{"unknown", executeFlags{Execute: []string{"cobol"}}, "./root", nil, "use bash, node, perl, python, ruby, sh or none"},
		{"no image", executeFlags{Execute: []string{"sh="}}, "./root", nil, "names no image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.flags.languages(tt.image)
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrograms(t *testing.T) {
	store := newFakeStore()
	desktops := testImages(t, store)
	base := sandbox.Config{CPUs: 3, Network: sandbox.Network{Mode: "open"}}
	flags := executeFlags{Execute: []string{"sh", "node=oci://node"}, ExecuteImage: []string{"oci://python"}, ExecuteMemory: 512}
	p, err := newPrograms(flags, desktops, base, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if diff := cmp.Diff([]string{"bash", "node", "perl", "python", "ruby", "sh"}, p.Languages()); diff != "" {
		t.Errorf("languages, with an image that may be named (-want +got):\n%s", diff)
	}

	// What is not there is made in the background, for desktops and programs at once.
	// Who has no patience is told how far it is, and who has is answered in the end.
	var notReady *mcp.NotReadyError
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if _, err := p.Config(hurried, "sh", "", "true", func(*mcp.NotReadyError) {}); !errors.As(err, &notReady) {
			t.Fatalf("got %v, want that the image is not ready", err)
		}
	}
	<-store.begun
	if _, err := desktops.Config(t.Context()); !errors.As(err, &notReady) || store.builds != 1 {
		t.Errorf("%d builds, %v; want one that desktops wait for too", store.builds, err)
	}
	far := make(chan string)
	waited := make(chan error)
	go func() {
		_, err := p.Config(t.Context(), "sh", "", "true", func(e *mcp.NotReadyError) { far <- e.Phase })
		waited <- err
	}()
	if phase := <-far; phase != "start" {
		t.Errorf("the first phase is %q", phase)
	}
	go func() { store.steps <- rootfs.Progress{Phase: "unpack"} }()
	if phase := <-far; phase != "unpack" {
		t.Errorf("the next phase is %q", phase)
	}
	close(store.steps)
	if err := <-waited; err != nil {
		t.Errorf("who waited got %v", err)
	}

	for _, tt := range []struct {
		language, image, code string
		want                  []string
		err                   string
	}{
		{"sh", "", "exit 3", []string{"/bin/sh", "-c", "exit 3"}, ""},
		{"node", "", "-1", []string{"node", "--eval=-1"}, ""},
		{"python", "oci://python", "print(1)", []string{"python3", "-c", "print(1)"}, ""},
		{"python", "", "print(1)", nil, "python has no image of its own here"},
		{"sh", "dir:/etc", "cat passwd", nil, "may not be named"},
		{"sh", "oci://node", "true", nil, "may not be named"}, // it is node's, and nobody's else
	} {
		got, err := p.Config(t.Context(), tt.language, tt.image, tt.code, func(*mcp.NotReadyError) {})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s on %q: %v, want %q", tt.language, tt.image, err, tt.err)
			}
			continue
		}
		want := sandbox.Config{
			Image: "debian:test", Kernel: "k", Initramfs: "i", Root: sandbox.RootfsBlock{Path: "r", Format: "squashfs"},
			CPUs: 3, MemoryMiB: 512, Network: base.Network, Workload: sandbox.WorkloadOneShot,
			Exec: sandbox.Exec{Args: tt.want, Env: []string{"FROM=image"}, Dir: "/srv", User: "33"},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s on %q: %v (-want +got):\n%s", tt.language, tt.image, err, diff)
		}
	}
}

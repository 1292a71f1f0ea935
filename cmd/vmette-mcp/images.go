package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// imageStore is what images needs of a [rootfs.Store].
type imageStore interface {
	Get(ctx context.Context, spec string) (*rootfs.Image, error)
	Build(ctx context.Context, spec string, progress func(rootfs.Progress)) (*rootfs.Image, error)
	Initramfs(img *rootfs.Image, agent []byte) (string, error)
}

// images says what new desktops boot. An image that is not there is built in
// the background; until it is there, whoever asks is told how far it is.
type images struct {
	store imageStore
	spec  string
	agent []byte
	base  sandbox.Config // without the image's part
	log   *slog.Logger

	ctx    context.Context // ends a build
	cancel context.CancelFunc
	builds sync.WaitGroup

	mu       sync.Mutex
	building bool
	progress rootfs.Progress
	failed   error // why the last build failed, until someone was told
}

func newImages(store imageStore, spec string, agent []byte, base sandbox.Config, log *slog.Logger) *images {
	ctx, cancel := context.WithCancel(context.Background())
	return &images{store: store, spec: spec, agent: agent, base: base, log: log, ctx: ctx, cancel: cancel}
}

// Close ends a build that is under way and waits for it.
func (im *images) Close() {
	im.cancel()
	im.builds.Wait()
}

// Config implements [mcp.Images].
func (im *images) Config(ctx context.Context) (sandbox.Config, error) {
	img, err := im.store.Get(ctx, im.spec)
	if errors.Is(err, rootfs.ErrNotBuilt) {
		return sandbox.Config{}, im.build()
	}
	if err != nil {
		return sandbox.Config{}, err
	}
	return bootConfig(im.store, img, im.agent, im.base)
}

// ready returns what new desktops boot if its image is there, and builds nothing.
func (im *images) ready(ctx context.Context) (sandbox.Config, bool) {
	img, err := im.store.Get(ctx, im.spec)
	if err != nil {
		return sandbox.Config{}, false
	}
	cfg, err := bootConfig(im.store, img, im.agent, im.base)
	return cfg, err == nil
}

// build sees to it that the image is being built and returns how far that is,
// or, once, why it failed; the call after that tries again.
func (im *images) build() error {
	im.mu.Lock()
	defer im.mu.Unlock()
	if err := im.failed; err != nil {
		im.failed = nil
		return fmt.Errorf("the desktop's image could not be built; the next call tries again: %w", err)
	}
	if im.ctx.Err() != nil {
		return errors.New("the server is ending")
	}
	if !im.building {
		im.building = true
		im.progress = rootfs.Progress{Phase: "start"}
		im.log.Info("image is not there, building it in the background", "image", im.spec)
		im.builds.Go(im.run)
	}
	return notReady(im.progress)
}

func (im *images) run() {
	img, err := im.store.Build(im.ctx, im.spec, func(p rootfs.Progress) {
		im.mu.Lock()
		im.progress = p
		im.mu.Unlock()
	})
	im.mu.Lock()
	defer im.mu.Unlock()
	im.building = false
	if err != nil {
		im.failed = err
		im.log.Error("image could not be built", "image", im.spec, "err", err)
		return
	}
	im.log.Info("image is built", "image", img.Name, "id", img.ID)
}

func notReady(p rootfs.Progress) *mcp.NotReadyError {
	detail := p.Detail
	if p.Fraction > 0 {
		detail = fmt.Sprintf("%.0f%% of all", 100*p.Fraction)
		if p.Detail != "" {
			detail += ", " + p.Detail
		}
	}
	return &mcp.NotReadyError{Phase: string(p.Phase), Done: p.Done, Total: p.Total, Detail: detail}
}

// bootConfig returns base with what it takes to boot img with the guest agent.
func bootConfig(store imageStore, img *rootfs.Image, agent []byte, base sandbox.Config) (sandbox.Config, error) {
	initramfs, err := store.Initramfs(img, agent)
	if err != nil {
		return sandbox.Config{}, err
	}
	base.Image = img.Name
	base.Kernel = img.Kernel
	base.Initramfs = initramfs
	base.Root = sandbox.Disk{Path: img.Root, Format: img.RootFormat}
	return base, nil
}

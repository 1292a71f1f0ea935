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
	changed  chan struct{} // closed, and replaced, when building or progress is another
	failed   error         // why the last build failed, until someone was told
	told     sandbox.Config
	tell     func(sandbox.Config) // is told what desktops boot whenever that is new; may be nil
}

func newImages(store imageStore, spec string, agent []byte, base sandbox.Config, log *slog.Logger) *images {
	ctx, cancel := context.WithCancel(context.Background())
	return &images{
		store: store, spec: spec, agent: agent, base: base, log: log, ctx: ctx, cancel: cancel,
		changed: make(chan struct{}),
	}
}

// Close ends a build that is under way and waits for it.
func (im *images) Close() {
	im.cancel()
	im.builds.Wait()
}

// Config implements [mcp.Images].
func (im *images) Config(ctx context.Context) (sandbox.Config, error) {
	img, err := im.image(ctx)
	if err != nil {
		return sandbox.Config{}, err
	}
	return im.use(img)
}

// image returns the image, or sees to it that it is being built and says how far
// that is.
func (im *images) image(ctx context.Context) (*rootfs.Image, error) {
	img, err := im.store.Get(ctx, im.spec)
	if errors.Is(err, rootfs.ErrNotBuilt) {
		return nil, im.build()
	}
	return img, err
}

// await is like image, and waits for an image that is being built until ctx is done.
// tell is told how far it is whenever that changes.
func (im *images) await(ctx context.Context, tell func(*mcp.NotReadyError)) (*rootfs.Image, error) {
	for {
		im.mu.Lock()
		changed := im.changed
		im.mu.Unlock()
		img, err := im.image(context.WithoutCancel(ctx)) // who has no time left is told how far it is, too
		var far *mcp.NotReadyError
		if !errors.As(err, &far) {
			return img, err
		}
		for building := true; building; {
			tell(far)
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, far
			}
			im.mu.Lock()
			building, changed, far = im.building, im.changed, notReady(im.progress)
			im.mu.Unlock()
		}
	}
}

// change tells who waits that something has changed. The caller holds mu.
func (im *images) change() {
	close(im.changed)
	im.changed = make(chan struct{})
}

// use returns what new desktops boot that have img.
func (im *images) use(img *rootfs.Image) (sandbox.Config, error) {
	cfg, err := bootConfig(im.store, img, im.agent, im.base)
	if err != nil {
		return sandbox.Config{}, err
	}
	im.mu.Lock()
	tell := im.tell
	if cfg.Equal(im.told) {
		tell = nil
	}
	if tell != nil {
		im.told = cfg
	}
	im.mu.Unlock()
	if tell != nil {
		tell(cfg)
	}
	return cfg, nil
}

// follow has tell be told what new desktops boot: now, if their image is there, and
// whenever it is another one. It builds nothing.
func (im *images) follow(ctx context.Context, tell func(sandbox.Config)) {
	im.mu.Lock()
	im.tell = tell
	im.mu.Unlock()
	if img, err := im.store.Get(ctx, im.spec); err == nil {
		_, _ = im.use(img) // what is wrong, whoever needs it will be told
	}
}

// build sees to it that the image is being built and returns how far that is,
// or, once, why it failed; the call after that tries again.
func (im *images) build() error {
	im.mu.Lock()
	defer im.mu.Unlock()
	if err := im.failed; err != nil {
		im.failed = nil
		return fmt.Errorf("the image could not be built; the next call tries again: %w", err)
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
		im.change()
		im.mu.Unlock()
	})
	if err == nil {
		_, err = im.use(img)
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	im.building = false
	im.change()
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
	base.Root = sandbox.RootfsBlock{Path: img.Root, Format: img.RootFormat}
	return base, nil
}

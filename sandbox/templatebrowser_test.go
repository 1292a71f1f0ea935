package sandbox_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// A browser that is half started when it is saved would be in every desktop.
func TestTemplateWithoutABrowserThatHangs(t *testing.T) {
	for name, hangs := range map[string]bool{"hangs": true, "starts": false} {
		t.Run(name, func(t *testing.T) {
			cfg, dir := bootable(t), t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				var boots atomic.Int32
				b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
					boots.Add(1)
					g.Hangs = hangs
					return sandboxtest.Desktop(ctx, g)
				}}
				ts := openTemplates(t, dir, b)
				begun := time.Now()
				buildTemplate(t, ts, cfg)
				list, err := ts.List()
				if err != nil || len(list) != 1 {
					t.Fatalf("List: %+v, %v", list, err)
				}
				if list[0].Browser == hangs {
					t.Errorf("it was saved with the browser: %v", list[0].Browser)
				}
				if n, took := boots.Load(), time.Since(begun); (n == 2) != hangs || (took > time.Minute) != hangs || took > 10*time.Minute {
					t.Errorf("it took %d boots and %v", n, took)
				}
			})
		})
	}
}

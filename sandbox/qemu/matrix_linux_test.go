package qemu_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
	"github.com/vmette/vmette-mcp/internal/oracle/matrix"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

var whole = flag.Bool("matrix.whole", false, "check every cell of the matrix in a guest, and not a third of them")

// Input actions in every kind of application, in a real guest.
func TestIntegrationMatrix(t *testing.T) {
	cfg := testimage.Oracles(t)
	cfg.Screen = matrix.Screen
	s, err := sandbox.Start(t.Context(), backend(t, qemu.Options{}), cfg, sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	cells := matrix.Cells()
	if !*whole {
		cells = matrix.Third(cells)
	}
	tally := matrix.NewTally(cells)
	for _, kind := range oracle.Applications {
		t.Run(string(kind), func(t *testing.T) {
			matrix.Run(t, kind, matrix.Options{
				Host: oracle.Remote{Do: s.Do},
				Driver: func(ctx context.Context, a desktop.Action) error {
					_, err := s.Do(ctx, a, desktop.Observe{})
					return err
				},
				Cells: cells,
				Limit: 2 * time.Minute, // a host that does other things too
				Start: 5 * time.Minute,
				Tally: tally,
			})
		})
	}
	tally.Report(t, "../../docs/actions.md")
}

package session

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/orders"
)

// talk tells the agent what it must know and does what it asks for, until the
// agent or ctx has ended. starts says how many agents there were before.
func (s *session) talk(ctx context.Context, conn io.ReadWriter, starts int) {
	s.mu.Lock()
	boot := s.Boot
	s.mu.Unlock()
	if json.NewEncoder(conn).Encode(orders.Start{
		Token:    boot.Token,
		Port:     boot.Port,
		Screen:   boot.Screen,
		Restarts: starts,
		Display:  Display,
		Manager:  s.manager != "" && !slices.Contains(silentManagers, filepath.Base(s.manager)),
		Cgroup:   s.Cgroup,
	}) != nil {
		return
	}
	out := &orderWriter{lines: json.NewEncoder(conn)}
	var requests sync.WaitGroup
	requests.Go(func() { s.answer(orders.NewReader(conn), out) })
	defer requests.Wait()

	var n uint64
	var err error
	for err == nil {
		if n, err = s.x11.Wait(ctx, n); err == nil {
			err = out.write(orders.Order{Display: &orders.Display{Server: n}})
		}
	}
}

// answer does what the agent asks for.
func (s *session) answer(in *orders.Reader, out *orderWriter) {
	for {
		var r orders.Request
		if err := in.Read(&r); err != nil {
			return
		}
		var done orders.Done
		if err := s.do(r); err != nil {
			s.Log.Printf("%v", err)
			done.Error = err.Error()
		}
		if out.write(orders.Order{Done: &done}) != nil {
			return
		}
	}
}

func (s *session) do(r orders.Request) error {
	if r.Resume != nil {
		return s.resume(*r.Resume)
	}
	return machine.AdvanceClock(time.Unix(0, r.Clock))
}

// resume makes the machine the one that boot says. From then on agents show its
// token, whatever else went wrong. The network comes up last: whoever talks over it
// draws on what is new, and its driver may take a while to load.
func (s *session) resume(boot desktop.Boot) error {
	s.mu.Lock()
	s.Boot.Token, s.Boot.Hostname = boot.Token, boot.Hostname
	s.mu.Unlock()
	err := machine.Resume(boot)
	return errors.Join(err, s.Uplink(boot.Network))
}

// orderWriter writes the lines of several goroutines.
type orderWriter struct {
	mu    sync.Mutex
	lines *json.Encoder
}

func (w *orderWriter) write(o orders.Order) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.Encode(o)
}

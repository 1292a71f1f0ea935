package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// How often actions are measured.
const (
	nActions = 100
	nRounds  = 5  // of nActions for a rate
	nBatches = 10 // of inBatch
	inBatch  = 20
	nFiles   = 10
	fileSize = 1 << 20
)

// actions measures what one action costs, and many, of those that do nothing to
// what is on the screen. Nothing is looked at but where it is said.
func (s screen) actions(ctx context.Context) ([]Measurement, error) {
	i := 0
	next := func() desktop.Action {
		if i++; i%2 == 0 {
			return desktop.Key{Keys: "shift"}
		}
		return desktop.Move{To: clickPoint(i / 2)}
	}
	var all []Measurement
	for _, m := range []struct {
		name, what string
		n          int
		observe    desktop.ObserveMode
		action     func() desktop.Action
	}{
		{"move_answered", "from the request to the agent's answer: a move of the pointer", nActions, "", func() desktop.Action { i++; return desktop.Move{To: clickPoint(i)} }},
		{"key_answered", "the same: a key", nActions, "", func() desktop.Action { return desktop.Key{Keys: "shift"} }},
		{"key_settled", "the same, with the wait for a quiet screen, on which nothing changes", nChanges, desktop.ObserveSettled, func() desktop.Action { return desktop.Key{Keys: "shift"} }},
		{"batch_answered", fmt.Sprintf("the same: %d moves and keys in one request", inBatch), nBatches, "", func() desktop.Action {
			var b desktop.Batch
			for range inBatch {
				b.Actions = append(b.Actions, desktop.Step{Action: next()})
			}
			return b
		}},
	} {
		samples, err := s.time(ctx, m.n, m.observe, m.action)
		if err != nil {
			return all, fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, summarize(m.name, m.what, samples))
	}
	var rates []float64
	for range nRounds {
		begun := time.Now()
		if _, err := s.time(ctx, nActions, "", next); err != nil {
			return all, err
		}
		rates = append(rates, nActions/time.Since(begun).Seconds())
	}
	all = append(all, summary("actions_per_second", fmt.Sprintf("%d moves and keys one after the other, each sent when the one before is answered", nActions), "1/s", rates))
	files, err := s.files(ctx)
	return append(all, files...), err
}

// files measures files of 1 MiB, and checks them.
func (s screen) files(ctx context.Context) ([]Measurement, error) {
	content := bytes.Repeat([]byte("0123456789abcdef"), fileSize/16)
	const path = "/tmp/vmette-bench-file"
	write := func() desktop.Action { return desktop.WriteFile{Path: path, Data: content} }
	written, err := s.time(ctx, nFiles, "", write)
	if err != nil {
		return nil, err
	}
	var read []time.Duration
	for range nFiles {
		begun := time.Now()
		res, err := s.do(ctx, desktop.ReadFile{Path: path}, desktop.Observe{})
		if err != nil {
			return nil, err
		}
		read = append(read, time.Since(begun))
		if !bytes.Equal(res.Data, content) {
			return nil, fmt.Errorf("read_file: %d bytes that are not the %d that were written", len(res.Data), len(content))
		}
	}
	_, err = s.do(ctx, desktop.Exec{Command: "rm " + path}, desktop.Observe{})
	return []Measurement{
		summarize("write_file_1mib", "from the request to the answer: 1 MiB written as a whole and on the disk", written),
		summarize("read_file_1mib", "from the request to the answer: the same 1 MiB, which is exact", read),
	}, err
}

// time measures n actions one after the other.
func (s screen) time(ctx context.Context, n int, mode desktop.ObserveMode, action func() desktop.Action) ([]time.Duration, error) {
	var samples []time.Duration
	for range n {
		a := action()
		begun := time.Now()
		if _, err := s.do(ctx, a, desktop.Observe{Mode: mode}); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name(), err)
		}
		samples = append(samples, time.Since(begun))
	}
	return samples, nil
}

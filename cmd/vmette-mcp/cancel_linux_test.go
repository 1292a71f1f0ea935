package main

import (
	"context"
	"testing"
	"time"
)

// cancelWaits hangs up on calls that wait on a desktop, and measures how much later than
// on an idle desktop the next call is answered, which has to wait for the end of
// those.
func cancelWaits(t *testing.T, s *remoteServer, desktop string) {
	t.Helper()
	const times, noticeable = 5, time.Second
	var took latencies
	next := func(kind string) {
		begun := time.Now()
		if r, _ := asked(t, s, owner, "wait", map[string]any{"desktop_id": desktop, "duration": 0.001, "observe": "none"}); r.failed != "" {
			t.Error(r.failed)
		}
		took.add(kind, time.Since(begun))
	}
	for range times {
		next("idle")
		ctx, hangUp := context.WithCancel(t.Context())
		c := s.client(owner, true)
		res, err := c.post(ctx, "tools/call", "wait", c.params("wait", map[string]any{"desktop_id": desktop, "duration": 100}))
		if err != nil {
			t.Fatal(err)
		}
		hangUp()
		next("cancelled")
		res.Body.Close()
		c.close()
	}
	t.Logf("a call behind one that is cancelled:\n%s", took.table())
	if p50 := took.percentile("cancelled", 50); p50 > noticeable {
		t.Errorf("half of the calls behind one that was cancelled were answered after more than %v", p50)
	}
}

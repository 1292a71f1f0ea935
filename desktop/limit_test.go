package desktop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		action  Action
		observe Observe
		want    time.Duration // beyond AnswerSlack
	}{
		{Screenshot{}, Observe{Mode: ObserveNow}, 0},
		{Click{Button: Left, Count: 1}, Observe{Mode: ObserveSettled}, defaultSettle},
		{Click{Button: Left, Count: 1}, Observe{Mode: ObserveSettled, LimitMS: 300_000}, 300 * time.Second},
		{Wait{DurationMS: 300_000}, Observe{}, 300 * time.Second},
		{HoldKey{Keys: "a", DurationMS: 1500}, Observe{}, 1500 * time.Millisecond},
		{Exec{Command: "x"}, Observe{}, DefaultExecTimeout},
		{Exec{Command: "x", TimeoutMS: 3_600_000}, Observe{}, time.Hour},
		{Type{Text: strings.Repeat("a", 1000)}, Observe{}, 20 * time.Second},
		{Scroll{DX: -100, DY: 100}, Observe{}, 10 * time.Second},
		{Launch{Command: "x"}, Observe{}, DefaultLaunchTimeout},
		{OpenURL{URL: "http://x/"}, Observe{}, OpenURLTimeout},
		{Batch{[]Step{{Wait{DurationMS: 1500}}, {OpenURL{URL: "http://x/"}}}}, Observe{Mode: ObserveSettled}, 1500*time.Millisecond + OpenURLTimeout + 3*defaultSettle},
	} {
		if got := limit(tt.action, tt.observe) - AnswerSlack; got != tt.want {
			t.Errorf("%T is given %v beyond the slack, want %v", tt.action, got, tt.want)
		}
	}
}

// Without a time of the caller's own an action is answered, settled screen included,
// before clients give up that wait for a minute.
func TestPatience(t *testing.T) {
	const patience = time.Minute
	for _, a := range []Action{Launch{}, OpenURL{}, Click{}, Screenshot{}, ListWindows{}} {
		if took := limit(a, Observe{Mode: ObserveSettled}) - AnswerSlack; took >= patience {
			t.Errorf("%T takes up to %v", a, took)
		}
	}
}

// A guest that takes requests and answers none holds nobody for ever, and is
// given up so that another can take its place.
func TestClientGuestThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		start := time.Now()
		done := do(t.Context(), c, Wait{DurationMS: 1000})
		id, _ := readRequest(t, g)
		if _, req := readRequest(t, g); req.Cancel != id {
			t.Errorf("request is %+v, want a cancel of %d", req, id)
		}
		if took, want := time.Since(start), time.Second+AnswerSlack; took != want {
			t.Errorf("it was cancelled after %v, want %v", took, want)
		}
		r := <-done
		wantCode(t, r.err, CodeUnknown)
		<-c.Done()
		if took, want := time.Since(start), time.Second+AnswerSlack+cancelGrace; took != want {
			t.Errorf("the connection ended after %v, want %v", took, want)
		}
		if !errors.Is(c.Err(), errOverdue) {
			t.Errorf("the connection ended with %v", c.Err())
		}
	})
}

// A guest that is only too slow keeps its connection.
func TestClientGuestThatConfirmsTheCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		done := do(t.Context(), c, Wait{})
		id, _ := readRequest(t, g)
		cancelID, _ := readRequest(t, g)
		if err := g.WriteResponse(id, Response{Error: Errorf(CodeCancelled, "stopped")}, nil); err != nil {
			t.Fatal(err)
		}
		if err := g.WriteResponse(cancelID, Response{OK: true}, nil); err != nil {
			t.Fatal(err)
		}
		r := <-done
		wantCode(t, r.err, CodeCancelled)
		if !strings.Contains(r.err.Error(), "not answered within 2m0s") {
			t.Errorf("error %v does not say why it was cancelled", r.err)
		}
		time.Sleep(time.Hour)
		if err := c.Err(); err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}

// Callers that give up do not use up the room of a guest that never answers.
func TestClientSlotsAreRepaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		go func() {
			for {
				if _, _, err := g.ReadRequest(); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all []<-chan result
		for range MaxInFlight {
			all = append(all, do(ctx, c, Exec{Command: "x", TimeoutMS: 3_600_000}))
		}
		for _, r := range all {
			wantCode(t, (<-r).err, CodeUnknown)
		}
		start := time.Now()
		_, err := c.Do(t.Context(), Wait{}, Observe{})
		wantCode(t, err, CodeUnavailable)
		if took := time.Since(start); took > AnswerSlack {
			t.Errorf("there was no room for %v", took)
		}
	})
}

// The time of an input action begins when those before it have had theirs.
func TestClientInputActionsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		first := do(t.Context(), c, HoldKey{Keys: "a", DurationMS: 300_000})
		id1, _ := readRequest(t, g)
		second := do(t.Context(), c, HoldKey{Keys: "b", DurationMS: 300_000})
		id2, _ := readRequest(t, g)
		for _, id := range []uint32{id1, id2} {
			time.Sleep(400 * time.Second)
			if err := g.WriteResponse(id, Response{OK: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if r := <-first; r.err != nil {
			t.Error(r.err)
		}
		if r := <-second; r.err != nil {
			t.Error(r.err)
		}
	})
}

// What must be known and nobody was there to hear is told with the next answer.
func TestClientKeepsNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := pair(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := do(ctx, c, Wait{})
		id, _ := readRequest(t, g)
		cancel()
		cancelID, _ := readRequest(t, g)
		wantCode(t, (<-done).err, CodeUnknown)
		for id, notice := range map[uint32]string{id: "X was restarted", cancelID: "the clock was set"} {
			if err := g.WriteResponse(id, Response{OK: true, Notices: []string{notice}}, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for _, want := range []int{3, 1} {
			done := do(t.Context(), c, Wait{})
			id, _ := readRequest(t, g)
			if err := g.WriteResponse(id, Response{OK: true, Notices: []string{"new"}}, nil); err != nil {
				t.Fatal(err)
			}
			if r := <-done; r.err != nil || len(r.res.Notices) != want {
				t.Errorf("answer is %+v, want %d notices", r, want)
			}
		}
		flood := make([]string, 2*maxNotices)
		c.mu.Lock()
		c.keep(flood)
		c.keep([]string{"last"})
		got := c.notices
		c.mu.Unlock()
		if diff := cmp.Diff(append(make([]string, maxNotices-1), "last"), got); diff != "" {
			t.Errorf("kept of a flood: (-want +got)\n%s", diff)
		}
	})
}

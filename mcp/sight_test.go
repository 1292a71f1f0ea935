package mcp

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vmette/vmette-mcp/desktop"
)

const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}` + "\n"

// ask calls a tool and returns its answer.
func ask(t *testing.T, in io.Writer, lines *bufio.Scanner, id int, name, args string) string {
	t.Helper()
	send(t, in, toolCall(id, name, args))
	if !lines.Scan() || idOf(lines.Bytes()) != fmt.Sprint(id) {
		t.Fatalf("call %d was answered with %s", id, lines.Bytes())
	}
	return string(lines.Bytes())
}

func wants(t *testing.T, answer, want string) {
	t.Helper()
	if !strings.Contains(answer, want) {
		t.Errorf("answer\n\t%.600s\nlacks\n\t%s", answer, want)
	}
}

// A model is never told that the screen is unchanged when a call whose answer
// it did not get may have changed it, and hears of what was lost meanwhile.
func TestCancelledCallsLeaveTheScreenUnknown(t *testing.T) {
	lost := []string{"X was restarted"}
	for name, end := range map[string]func(*desktop.Result) (*desktop.Result, error){
		"done all the same": func(r *desktop.Result) (*desktop.Result, error) { return r, nil },
		"failed": func(r *desktop.Result) (*desktop.Result, error) {
			return r, desktop.Errorf(desktop.CodeCancelled, "stopped on request")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost()
				in, out, close := serve(t, host)
				lines := scan(out)
				ask(t, in, lines, 1, "screenshot", `{}`)
				wants(t, ask(t, in, lines, 2, "key", `{"text":"F1"}`), "The screen is unchanged")

				host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
					<-ctx.Done()
					res, err := obey(ctx, d, a, o)
					if err != nil {
						return res, err
					}
					res.Notices = lost
					return end(res)
				}
				send(t, in, toolCall(3, "type", `{"text":"x"}`))
				synctest.Wait()
				send(t, in, fmt.Sprintf(cancelled, 3))
				synctest.Wait()

				host.do = obey
				got := ask(t, in, lines, 4, "key", `{"text":"F1"}`)
				wants(t, got, "Notice: X was restarted")
				wants(t, got, "image/png")
				got = ask(t, in, lines, 5, "key", `{"text":"F1"}`)
				wants(t, got, "The screen is unchanged")
				if strings.Contains(got, "Notice") {
					t.Errorf("the notice was given twice: %s", got)
				}
				if err := close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An answer that comes after its call was given up brings the host's picture
// up to date, not the model's.
func TestLateFrameIsNotUnchanged(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	ask(t, in, lines, 1, "screenshot", `{}`)
	if _, err := obey(t.Context(), host.last(), desktop.Type{Text: "late"}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
		t.Fatal(err)
	}
	got := ask(t, in, lines, 2, "key", `{"text":"F1"}`)
	wants(t, got, "Whether the screen changed is not known; this is how it is now.")
	wants(t, got, "image/png")
	if err := end(); err != nil {
		t.Error(err)
	}
}

// Coordinates aimed by a picture of another size are refused, not converted.
func TestPointsOfAnotherScreenAreRefused(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	ask(t, in, lines, 1, "screenshot", `{}`)
	d := host.last()
	d.mu.Lock()
	d.resize(desktop.Size{Width: 100, Height: 80})
	d.mu.Unlock()
	for i, c := range []struct{ tool, args string }{
		{"left_click", `{"coordinate":[10,10]}`},
		{"mouse_move", `{"coordinate":[10,10]}`},
		{"scroll", `{"coordinate":[10,10],"scroll_direction":"up","scroll_amount":1}`},
		{"left_click_drag", `{"coordinate":[10,10]}`},
		{"zoom", `{"region":[0,0,10,10]}`},
		{"perform", `{"actions":[{"action":"key","text":"F1"},{"action":"left_click","coordinate":[10,10]}]}`},
	} {
		wants(t, ask(t, in, lines, 2+i, c.tool, c.args), c.tool+" was not done: the screen is now 100x80 pixels, but the last picture of it that was sent is of 320x200: take a screenshot")
	}
	if got := host.last().actions(); got != "desktop.Screenshot{Region:<nil>}\n" {
		t.Errorf("done was\n%s", got)
	}
	wants(t, ask(t, in, lines, 8, "screenshot", `{}`), "100x80")
	wants(t, ask(t, in, lines, 9, "left_click", `{"coordinate":[10,10]}`), "Clicked")
	if err := end(); err != nil {
		t.Error(err)
	}
}

// The look before an action that is aimed by an earlier frame counts as any
// other: what it hears is told, and an action is not done without it.
func TestLookBeforeAimingByAFrame(t *testing.T) {
	const aimed = `{"coordinate":[10,10],"frame":%d}`
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	ask(t, in, lines, 1, "screenshot", `{}`)
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		res, err := obey(ctx, d, a, o)
		if _, ok := a.(desktop.Screenshot); ok && res != nil {
			res.Notices = []string{"X was restarted"}
		}
		return res, err
	}
	got := ask(t, in, lines, 2, "left_click", fmt.Sprintf(aimed, 1))
	wants(t, got, "Notice: X was restarted")
	wants(t, got, "Clicked")
	wants(t, ask(t, in, lines, 3, "left_click", fmt.Sprintf(aimed, 1)), "left_click was not done: the screen at (10, 10) is no longer as in frame 1")
	host.do = obey
	wants(t, ask(t, in, lines, 4, "key", `{"text":"F1"}`), "Notice: X was restarted")

	host.do = fail(desktop.Errorf(desktop.CodeUnavailable, "X is being restarted"), "all is lost")
	wants(t, ask(t, in, lines, 5, "left_click", fmt.Sprintf(aimed, 1)), "left_click was not done: the screen could not be compared with frame 1: X is being restarted. Take a screenshot")
	host.do = obey
	got = ask(t, in, lines, 6, "key", `{"text":"F1"}`)
	wants(t, got, "Notice: all is lost")
	if strings.Contains(got, "restarted") {
		t.Errorf("a notice was given twice: %s", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// A picture of the screen that came to the host after its call was given up is
// one to aim by all the same.
func TestAimByALatePicture(t *testing.T) {
	host := newFakeHost()
	in, out, end := serve(t, host)
	lines := scan(out)
	ask(t, in, lines, 1, "screenshot", `{}`)
	if _, err := obey(t.Context(), host.last(), desktop.Type{Text: "late"}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
		t.Fatal(err)
	}
	wants(t, ask(t, in, lines, 2, "key", `{"text":"F1"}`), "The picture is frame 3")
	wants(t, ask(t, in, lines, 3, "left_click", `{"coordinate":[10,10],"frame":3}`), "Clicked")
	wants(t, ask(t, in, lines, 4, "left_click", `{"coordinate":[10,10],"frame":1}`), "may have changed, as too much has happened since frame 1")
	if err := end(); err != nil {
		t.Error(err)
	}
}

// Several actions are aimed by a picture when one of them is.
func TestBatchesHavePointsWhenAStepDoes(t *testing.T) {
	keys, click := desktop.Step{Action: desktop.Key{Keys: "a"}}, desktop.Step{Action: desktop.Click{At: new(desktop.Point)}}
	if hasPoints(desktop.Batch{Actions: []desktop.Step{keys, keys}}) {
		t.Error("keys are aimed by a picture")
	}
	if !hasPoints(desktop.Batch{Actions: []desktop.Step{keys, click}}) {
		t.Error("a click after a key is not aimed by a picture")
	}
}

// A desktop that was used since its desktop_create was given up is not handed
// out as a new one.
func TestCreateDoesNotReturnADesktopInUse(t *testing.T) {
	for name, args := range map[string]string{"by default": `{"text":"x"}`, "by id": `{"text":"x","desktop_id":"desk-1"}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost()
				host.gate, host.steps = make(chan struct{}), make(chan string)
				in, out, end := serve(t, host)
				lines := scan(out)
				send(t, in, toolCall(1, "desktop_create", `{}`))
				host.steps <- "start qemu"
				send(t, in, fmt.Sprintf(cancelled, 1))
				synctest.Wait()
				close(host.gate)
				synctest.Wait()
				wants(t, ask(t, in, lines, 2, "type", args), "Typed")
				var created struct {
					Result struct{ StructuredContent DesktopOutcome }
				}
				if err := json.Unmarshal([]byte(ask(t, in, lines, 3, "desktop_create", `{}`)), &created); err != nil {
					t.Fatal(err)
				}
				if got := created.Result.StructuredContent.DesktopID; got != "desk-2" {
					t.Errorf("desktop_create returned %q, want a new desktop", got)
				}
				if err := end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

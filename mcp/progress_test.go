package mcp

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A client hears of a long call every few seconds, of each step once, and of
// nothing after its end.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		p := startProgress(t.Context(), "screenshot", func(n int, message string) {
			said = append(said, fmt.Sprintf("%d %s", n, message))
		})
		time.Sleep(heartbeat + time.Millisecond)
		synctest.Wait()
		p.tell("booting")
		p.tell("booting")
		time.Sleep(2 * heartbeat)
		synctest.Wait()
		p.doing("type")
		time.Sleep(heartbeat)
		synctest.Wait()
		p.end()
		time.Sleep(time.Hour)
		want := []string{"1 screenshot, 3s", "2 booting", "3 booting, 6s", "4 booting, 9s", "5 type, 12s"}
		if !slices.Equal(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}

func TestNoProgressForClientsThatDidNotAsk(*testing.T) {
	var p *progress
	p.tell("booting")
	p.doing("type")
	p.end()
}

package bootlog

import (
	"bytes"
	"testing"
	"time"
)

func TestLogWritesOneLinePerEvent(t *testing.T) {
	var buf bytes.Buffer
	l := New(&buf)
	l.uptime = func() time.Duration { return 1930*time.Millisecond + 999*time.Microsecond }
	l.Phase("x11")
	l.Printf("panel %s ended:\nexit code %d", "tint2", 1)
	const want = "vmette: phase=x11 ms=1930\nvmette: panel tint2 ended:; exit code 1\n"
	if got := buf.String(); got != want {
		t.Errorf("log is %q, want %q", got, want)
	}
}

func TestNilLogDiscards(t *testing.T) {
	var l *Log
	l.Phase("x11")
	l.Printf("nobody reads this")
}

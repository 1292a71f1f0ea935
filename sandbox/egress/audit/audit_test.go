package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var sample = Entry{
	Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Sandbox: "abc", Kind: TCP, Name: "www.example.com", Addr: netip.MustParseAddrPort("203.0.113.1:443"),
	Verdict: Allowed, Rule: "*.example.com", Sent: 10, Received: 20, Seconds: 0.5,
}

func TestEntry(t *testing.T) {
	for _, tt := range []struct {
		e    Entry
		line string
		json string
	}{
		{sample, "allowed tcp www.example.com:443 (203.0.113.1), 10 bytes sent and 20 received",
			`{"time":"2026-01-02T03:04:05Z","sandbox":"abc","kind":"tcp","name":"www.example.com","addr":"203.0.113.1:443","verdict":"allowed","rule":"*.example.com","sent":10,"received":20,"seconds":0.5}`},
		{Entry{Kind: DNS, Name: "a.example", Verdict: Blocked, Reason: "no"}, "blocked dns a.example: no",
			`{"time":"0001-01-01T00:00:00Z","kind":"dns","name":"a.example","verdict":"blocked","reason":"no"}`},
		{Entry{Kind: UDP, Addr: netip.MustParseAddrPort("[2001:db8::1]:53"), Verdict: Blocked, Reason: "no"}, "blocked udp [2001:db8::1]:53: no",
			`{"time":"0001-01-01T00:00:00Z","kind":"udp","addr":"[2001:db8::1]:53","verdict":"blocked","reason":"no"}`},
		{Entry{Kind: Packet, Addr: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), 0), Verdict: Blocked, Reason: "ICMP"}, "blocked packet 203.0.113.1: ICMP",
			`{"time":"0001-01-01T00:00:00Z","kind":"packet","addr":"203.0.113.1:0","verdict":"blocked","reason":"ICMP"}`},
	} {
		if got := tt.e.String(); got != tt.line {
			t.Errorf("%q, want %q", got, tt.line)
		}
		if got, err := json.Marshal(tt.e); err != nil || string(got) != tt.json {
			t.Errorf("%s, %v; want %s", got, err, tt.json)
		}
	}
}

func TestFileIsBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "network.jsonl")
	l, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l.max = 1000
	for i := range 100 {
		e := sample
		e.Name = fmt.Sprintf("n%02d.example", i)
		if err := l.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, n := range []string{name + ".1", name} {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || len(b) > 1000 {
			t.Errorf("%s has %d bytes, want at most 1000", filepath.Base(n), len(b))
		}
		all = append(all, b...)
	}
	var last Entry
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Name != "n99.example" {
		t.Errorf("the last line is %+v, %v", last, err)
	}
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(entries) != 2 {
		t.Errorf("there are %d files, want 2", len(entries))
	}
	if l.Write(sample) == nil || l.Close() != nil {
		t.Error("a closed file takes more, or cannot be closed again")
	}
	if l, err = OpenFile(name); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Write(sample); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || bytes.Count(b, []byte("\n")) < 2 {
		t.Errorf("a file that is opened again does not go on: %v", err)
	}
}

// A log that cannot be rotated takes no more than it may, and goes on once it can be.
func TestFileThatCannotBeRotated(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "network.jsonl")
	l, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.max = 300
	if err := os.Mkdir(name+".1", 0o700); err != nil { // nothing can take its place
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(name+".1", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 10 {
		if l.Write(sample) != nil {
			failed++
		}
	}
	if b, err := os.ReadFile(name); err != nil || len(b) == 0 || len(b) > 300 || failed == 0 {
		t.Errorf("%d bytes, %d of 10 lines refused, %v", len(b), failed, err)
	}
	if err := os.RemoveAll(name + ".1"); err != nil {
		t.Fatal(err)
	}
	last := sample
	last.Name = "last.example"
	if err := l.Write(last); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Contains(b, []byte("last.example")) {
		t.Errorf("once it can be rotated: %q, %v", b, err)
	}
}

// Servers that write to one file take turns, lose nothing that is recent, and keep
// within its bounds.
func TestFileOfTwoServers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "network.jsonl")
	var logs [2]*File
	for i := range logs {
		l, err := OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.max = 2000
		logs[i] = l
	}
	var writing sync.WaitGroup
	for i, l := range logs {
		writing.Go(func() {
			for j := range 200 {
				e := sample
				e.Name = fmt.Sprintf("s%d-%03d.example", i, j)
				if err := l.Write(e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	for i, l := range logs {
		e := sample
		e.Name = fmt.Sprintf("last%d.example", i)
		if err := l.Write(e); err != nil {
			t.Error(err)
		}
	}
	var all []byte
	for _, n := range []string{name + ".1", name} {
		b, err := os.ReadFile(n)
		if err != nil || len(b) > 2000 || n != name && len(b) < 1500 {
			t.Errorf("%s has %d bytes, want up to 2000: %v", filepath.Base(n), len(b), err)
		}
		for line := range bytes.Lines(b) {
			if err := json.Unmarshal(line, new(Entry)); err != nil {
				t.Errorf("%s: %q: %v", filepath.Base(n), line, err)
			}
		}
		all = append(all, b...)
	}
	for i := range logs {
		if !bytes.Contains(all, []byte(fmt.Sprintf("last%d.example", i))) {
			t.Errorf("the last line of server %d is lost", i)
		}
	}
}

func TestRecent(t *testing.T) {
	var r Recent
	var want []string
	for i := range MaxRecent + 10 {
		r.Add(Entry{Name: fmt.Sprint(i), Verdict: []string{Allowed, Blocked}[i%2], Sent: 1, Received: 2})
		if i >= 10 {
			want = append(want, fmt.Sprint(i))
		}
	}
	var got []string
	for _, e := range r.List() {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Counts{Allowed: 133, Blocked: 133, Sent: 266, Received: 532}, r.Counts()); diff != "" {
		t.Error(diff)
	}
}

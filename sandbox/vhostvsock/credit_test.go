package vhostvsock

import (
	"io"
	"strings"
	"syscall"
	"testing"
)

// The host sends no more than the guest has room for, asks once, and goes on
// when it hears.
func TestGuestCredit(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{bufAlloc: 10})
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, "0123456789abcdef")
		wrote <- err
	}()
	if p := r.expect(t, opData, hostPort, guestPort); p.payload != "0123456789" {
		t.Errorf("payload is %q", p.payload)
	}
	r.expect(t, opCreditRequest, hostPort, guestPort)

	update := toHost(opCreditUpdate)
	update.bufAlloc, update.fwdCnt = 10, 4
	r.send(t, update, "")
	if p := r.expect(t, opData, hostPort, guestPort); p.payload != "abcd" {
		t.Errorf("payload is %q", p.payload)
	}
	r.expect(t, opCreditRequest, hostPort, guestPort)

	// A guest that says to have read what was never sent gets nothing.
	update.fwdCnt = 1000
	r.send(t, update, "")
	r.expect(t, opCreditRequest, hostPort, guestPort)
	r.silent(t)

	update.fwdCnt = 14
	r.send(t, update, "")
	if p := r.expect(t, opData, hostPort, guestPort); p.payload != "ef" {
		t.Errorf("payload is %q", p.payload)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
}

// The guest is told soon enough that its bytes were read.
func TestHostCredit(t *testing.T) {
	tests := []struct {
		name       string
		guestAlloc uint32 // bounds what Linux sends, too
		want       uint32 // bytes read before an update
	}{
		{"large buffer", DefaultBufferSize, creditStep},
		{"small buffer", 16 << 10, 4 << 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{})
			c := r.accept(t, header{bufAlloc: tt.guestAlloc})
			const piece = 1 << 10
			for range tt.want/piece - 1 {
				h := toHost(opData)
				h.bufAlloc = tt.guestAlloc
				r.send(t, h, strings.Repeat("x", piece))
				mustRead(t, c, strings.Repeat("x", piece))
				r.silent(t)
			}
			h := toHost(opData)
			h.bufAlloc = tt.guestAlloc
			r.send(t, h, strings.Repeat("x", piece))
			mustRead(t, c, strings.Repeat("x", piece))
			if p := r.expect(t, opCreditUpdate, hostPort, guestPort); p.fwdCnt != tt.want {
				t.Errorf("update after %d bytes, not %d", p.fwdCnt, tt.want)
			}
		})
	}
	t.Run("on request", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{})
		r.send(t, toHost(opData), "abc")
		mustRead(t, c, "abc")
		r.send(t, toHost(opCreditRequest), "")
		if p := r.expect(t, opCreditUpdate, hostPort, guestPort); p.fwdCnt != 3 || p.bufAlloc != DefaultBufferSize {
			t.Errorf("packet %+v", p)
		}
	})
}

// A guest that ignores its credit loses the connection, not what it sent before.
func TestCreditViolation(t *testing.T) {
	const size = 8 << 10
	r := newRig(t, Config{BufferSize: size})
	c := r.accept(t, header{})
	r.send(t, toHost(opData), strings.Repeat("a", size/2))
	r.send(t, toHost(opData), strings.Repeat("b", size/2))
	r.send(t, toHost(opData), "c")
	r.expect(t, opReset, hostPort, guestPort)
	mustRead(t, c, strings.Repeat("a", size/2)+strings.Repeat("b", size/2))
	wantReadError(t, c, syscall.ECONNRESET)
	wantWriteError(t, c, syscall.ECONNRESET)
}

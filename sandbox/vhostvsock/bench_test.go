package vhostvsock

import (
	"testing"
)

// The benchmarks measure the device alone: guest memory is a slice, the driver
// runs on the goroutine of the benchmark, and nobody is woken.

func BenchmarkRoundTrip(b *testing.B) {
	r := newRig(b, Config{})
	c := r.accept(b, header{bufAlloc: 1 << 31})
	msg := make([]byte, 64)
	h := header{srcCID: testCID, dstCID: HostCID, srcPort: guestPort, dstPort: hostPort, len: 64, typ: typeStream, op: opData, bufAlloc: 1 << 31}
	b.ReportAllocs()
	for b.Loop() {
		r.trySend(h, msg)
		if _, err := c.Read(msg); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(msg); err != nil {
			b.Fatal(err)
		}
		for h.fwdCnt += 64; ; {
			if _, ok := r.tryRecv(); !ok {
				break
			}
		}
	}
}

func BenchmarkToHost(b *testing.B) {
	r := newRig(b, Config{})
	c := r.accept(b, header{bufAlloc: 1 << 31})
	buf := make([]byte, payloadMax)
	h := header{srcCID: testCID, dstCID: HostCID, srcPort: guestPort, dstPort: hostPort, len: payloadMax, typ: typeStream, op: opData, bufAlloc: 1 << 31}
	b.SetBytes(payloadMax)
	b.ReportAllocs()
	for b.Loop() {
		r.trySend(h, buf)
		if n, err := c.Read(buf); n != payloadMax || err != nil {
			b.Fatal(n, err)
		}
		r.tryRecv()
	}
}

func BenchmarkToGuest(b *testing.B) {
	r := newRig(b, Config{})
	c := r.accept(b, header{bufAlloc: 1 << 31})
	buf := make([]byte, payloadMax)
	update := header{srcCID: testCID, dstCID: HostCID, srcPort: guestPort, dstPort: hostPort, typ: typeStream, op: opCreditUpdate, bufAlloc: 1 << 31}
	b.SetBytes(payloadMax)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		r.tryRecv()
		if update.fwdCnt += payloadMax; i%1024 == 0 {
			r.trySend(update, nil)
		}
	}
}

package vhostvsock

import "testing"

// FuzzPackets sends packets of any kind to a device whose host side accepts,
// reads, writes and closes in between. Each step of the input is a header as it
// stands in memory, a byte for the length of its payload, and a byte for what the
// host does next.
func FuzzPackets(f *testing.F) {
	const stepLen = headerLen + 2
	add := func(does byte, hs ...header) {
		var in []byte
		for _, h := range hs {
			h.srcCID, h.dstCID, h.typ, h.bufAlloc = testCID, HostCID, typeStream, 5
			var b [headerLen]byte
			h.encode(&b)
			in = append(append(in, b[:]...), byte(h.len), does)
		}
		f.Add(in)
	}
	data := toHost(opData)
	data.len = 100
	shut := toHost(opShutdown)
	shut.flags = shutBoth
	for does := range byte(32) {
		add(does, toHost(opRequest), data, toHost(opCreditRequest), shut, toHost(opReset))
		add(does, toHost(opRequest), toHost(opRequest), data, toHost(opResponse), toHost(opCreditUpdate))
	}

	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 4
		cfg := Config{MaxConns: limit, Backlog: limit, MaxResets: limit, BufferSize: 4 << 10}
		r := newRig(t, cfg)
		l, err := r.dev.Listen(hostPort)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(in) >= stepLen; in = in[stepLen:] {
			var h header
			h.decode((*[headerLen]byte)(in))
			if !r.trySend(h, make([]byte, in[headerLen])) {
				r.kickTX()
			}
			r.hostStep(l.(*Listener), in[headerLen+1])
			for more := in[headerLen+1]&16 == 0; more; {
				_, more = r.tryRecv()
			}
			r.checkBounds(t, cfg)
		}
	})
}

// hostStep does what a user of the host's side might, without waiting.
func (r *rig) hostStep(l *Listener, does byte) {
	r.dev.mu.Lock()
	defer r.dev.mu.Unlock()
	if does&1 != 0 && l.backlog.len() > 0 {
		l.backlog.pop()
	}
	for _, c := range r.link.conns {
		if does&2 != 0 && c.received.n > 0 {
			c.consumed(c.received.read(make([]byte, does)))
		}
		if does&4 != 0 {
			c.unsent = make([]byte, 10)
			c.queue()
			r.link.transmit()
			c.unsent = nil
		}
		if does&8 != 0 {
			c.close()
		}
	}
	r.link.transmit()
}

// checkBounds fails if the guest makes the host hold more than it allows.
func (r *rig) checkBounds(t *testing.T, cfg Config) {
	t.Helper()
	r.dev.mu.Lock()
	defer r.dev.mu.Unlock()
	if n := len(r.link.conns); n > cfg.MaxConns {
		t.Errorf("%d connections", n)
	}
	// Each connection may add a reset of its own.
	if n := r.link.resets.len(); n > cfg.MaxResets+cfg.MaxConns {
		t.Errorf("%d resets wait", n)
	}
	if n := r.link.senders.len(); n > len(r.link.conns) {
		t.Errorf("%d senders wait", n)
	}
	for _, c := range r.link.conns {
		if c.received.n > cfg.BufferSize || len(c.received.data) > cfg.BufferSize {
			t.Errorf("connection holds %d bytes in %d", c.received.n, len(c.received.data))
		}
	}
}

// FuzzQueue gives the device rings of any content: the descriptor table and the
// two rings of each queue come from the input.
func FuzzQueue(f *testing.F) {
	r := newRig(f, Config{})
	r.send(f, toHost(opData), "hello")
	f.Add(r.tx.get(r.tx.desc, 128), r.tx.get(r.tx.avail, 32), r.rx.get(r.rx.desc, 128), r.rx.get(r.rx.avail, 32))

	f.Fuzz(func(t *testing.T, txDesc, txAvail, rxDesc, rxAvail []byte) {
		const size = 8
		r := bareRig(t, Config{}, size)
		for _, part := range []struct {
			at    uint64
			bytes []byte
			max   int
		}{
			{r.tx.desc, txDesc, descLen * size},
			{r.tx.avail, txAvail, 4 + 2*size},
			{r.rx.desc, rxDesc, descLen * size},
			{r.rx.avail, rxAvail, 4 + 2*size},
		} {
			r.tx.put(part.at, part.bytes[:min(len(part.bytes), part.max)])
		}
		r.kickTX()
		r.kickRX()
	})
}

package vhostvsock

import "encoding/binary"

// headerLen is the size of struct virtio_vsock_hdr (VIRTIO 1.2, 5.10.6).
const headerLen = 44

// typeStream is VIRTIO_VSOCK_TYPE_STREAM, the one socket type offered.
const typeStream = 1

// op is what a packet does.
type op uint16

// The operations (VIRTIO 1.2, 5.10.6).
const (
	opRequest       op = 1
	opResponse      op = 2
	opReset         op = 3
	opShutdown      op = 4
	opData          op = 5
	opCreditUpdate  op = 6
	opCreditRequest op = 7
)

// Flags of opShutdown: what the sender of it will not do any more.
const (
	shutReceive = 1 << 0
	shutSend    = 1 << 1
	shutBoth    = shutReceive | shutSend
)

// header is what stands in front of each packet.
type header struct {
	srcCID, dstCID   uint64
	srcPort, dstPort uint32
	len              uint32 // bytes that follow
	typ              uint16
	op               op
	flags            uint32
	bufAlloc         uint32 // size of the sender's receive buffer
	fwdCnt           uint32 // bytes the sender's user has taken out of it, modulo 2^32
}

func (h *header) decode(b *[headerLen]byte) {
	le := binary.LittleEndian
	h.srcCID = le.Uint64(b[0:])
	h.dstCID = le.Uint64(b[8:])
	h.srcPort = le.Uint32(b[16:])
	h.dstPort = le.Uint32(b[20:])
	h.len = le.Uint32(b[24:])
	h.typ = le.Uint16(b[28:])
	h.op = op(le.Uint16(b[30:]))
	h.flags = le.Uint32(b[32:])
	h.bufAlloc = le.Uint32(b[36:])
	h.fwdCnt = le.Uint32(b[40:])
}

func (h *header) encode(b *[headerLen]byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], h.srcCID)
	le.PutUint64(b[8:], h.dstCID)
	le.PutUint32(b[16:], h.srcPort)
	le.PutUint32(b[20:], h.dstPort)
	le.PutUint32(b[24:], h.len)
	le.PutUint16(b[28:], h.typ)
	le.PutUint16(b[30:], uint16(h.op))
	le.PutUint32(b[32:], h.flags)
	le.PutUint32(b[36:], h.bufAlloc)
	le.PutUint32(b[40:], h.fwdCnt)
}

// reset returns the answer to h that ends its connection.
func (h *header) reset() header {
	return header{
		srcCID: h.dstCID, dstCID: h.srcCID,
		srcPort: h.dstPort, dstPort: h.srcPort,
		typ: h.typ, op: opReset,
	}
}

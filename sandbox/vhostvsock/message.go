package vhostvsock

import (
	"encoding/binary"
	"fmt"
)

// request is the kind of a vhost-user message.
type request uint32

// The requests that a VMM may send, given the features that are offered.
const (
	reqGetFeatures         request = 1
	reqSetFeatures         request = 2
	reqSetOwner            request = 3
	reqResetOwner          request = 4
	reqSetMemTable         request = 5
	reqSetVringNum         request = 8
	reqSetVringAddr        request = 9
	reqSetVringBase        request = 10
	reqGetVringBase        request = 11
	reqSetVringKick        request = 12
	reqSetVringCall        request = 13
	reqSetVringErr         request = 14
	reqGetProtocolFeatures request = 15
	reqSetProtocolFeatures request = 16
	reqSetVringEnable      request = 18
	reqGetConfig           request = 24
)

// Features, and those of the vhost-user protocol itself, as bits.
const (
	featureProtocol = 1 << 30 // VHOST_USER_F_PROTOCOL_FEATURES
	featureVersion1 = 1 << 32 // VIRTIO_F_VERSION_1
	features        = featureProtocol | featureVersion1

	protocolReplyAck = 1 << 3
	protocolConfig   = 1 << 9
	protocolFeatures = protocolReplyAck | protocolConfig
)

const (
	messageHeaderLen = 12
	maxMessage       = 512 // a full memory table takes 264 bytes, a full config space 268

	messageVersion   = 1
	messageReply     = 1 << 2
	messageNeedReply = 1 << 3

	vringIndexMask = 0xff
	vringNoFD      = 1 << 8

	configLen = 8 // struct virtio_vsock_config: guest_cid
)

// message is one vhost-user message. fds belong to whoever handles it.
type message struct {
	request   request
	needReply bool
	payload   []byte
	fds       []int
}

// decodeHeader checks the header of a message and returns the length of its
// payload.
func (m *message) decodeHeader(b *[messageHeaderLen]byte) (int, error) {
	le := binary.LittleEndian
	m.request = request(le.Uint32(b[0:]))
	flags := le.Uint32(b[4:])
	size := le.Uint32(b[8:])
	if flags&3 != messageVersion || flags&messageReply != 0 {
		return 0, fmt.Errorf("message %d has flags %#x", m.request, flags)
	}
	if size > maxMessage {
		return 0, fmt.Errorf("message %d has a payload of %d bytes", m.request, size)
	}
	m.needReply = flags&messageNeedReply != 0
	return int(size), nil
}

// appendReply appends the reply to m.
func (m *message) appendReply(b, payload []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(m.request))
	b = le.AppendUint32(b, messageVersion|messageReply)
	b = le.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// uint64 returns a payload that is one number.
func (m *message) uint64() (uint64, error) {
	if len(m.payload) != 8 {
		return 0, m.sizeError()
	}
	return binary.LittleEndian.Uint64(m.payload), nil
}

// vringState returns a payload that is a queue's index and a number.
func (m *message) vringState() (index, num uint32, err error) {
	if len(m.payload) != 8 {
		return 0, 0, m.sizeError()
	}
	return binary.LittleEndian.Uint32(m.payload), binary.LittleEndian.Uint32(m.payload[4:]), nil
}

// vringAddr is where the VMM has the three parts of a queue.
type vringAddr struct {
	desc, used, avail uint64
}

func (m *message) vringAddr() (index uint32, a vringAddr, err error) {
	le := binary.LittleEndian
	if len(m.payload) != 40 {
		return 0, a, m.sizeError()
	}
	if flags := le.Uint32(m.payload[4:]); flags != 0 {
		return 0, a, fmt.Errorf("vring address has flags %#x", flags)
	}
	a = vringAddr{
		desc:  le.Uint64(m.payload[8:]),
		used:  le.Uint64(m.payload[16:]),
		avail: le.Uint64(m.payload[24:]),
	}
	return le.Uint32(m.payload), a, nil
}

// memTable returns the guest's RAM.
func (m *message) memTable() (regions, error) {
	le := binary.LittleEndian
	if len(m.payload) < 8 {
		return nil, m.sizeError()
	}
	n := le.Uint32(m.payload)
	if n > maxRegions || len(m.payload) < 8+32*int(n) {
		return nil, m.sizeError()
	}
	table := make([]region, n)
	for i := range table {
		b := m.payload[8+32*i:]
		table[i] = region{guest: le.Uint64(b), size: le.Uint64(b[8:]), user: le.Uint64(b[16:])}
	}
	return newRegions(table)
}

// configRange returns what part of the config space is asked for.
func (m *message) configRange() (offset, size uint32, err error) {
	le := binary.LittleEndian
	if len(m.payload) < 12 {
		return 0, 0, m.sizeError()
	}
	offset, size = le.Uint32(m.payload), le.Uint32(m.payload[4:])
	if offset > configLen || size > configLen-offset {
		return 0, 0, fmt.Errorf("config space has no %d bytes at %d", size, offset)
	}
	return offset, size, nil
}

func (m *message) sizeError() error {
	return fmt.Errorf("message %d has a payload of %d bytes", m.request, len(m.payload))
}

package vhostvsock

import (
	"encoding/binary"
	"testing"
)

// FuzzMessages handles vhost-user messages of any kind, one after another, as if
// no descriptors had come with them.
func FuzzMessages(f *testing.F) {
	encode := func(req request, payload []byte) []byte {
		return append(words32(uint32(req), messageVersion|messageNeedReply, uint32(len(payload))), payload...)
	}
	var in []byte
	for _, m := range [][]byte{
		encode(reqGetFeatures, nil),
		encode(reqSetFeatures, words64(features)),
		encode(reqSetMemTable, append(words32(1, 0), words64(ramBase, ramSize, 1<<40, 0)...)),
		encode(reqSetVringNum, words32(1, 128)),
		encode(reqSetVringAddr, append(words32(1, 0), words64(1<<40, 1<<40, 1<<40, 0)...)),
		encode(reqSetVringEnable, words32(1, 1)),
		encode(reqGetVringBase, words32(1, 0)),
		encode(reqGetConfig, append(words32(0, 8, 0), words64(0)...)),
	} {
		in = append(in, m...)
	}
	f.Add(in)

	f.Fuzz(func(t *testing.T, in []byte) {
		dev := newDevice(t)
		dev.openMemory = func(int, regions) (memory, error) { return newRAM(), nil }
		s := &server{dev: dev}
		link, err := dev.attach(func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		defer dev.detach(link)
		s.link = link
		s.vrings = [2]*vring{newVring(link, &link.rx), newVring(link, &link.tx)}
		for len(in) >= messageHeaderLen {
			var m message
			n, err := m.decodeHeader((*[messageHeaderLen]byte)(in))
			in = in[messageHeaderLen:]
			if err != nil || n > len(in) {
				return
			}
			m.payload, in = in[:n], in[n:]
			payload, err := s.handle(&m)
			if err != nil {
				return
			}
			if reply := m.appendReply(nil, payload); int(binary.LittleEndian.Uint32(reply[8:])) != len(payload) {
				t.Fatalf("reply %x", reply)
			}
		}
	})
}

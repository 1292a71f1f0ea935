package qemu

import "encoding/binary"

// The probe guest counts probeLoops down and writes probeByte to probePort,
// where QEMU's isa-debug-exit device ends the machine with probeExit.
const (
	probeLoops = 1 << 24
	probePort  = 0xf4
	probeByte  = 0x10
	probeExit  = probeByte<<1 | 1
)

// probeROM returns a firmware image that is the probe guest. A processor starts
// in real mode 16 bytes below the end of it (Intel SDM volume 3, 10.1.4).
func probeROM() []byte {
	const (
		size  = 64 << 10 // the smallest that QEMU takes
		code  = size - 0x100
		reset = size - 16
	)
	rom := make([]byte, size)
	copy(rom[code:], []byte{
		0x66, 0xb9, 0, 0, 0, 0, // mov ecx, probeLoops
		0x66, 0x49, // dec ecx
		0x75, 0xfc, // jnz, 4 back
		0xb0, probeByte, // mov al, probeByte
		0xe6, probePort, // out probePort, al
		0xf4,       // hlt
		0xeb, 0xfd, // jmp, 3 back
	})
	binary.LittleEndian.PutUint32(rom[code+2:], probeLoops)
	rom[reset] = 0xe9 // jmp code
	binary.LittleEndian.PutUint16(rom[reset+1:], 0x10000-(reset+3-code))
	return rom
}

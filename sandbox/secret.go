package sandbox

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
)

// newSecret returns 192 random bits in URL-safe text: a boot token or a
// desktop_id. crypto/rand never fails; without randomness it ends the process.
func newSecret() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newHostname returns a name that tells a guest from others, for people.
func newHostname() string {
	var b [3]byte
	rand.Read(b[:])
	return "desktop-" + hex.EncodeToString(b[:])
}

// newPort returns a vsock port for a guest to dial, above the privileged ones.
// Where all guests of a host share one namespace of ports, a random one of
// 2^30 keeps them apart.
func newPort() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return 1<<31 | binary.LittleEndian.Uint32(b[:])>>2
}

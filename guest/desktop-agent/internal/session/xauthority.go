package session

import (
	"encoding/binary"
	"os"
)

// familyWild is the address family that matches every host. See Xauth.h of
// libXau.
const familyWild = 0xffff

// xauthority encodes one entry of an Xauthority file for the given display
// number: five fields of big-endian 16-bit lengths, the first being the family
// itself. See Xsecurity(7) and the layout in libXau's AuWrite.c.
func xauthority(display string, cookie []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, familyWild)
	for _, field := range [][]byte{nil, []byte(display), []byte("MIT-MAGIC-COOKIE-1"), cookie} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
		b = append(b, field...)
	}
	return b
}

// writeXauthority makes the file with which only the user can connect.
func writeXauthority(name string, cookie []byte, uid, gid int) error {
	if err := os.WriteFile(name, xauthority(Display[1:], cookie), 0o600); err != nil {
		return err
	}
	return os.Chown(name, uid, gid)
}

// Package hello reads what a client says first on a connection, to know whom it
// means to talk to: the server name of a TLS ClientHello, or the first line of an
// HTTP request. The bytes are a hostile guest's.
//
//	for {
//		n, err := conn.Read(buf[len:])
//		...
//		first, err := hello.Parse(buf[:len])
//		if !errors.Is(err, hello.ErrShort) {
//			break
//		}
//	}
package hello

package desktop

import (
	"context"
	"fmt"
	"net"
)

// streams are the connections that carry no requests.
var streams = []string{ConnWorkload, ConnStdin, ConnStdout, ConnStderr, ConnTerminal}

// OpenStream is the guest's part of a connection that carries no requests: it
// says hello on conn and returns when the host has welcomed it. From then on conn
// is what kind says. When it fails, conn is closed; a host that refuses gives a
// *[RefusedError].
func OpenStream(ctx context.Context, conn net.Conn, kind, agent, token string) error {
	hello := Hello{Protocol: Version, Agent: agent, Token: token, Connection: kind}
	err := withContext(ctx, conn, func() error {
		_, err := greet(conn, hello)
		return err
	})
	if err != nil {
		conn.Close()
		return fmt.Errorf("open %s: %w", kind, err)
	}
	return nil
}

// AcceptStream is the host's part: it reads the guest's hello on conn, which must
// show token, welcomes it and returns what the connection is. A guest that says
// nothing is given half a minute. When it fails, conn is closed.
func AcceptStream(ctx context.Context, conn net.Conn, token string) (kind string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, errNoHello)
	defer cancel()
	var h Hello
	err = withContext(ctx, conn, func() (err error) {
		h, err = welcome(conn, ClientConfig{Token: token}, streams...)
		return err
	})
	if err != nil {
		conn.Close()
		return "", fmt.Errorf("greet guest: %w", err)
	}
	return h.Connection, nil
}

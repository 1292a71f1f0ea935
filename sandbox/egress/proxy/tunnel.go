package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what a proxy may answer, in bytes.
const maxAnswer = 64 << 10

// tunnel has a proxy connect to an address: RFC 9110, section 9.3.6.
func (d *Dialer) tunnel(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	c, err := d.direct(ctx, "tcp", hostPort(via))
	if err != nil {
		return nil, err
	}
	if via.Scheme == "https" {
		secure := tls.Client(c, &tls.Config{ServerName: via.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = secure
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	first, err := ask(c, via.User, address)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &tunnelled{Conn: c, r: io.MultiReader(first, c)}, nil
}

// ask asks a proxy to connect to an address. It returns what came behind the answer,
// which is from there already.
func ask(c net.Conn, user *url.Userinfo, address string) (first io.Reader, err error) {
	var request strings.Builder
	fmt.Fprintf(&request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", address, address)
	if user != nil {
		password, _ := user.Password()
		fmt.Fprintf(&request, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	request.WriteString("\r\n")
	if _, err := io.WriteString(c, request.String()); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(c, maxAnswer))
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, errors.New("it does not answer as an HTTP proxy does")
	}
	switch code := answer.StatusCode; {
	case code == http.StatusProxyAuthRequired:
		return nil, errors.New("it wants other credentials: the proxy's URL takes them as http://USER:PASSWORD@HOST:PORT")
	case code/100 != 2:
		return nil, fmt.Errorf("it refuses with status %d %s", code, http.StatusText(code))
	}
	early, err := r.Peek(r.Buffered())
	return bytes.NewReader(early), err
}

// tunnelled is a connection through a proxy.
type tunnelled struct {
	net.Conn
	r io.Reader
}

func (c *tunnelled) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite says that nothing more is sent.
func (c *tunnelled) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

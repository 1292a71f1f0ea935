package desktop

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// welcome reads the guest's hello, which must be for one of these kinds of
// connection, and answers it.
func welcome(conn net.Conn, cfg ClientConfig, kinds ...string) (Hello, error) {
	m, err := readGreeting(conn)
	if err != nil {
		return Hello{}, err
	}
	h, resumed, err := checkHello(m, cfg)
	if err == nil && !slices.Contains(kinds, h.Connection) {
		err = broken(fmt.Errorf("hello: nobody asked for a connection %q", h.Connection))
	}
	w := Welcome{Protocol: Version}
	switch {
	case err != nil:
		w.Error = err.Error()
	case resumed:
		boot := cfg.Resume.Boot
		boot.UnixTime = time.Now().UnixNano()
		w.Resume = &boot
	default:
		w.UnixTime = time.Now().UnixNano()
	}
	header, encErr := Marshal(w)
	if encErr != nil {
		return Hello{}, encErr
	}
	if sendErr := WriteFrame(conn, 0, header, nil); err == nil {
		err = sendErr
	}
	return h, err
}

// checkHello returns the hello in m without its token, and whether that was
// the one of a saved guest.
func checkHello(m Message, cfg ClientConfig) (h Hello, resumed bool, err error) {
	version, err := peerVersion(m.Header)
	if err != nil {
		return h, false, broken(fmt.Errorf("decode hello: %w", err))
	}
	if version != Version {
		return h, false, &VersionError{Host: Version, Guest: version}
	}
	if err := Unmarshal(m.Header, &h); err != nil {
		return h, false, broken(fmt.Errorf("decode hello: %w", err))
	}
	if !sameSecret(h.Token, cfg.Token) {
		if resumed = cfg.Resume != nil && sameSecret(h.Token, cfg.Resume.Token); !resumed {
			return h, false, broken(errors.New("hello shows the wrong boot token"))
		}
	}
	h.Token = ""
	h.Agent = PlainLine(h.Agent, maxAgent)
	for i, f := range h.Features {
		h.Features[i] = PlainLine(f, maxFeature)
	}
	return h, resumed, nil
}

// sameSecret compares in a time that tells nothing of where two secrets differ.
func sameSecret(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// withContext runs f, which uses conn, and makes it fail when ctx ends.
func withContext(ctx context.Context, conn net.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

// greet says hello to the host and returns its welcome.
func greet(conn net.Conn, hello Hello) (w Welcome, err error) {
	header, err := Marshal(hello)
	if err != nil {
		return w, err
	}
	if err := WriteFrame(conn, 0, header, nil); err != nil {
		return w, err
	}
	m, err := readGreeting(conn)
	if err != nil {
		return w, err
	}
	version, err := peerVersion(m.Header)
	if err != nil {
		return w, broken(fmt.Errorf("decode welcome: %w", err))
	}
	if version != hello.Protocol {
		return w, &RefusedError{(&VersionError{Host: version, Guest: hello.Protocol}).Error()}
	}
	if err := Unmarshal(m.Header, &w); err != nil {
		return w, broken(fmt.Errorf("decode welcome: %w", err))
	}
	if w.Error != "" {
		return w, &RefusedError{PlainLine(w.Error, maxMessage)}
	}
	return w, nil
}

// readGreeting reads a hello or a welcome, neither of which has a payload. It
// reads not a byte more.
func readGreeting(conn net.Conn) (Message, error) {
	var m Message
	if err := m.read(conn, 0); err != nil {
		return m, err
	}
	if m.ID != 0 {
		return m, broken(fmt.Errorf("greeting has req_id %d instead of 0", m.ID))
	}
	return m, nil
}

// peerVersion reads the version from a hello or a welcome of which nothing
// else may be understood.
func peerVersion(header []byte) (int, error) {
	var v struct {
		Protocol *int `json:"protocol"`
	}
	if err := json.Unmarshal(header, &v); err != nil {
		return 0, err
	}
	if v.Protocol == nil {
		return 0, errors.New("greeting names no protocol version")
	}
	return *v.Protocol, nil
}

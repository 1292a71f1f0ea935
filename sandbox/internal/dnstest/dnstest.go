// Package dnstest is a name server for tests, on a UDP port of loopback.
//
//	s, err := dnstest.Listen("127.0.0.1:0")
//	...
//	defer s.Close()
//	s.Set("www.example", "alias web.example")
//	s.Set("web.example", "203.0.113.1", "10.0.0.1") // the one address first, then always the other
//	addrs, err := s.Resolver().LookupNetIP(ctx, "ip4", "www.example.")
package dnstest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAliases bounds how many aliases are followed.
const maxAliases = 8

// Server answers for names, and lets nobody keep an answer. It is safe for concurrent
// use.
type Server struct {
	conn net.PacketConn
	done chan struct{} // closed when nothing is answered any more

	mu    sync.Mutex
	names map[string][]string
}

// Listen begins to answer at an address, such as "127.0.0.1:0". The server must be
// closed.
func Listen(address string) (*Server, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, done: make(chan struct{}), names: make(map[string][]string)}
	go s.serve()
	return s, nil
}

// Set has the server answer for a name: with an address, or with "alias" and another
// name. Of several answers each is given once, but for the last.
func (s *Server) Set(name string, answers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name+"."] = answers
}

// Resolver returns one that asks the server, and nobody else.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// Close ends the server.
func (s *Server) Close() error {
	err := s.conn.Close()
	<-s.done
	return err
}

func (s *Server) serve() {
	defer close(s.done)
	buf := make([]byte, 1<<10)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var q dnsmessage.Message
		if q.Unpack(buf[:n]) != nil || len(q.Questions) != 1 {
			continue
		}
		reply := s.answer(q)
		if b, err := reply.Pack(); err == nil {
			s.conn.WriteTo(b, from)
		}
	}
}

// answer follows aliases as a resolver does.
func (s *Server) answer(q dnsmessage.Message) dnsmessage.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	name := q.Questions[0].Name
	for range maxAliases {
		answers := s.names[strings.ToLower(name.String())]
		if len(answers) == 0 {
			reply.RCode = dnsmessage.RCodeNameError
			return reply
		}
		h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET} // TTL 0
		if to, ok := strings.CutPrefix(answers[0], "alias "); ok {
			name = dnsmessage.MustNewName(to + ".")
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: name}})
			continue
		}
		var body dnsmessage.ResourceBody
		switch addr := netip.MustParseAddr(answers[0]); {
		case addr.Is4() && q.Questions[0].Type == dnsmessage.TypeA:
			body = &dnsmessage.AResource{A: addr.As4()}
		case addr.Is6() && q.Questions[0].Type == dnsmessage.TypeAAAA:
			body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			return reply // there is no such record of it
		}
		if len(answers) > 1 {
			s.names[strings.ToLower(name.String())] = answers[1:]
		}
		reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: body})
		return reply
	}
	reply.RCode = dnsmessage.RCodeServerFailure
	return reply
}

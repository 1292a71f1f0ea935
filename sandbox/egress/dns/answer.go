package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Bounds of messages.
const (
	MaxQuery   = 1232 // bytes of a question; it needs less than 300
	maxAnswers = 8    // addresses in a reply, so that it always fits into 512 bytes without EDNS
)

// ttl is how long a guest may keep an answer. It is short next to [PinLife], and
// long enough for a page with its parts.
const ttl = 60 // seconds

// lookupLimit is how long the host's resolver may take.
const lookupLimit = 10 * time.Second

// Resolver answers. All but Local are needed. It is safe for concurrent use.
type Resolver struct {
	// Lookup returns the addresses of a name, which ends with a dot, as
	// [net.Resolver.LookupNetIP] does for the networks "ip4" and "ip6".
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	Allowed func(name string) policy.Verdict // whether to answer for a canonical name
	Refused func(a netip.Addr) string        // why an address cannot be reached anyway, or ""
	Pins    *Pins
	Local   map[string][]netip.Addr // answers that are not asked for: neither judged nor pinned
}

// Reply is an answer, and what there is to log of it.
type Reply struct {
	Message []byte // nil when nothing is to be sent
	Name    string // that was asked for; "" when that is no host name
	Type    string // of the record, such as "A"
	Verdict policy.Verdict
	Addrs   []netip.Addr // that were answered
}

// Answer answers a message of the guest.
func (r *Resolver) Answer(ctx context.Context, query []byte) Reply {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response || len(query) > MaxQuery {
		return Reply{Verdict: policy.Verdict{Reason: "this is no question"}}
	}
	q, err := p.Question()
	if err == nil {
		if _, err = p.Question(); errors.Is(err, dnsmessage.ErrSectionDone) {
			err = nil
		} else if err == nil {
			err = errors.New("more than one question")
		}
	}
	if err != nil {
		return Reply{Message: message(h, nil, dnsmessage.RCodeFormatError, nil), Verdict: policy.Verdict{Reason: "this is no single question"}}
	}
	reply := Reply{Type: strings.TrimPrefix(q.Type.String(), "Type")}
	code := dnsmessage.RCodeNotImplemented
	if h.OpCode == 0 && q.Class == dnsmessage.ClassINET {
		code = r.resolve(ctx, q, &reply)
	} else {
		reply.Verdict.Reason = "this is no question for an address"
	}
	reply.Message = message(h, &q, code, reply.Addrs)
	return reply
}

// resolve fills in the reply to a question.
func (r *Resolver) resolve(ctx context.Context, q dnsmessage.Question, reply *Reply) dnsmessage.RCode {
	name, ok := policy.CanonicalName(q.Name.String())
	if !ok {
		reply.Verdict.Reason = "this is no host name"
		return dnsmessage.RCodeNameError
	}
	reply.Name = name
	local, isLocal := r.Local[name]
	if isLocal {
		reply.Verdict = policy.Verdict{Allowed: true, Rule: "local"}
	} else if reply.Verdict = r.Allowed(name); !reply.Verdict.Allowed {
		return dnsmessage.RCodeNameError
	}
	network := "ip4"
	switch q.Type {
	case dnsmessage.TypeA:
	case dnsmessage.TypeAAAA:
		network = "ip6"
	default:
		return dnsmessage.RCodeSuccess // without an answer: there is no such record
	}
	if isLocal {
		reply.Addrs = ofFamily(local, network)
		return dnsmessage.RCodeSuccess
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	found, err := r.Lookup(ctx, network, name+".")
	var none *net.DNSError
	if errors.As(err, &none) && none.IsNotFound {
		return dnsmessage.RCodeSuccess // it may have addresses of the other family
	}
	if err != nil {
		reply.Verdict.Reason = "the host's resolver has failed"
		return dnsmessage.RCodeServerFailure
	}
	var refused string
	for _, a := range ofFamily(found, network) {
		if why := r.Refused(a); why != "" {
			refused = "its address " + a.String() + " is always refused (" + why + ")"
			continue
		}
		if len(reply.Addrs) < maxAnswers {
			reply.Addrs = append(reply.Addrs, a)
		}
	}
	if len(reply.Addrs) == 0 && refused != "" {
		reply.Verdict = policy.Verdict{Reason: refused}
		return dnsmessage.RCodeNameError
	}
	r.Pins.Add(name, reply.Addrs)
	return dnsmessage.RCodeSuccess
}

// ofFamily returns the addresses that a question for network may be answered with,
// in the form of that family and without zones.
func ofFamily(all []netip.Addr, network string) (list []netip.Addr) {
	for _, a := range all {
		if a = a.Unmap().WithZone(""); a.Is4() == (network == "ip4") {
			list = append(list, a)
		}
	}
	return list
}

// message returns a reply on the wire.
func message(to dnsmessage.Header, q *dnsmessage.Question, code dnsmessage.RCode, addrs []netip.Addr) []byte {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{
		ID:                 to.ID,
		Response:           true,
		OpCode:             to.OpCode,
		RecursionDesired:   to.RecursionDesired,
		RecursionAvailable: true,
		RCode:              code,
	})
	b.EnableCompression()
	err := b.StartQuestions()
	if err == nil && q != nil {
		err = b.Question(*q)
	}
	if err == nil {
		err = b.StartAnswers()
	}
	for _, a := range addrs {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl}
		switch {
		case err != nil:
		case a.Is4():
			err = b.AResource(h, dnsmessage.AResource{A: a.As4()})
		default:
			err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	if err != nil {
		return nil // a name that was read but cannot be written
	}
	msg, err := b.Finish()
	if err != nil {
		return nil
	}
	return msg
}

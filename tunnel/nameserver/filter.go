// Package nameserver asks a provider's resolvers for strangers: its Filter decides what may be asked and what of an answer they
// get, and Upstreams passes over resolvers that do not answer.
package nameserver

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
)

// Filter decides what strangers may ask the provider's resolver, and what of its answers they get: names of the
// internet, and addresses that the exit forwards to. A resolver at home or in a company knows much more, and does as it
// is told.
type Filter struct {
	Policy *policy.Policy
	Nets   forward.Nets
	Local  []string // the provider's own domains, canonical
}

// Query is all of a query that is passed on.
type Query struct {
	header   dns.MsgHdr // of the consumer
	question dns.Question
	size     int // of a datagram that the consumer takes, 0 without EDNS (RFC 6891)
	secure   bool
}

// answerMost bounds an answer over UDP, whatever a query offers to take.
const answerMost = 4096

// Room is how many bytes a datagram with the answer may have; for a query that could not be read, nil, as many as any
// resolver takes.
func (q *Query) Room() int {
	if q == nil {
		return dns.MinMsgSize
	}
	return max(dns.MinMsgSize, min(q.size, answerMost))
}

// localZones are those that no public server answers for, or that mean something else on every network: RFC 6761, 6762,
// 7686, 8375 and ICANN's .internal, and what routers and companies have made of names that were never given out.
var localZones = []string{
	"local.", "localhost.", "localdomain.", "lan.", "home.arpa.", "internal.", "intranet.", "private.", "corp.", "home.",
	"onion.", "resolver.arpa.", "ipv4only.arpa.",
}

// Admit reads a query. It returns either what may be asked, or the answer to what may not; and nothing for what is not
// a query, as answers to answers would go on for ever.
func (f *Filter) Admit(raw []byte) (*Query, *dns.Msg) {
	var m dns.Msg
	if err := m.Unpack(raw); err != nil {
		if len(raw) < 12 || raw[2]&0x80 != 0 {
			return nil, nil
		}
		// The header was read before what follows it failed.
		return nil, &dns.Msg{MsgHdr: dns.MsgHdr{
			Id: m.Id, Response: true, Opcode: m.Opcode, RecursionDesired: m.RecursionDesired, Rcode: dns.RcodeFormatError,
		}}
	}
	if m.Response {
		return nil, nil
	}
	q := &Query{header: m.MsgHdr}
	if len(m.Question) > 0 {
		q.question = m.Question[0]
	}
	opts := 0
	for _, rr := range m.Extra {
		if opt, ok := rr.(*dns.OPT); ok {
			opts++
			q.size, q.secure = max(dns.MinMsgSize, int(opt.UDPSize())), opt.Do()
			if opt.Version() != 0 {
				return nil, AnswerWith(q, dns.RcodeBadVers)
			}
		}
	}
	switch {
	case m.Opcode != dns.OpcodeQuery:
		return nil, AnswerWith(q, dns.RcodeNotImplemented)
	case len(m.Question) != 1 || len(m.Answer) > 0 || len(m.Ns) > 0 || opts > 1 || m.Truncated:
		return nil, AnswerWith(q, dns.RcodeFormatError)
	case q.question.Qclass != dns.ClassINET:
		return nil, AnswerWith(q, dns.RcodeRefused)
	}
	name, qtype := dns.CanonicalName(q.question.Name), q.question.Qtype
	switch {
	case qtype == dns.TypeNone || qtype == dns.TypeOPT:
		return nil, AnswerWith(q, dns.RcodeFormatError)
	case qtype >= 128 && qtype <= 254: // transfers, keys and mailboxes: questions and acts, not data (RFC 6895)
		return nil, AnswerWith(q, dns.RcodeRefused)
	case dns.CountLabel(name) == 1 && qtype != dns.TypeDS && qtype != dns.TypeDNSKEY, f.isLocal(name):
		return nil, AnswerWith(q, dns.RcodeNameError)
	case qtype == dns.TypeANY:
		reply := AnswerWith(q, dns.RcodeSuccess)
		reply.Answer = []dns.RR{&dns.HINFO{ // RFC 8482
			Hdr: dns.RR_Header{Name: q.question.Name, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600}, Cpu: "RFC8482",
		}}
		return nil, reply
	}
	return q, nil
}

// Outgoing is the query as the resolver sees it: the question and what changes its answer, and no option of EDNS, so
// that nobody learns of the consumer's network, of the resolver's name or of its cookies.
func (f *Filter) Outgoing(q *Query) *dns.Msg {
	m := &dns.Msg{Question: []dns.Question{q.question}}
	// Without recursion a query would tell what others have asked for.
	m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData = true, q.header.CheckingDisabled, q.header.AuthenticatedData
	m.SetEdns0(askSize, q.secure)
	return m
}

// AnswerWith answers a query without an answer.
func AnswerWith(q *Query, rcode int) *dns.Msg {
	m := &dns.Msg{MsgHdr: dns.MsgHdr{
		Id: q.header.Id, Response: true, Opcode: q.header.Opcode, RecursionDesired: q.header.RecursionDesired,
		RecursionAvailable: true, CheckingDisabled: q.header.CheckingDisabled, Rcode: rcode,
	}}
	if q.question.Name != "" {
		m.Question = []dns.Question{q.question}
	}
	if q.size > 0 {
		m.SetEdns0(askSize, q.secure)
	}
	return m
}

// Clean returns a resolver's answer as the consumer gets it: records of the internet, without addresses that the exit
// does not forward to. A name whose every address is dropped has none.
func (f *Filter) Clean(q *Query, got *dns.Msg) *dns.Msg {
	rcode := got.Rcode
	switch rcode {
	case dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented:
	default:
		rcode = dns.RcodeServerFailure
	}
	m := AnswerWith(q, rcode)
	m.AuthenticatedData, m.Truncated = got.AuthenticatedData, got.Truncated
	opt := m.Extra
	m.Answer, m.Ns, m.Extra = f.records(got.Answer), f.records(got.Ns), append(f.records(got.Extra), opt...)
	if len(opt) > 0 && len(m.Answer) < len(got.Answer) {
		// So a program can say that the exit's policy is the reason, and not that there is no such name.
		o := opt[0].(*dns.OPT)
		o.Option = append(o.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked})
	}
	return m
}

func (f *Filter) records(list []dns.RR) []dns.RR {
	var kept []dns.RR
	for _, rr := range list {
		h := rr.Header()
		if h.Class != dns.ClassINET || h.Rrtype >= 128 && h.Rrtype <= 255 || h.Rrtype == dns.TypeOPT ||
			f.isLocal(dns.CanonicalName(h.Name)) {
			continue
		}
		if rr = f.record(rr); rr != nil {
			kept = append(kept, rr)
		}
	}
	return kept
}

// record is a record without addresses that are denied, or nil when nothing is left of it.
func (f *Filter) record(rr dns.RR) dns.RR {
	switch rr := rr.(type) {
	case *dns.A:
		return keepIf(rr, f.open(rr.A))
	case *dns.AAAA:
		return keepIf(rr, f.open(rr.AAAA))
	case *dns.HTTPS:
		return keepIf(rr, f.hints(&rr.SVCB))
	case *dns.SVCB:
		return keepIf(rr, f.hints(rr))
	case *dns.L32:
		return keepIf(rr, f.open(rr.Locator32))
	case *dns.IPSECKEY:
		return keepIf(rr, rr.GatewayAddr == nil || f.open(rr.GatewayAddr))
	case *dns.AMTRELAY:
		return keepIf(rr, rr.GatewayAddr == nil || f.open(rr.GatewayAddr))
	case *dns.APL:
		return keepIf(rr, !slices.ContainsFunc(rr.Prefixes, func(p dns.APLPrefix) bool { return !f.open(p.Network.IP) }))
	case *dns.L64, *dns.RFC3597:
		// What is not understood may be an address: WKS and A6 are such types.
		if rr.Header().Rrtype == dns.TypeL64 || rr.Header().Rrtype == typeWKS || rr.Header().Rrtype == typeA6 {
			return nil
		}
	}
	return rr
}

const typeWKS, typeA6 = 11, 38

func keepIf(rr dns.RR, keep bool) dns.RR {
	if keep {
		return rr
	}
	return nil
}

// open reports whether the exit forwards to an address.
func (f *Filter) open(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && !f.Nets.Contains(a) && f.Policy.Check(packet.ICMP, netip.AddrPortFrom(a, 0)) == nil
}

// hints takes denied addresses out of a service's hints. It reports false when a hint that must be there is left empty.
func (f *Filter) hints(rr *dns.SVCB) bool {
	var mandatory []dns.SVCBKey
	for _, v := range rr.Value {
		if m, ok := v.(*dns.SVCBMandatory); ok {
			mandatory = m.Code
		}
	}
	whole := true
	rr.Value = slices.DeleteFunc(rr.Value, func(v dns.SVCBKeyValue) bool {
		var left int
		closed := func(ip net.IP) bool { return !f.open(ip) }
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			v.Hint = slices.DeleteFunc(v.Hint, closed)
			left = len(v.Hint)
		case *dns.SVCBIPv6Hint:
			v.Hint = slices.DeleteFunc(v.Hint, closed)
			left = len(v.Hint)
		default:
			return false
		}
		whole = whole && (left > 0 || !slices.Contains(mandatory, v.Key()))
		return left == 0
	})
	return whole
}

// isLocal reports whether a name, in canonical form, is one that only networks of their own answer for.
func (f *Filter) isLocal(name string) bool {
	for _, list := range [][]string{localZones, f.Local} {
		for _, zone := range list {
			if name == zone || strings.HasSuffix(name, "."+zone) && dns.IsSubDomain(zone, name) {
				return true
			}
		}
	}
	p, ok := reverse(name)
	if !ok || p.Bits() == 0 {
		return false
	}
	if slices.ContainsFunc(privateReverse(), func(s netip.Prefix) bool { return s.Bits() <= p.Bits() && s.Overlaps(p) }) {
		return true
	}
	return p.IsSingleIP() && !f.open(p.Addr().AsSlice()) ||
		!f.open(p.Addr().AsSlice()) && !f.open(forward.Last(p).AsSlice())
}

// privateReverse are the ranges whose names no public server knows (RFC 6303 and what followed it): all that are
// special, whatever exceptions a policy makes.
var privateReverse = sync.OnceValue(policy.AlwaysDenied)

// reverse is the range of addresses that a name of a reverse zone stands for. Labels in front of the numbers, such as
// those of RFC 2317 and of service discovery, do not matter.
func reverse(name string) (netip.Prefix, bool) {
	var bits, base, most int
	switch {
	case dns.IsSubDomain("in-addr.arpa.", name):
		bits, base, most = 8, 10, 4
	case dns.IsSubDomain("ip6.arpa.", name):
		bits, base, most = 4, 16, 32
	default:
		return netip.Prefix{}, false
	}
	labels := dns.SplitDomainName(name)
	labels = labels[:len(labels)-2]
	b := make([]byte, most*bits/8)
	n := 0
	for i := len(labels) - 1; i >= 0 && n < most; i-- {
		v, err := strconv.ParseUint(labels[i], base, bits)
		if err != nil {
			break
		}
		b[n*bits/8] |= byte(v) << (8 - bits - n*bits%8)
		n++
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, n*bits), true
}

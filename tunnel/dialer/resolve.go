package dialer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsPort       = 53
	resolveSize   = 1232            // of an answer over UDP, which fits any path (DNS flag day 2020)
	resolveStream = 5 * time.Second // for an answer over TCP
	resolveMost   = 256             // addresses of one answer that are kept
)

// resolveWaits is how long each datagram of a question is waited for until the next one is sent. The answer to any of them
// counts. A resolver asks others first, so the first wait is more than a round trip; a lost datagram is noticed well before a
// person does.
var resolveWaits = [...]time.Duration{400 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second}

// Delays of RFC 8305, and of answers that it leaves to us.
const (
	resolutionDelay = 50 * time.Millisecond  // for the preferred family, once the other has answered
	secondDelay     = 300 * time.Millisecond // for IPv4, where only IPv6 has answered and is not known to work
)

var errNoDNS = errors.New("the provider offers no DNS")

// Resolve asks the provider's DNS for the addresses of host, IPv4 before IPv6. It never asks anyone else. Once one family has
// answered, the other is waited for only briefly. Address literals are returned as they are.
func (d *Dialer) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, literal, err := parseLiteral(host); literal || err != nil {
		return []netip.Addr{a}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers, err := d.ask(ctx, host, 0)
	if err != nil {
		return nil, err
	}
	var v4, v6 []netip.Addr
	var late <-chan time.Time
	for open := cap(answers); open > 0; {
		select {
		case a := <-answers:
			open--
			if err == nil {
				err = a.err
			}
			wait := resolutionDelay
			if a.qtype == dns.TypeA {
				v4 = a.addrs
				if d.names.late(host) {
					wait = 0
				}
			} else {
				v6 = a.addrs
				if !d.paths.proven6() {
					wait = secondDelay
				}
			}
			if len(a.addrs) > 0 && open > 0 {
				late = time.After(wait)
			}
		case <-late:
			open = 0
			d.names.noteLate(host)
		}
	}
	if addrs := append(v4[:len(v4):len(v4)], v6...); len(addrs) > 0 {
		return addrs, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, d.notFound(host)
}

// parseLiteral reads an address. An error is one of an address that can't be used.
func parseLiteral(host string) (a netip.Addr, literal bool, err error) {
	if a, err = netip.ParseAddr(host); err != nil {
		return netip.Addr{}, false, nil
	}
	if a.Zone() != "" {
		return netip.Addr{}, true, &net.DNSError{Err: "address with a zone", Name: host}
	}
	return a.Unmap(), true, nil
}

func (d *Dialer) notFound(host string) error {
	return &net.DNSError{Err: "no such host", Name: host, Server: d.dns.String(), IsNotFound: true}
}

// familyAnswer is the DNS's answer for one family. No address is not an error.
type familyAnswer struct {
	qtype uint16
	addrs []netip.Addr
	err   error
}

// ask asks for both families of a name, or for one of them ('4' or '6'), IPv6 first (RFC 8305, section 3). The channel gets
// one answer of each and is as long as there are questions.
func (d *Dialer) ask(ctx context.Context, host string, family byte) (<-chan familyAnswer, error) {
	if !d.dns.IsValid() {
		return nil, &net.DNSError{Err: errNoDNS.Error(), Name: host}
	}
	if _, ok := dns.IsDomainName(host); !ok || host == "" {
		return nil, &net.DNSError{Err: "not a domain name", Name: host, IsNotFound: true}
	}
	qtypes := []uint16{dns.TypeAAAA, dns.TypeA}
	switch family {
	case '4':
		qtypes = qtypes[1:]
	case '6':
		qtypes = qtypes[:1]
	}
	answers := make(chan familyAnswer, len(qtypes))
	for _, qtype := range qtypes {
		q := newQuestion(host, qtype)
		if known, ok := d.names.known(q); ok {
			answers <- familyAnswer{qtype, known, nil}
			continue
		}
		go func() {
			addrs, err := d.names.ask(ctx, q)
			answers <- familyAnswer{qtype, addrs, err}
		}()
	}
	return answers, nil
}

// lookup asks one question of the provider's DNS. The answer may be kept for as long as keep says.
func (d *Dialer) lookup(ctx context.Context, q question) (addrs []netip.Addr, keep time.Duration, err error) {
	host := strings.TrimSuffix(q.host, ".")
	query := new(dns.Msg).SetQuestion(q.host, q.qtype).SetEdns0(resolveSize, false)
	reply, err := d.query(ctx, query)
	if err != nil {
		de := &net.DNSError{Err: err.Error(), Name: host, Server: d.dns.String(), IsTemporary: true}
		var timeout net.Error
		de.IsTimeout = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
		return nil, 0, de
	}
	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return nil, 0, &net.DNSError{
			Err: "answer " + dns.RcodeToString[reply.Rcode], Name: host, Server: d.dns.String(), IsTemporary: true,
		}
	}
	for _, rr := range reply.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok && len(addrs) < resolveMost {
			addrs = append(addrs, a.Unmap())
		}
	}
	if len(addrs) == 0 && blocked(reply) {
		return nil, 0, fmt.Errorf("resolve %s: %w", host, ErrDenied)
	}
	return addrs, keepFor(reply, len(addrs) > 0), nil
}

// keepFor is how long an answer holds: the least time to live of its records, and for a negative one what the zone says
// about that (RFC 2308).
func keepFor(reply *dns.Msg, positive bool) time.Duration {
	least, found := uint32(0), false
	note := func(ttl uint32) {
		if !found || ttl < least {
			least, found = ttl, true
		}
	}
	for _, rr := range reply.Answer {
		note(rr.Header().Ttl)
	}
	if positive {
		return min(time.Duration(least)*time.Second, mostPositive)
	}
	zone := false
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			zone = true
			note(soa.Hdr.Ttl)
			note(soa.Minttl)
		}
	}
	if !zone {
		return 0
	}
	return min(time.Duration(least)*time.Second, mostNegative)
}

// query asks over UDP, and over TCP when the answer is too long.
func (d *Dialer) query(ctx context.Context, query *dns.Msg) (*dns.Msg, error) {
	server := netip.AddrPortFrom(d.dns, dnsPort)
	conn, err := d.net.DialUDP(server)
	if err != nil {
		return nil, err
	}
	reply, err := exchange(ctx, conn, query, resolveWaits[:])
	if err != nil || !reply.Truncated {
		return reply, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveStream)
	defer cancel()
	stream, err := d.net.DialTCP(ctx, server)
	if err != nil {
		return nil, err
	}
	return exchange(ctx, stream, query, []time.Duration{resolveStream})
}

// exchange sends a query over conn, which it closes, and waits for its answer; after each of the waits but the last it sends
// it again.
func exchange(ctx context.Context, conn net.Conn, query *dns.Msg, waits []time.Duration) (*dns.Msg, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	dc := &dns.Conn{Conn: conn, UDPSize: resolveSize}
	var last error
	for _, wait := range waits {
		end := time.Now().Add(wait)
		if err := conn.SetDeadline(end); err != nil {
			return nil, err
		}
		last = dc.WriteMsg(query)
		for last == nil {
			var reply *dns.Msg
			if reply, last = dc.ReadMsg(); last == nil && answers(reply, query) {
				return reply, nil
			}
			if last != nil && reply != nil {
				last = nil // what came is no message
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var timeout net.Error
		if errors.As(last, &timeout) && timeout.Timeout() {
			continue
		}
		// It was not taken, or refused: the next may be.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Until(end)):
		}
	}
	return nil, fmt.Errorf("no answer: %w", last)
}

// answers tells whether a message answers a query.
func answers(reply, query *dns.Msg) bool {
	return reply.Response && reply.Id == query.Id && len(reply.Question) == 1 &&
		reply.Question[0].Qtype == query.Question[0].Qtype && strings.EqualFold(reply.Question[0].Name, query.Question[0].Name)
}

// blocked reports whether an answer says that the exit's policy closes what it was about (RFC 8914).
func blocked(m *dns.Msg) bool {
	opt := m.IsEdns0()
	return opt != nil && slices.ContainsFunc(opt.Option, func(o dns.EDNS0) bool {
		e, ok := o.(*dns.EDNS0_EDE)
		return ok && e.InfoCode == dns.ExtendedErrorCodeBlocked
	})
}

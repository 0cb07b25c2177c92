package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// A network that has IPv6 alone translates IPv4 under a prefix of its own choice: packets to it leave the provider as
// IPv6 and arrive at an IPv4 address, which may be a private one of that network, or the provider's. What such an address
// carries is judged as that IPv4 address (RFC 6052). The prefixes are found as RFC 7050 says: a name that has no IPv6
// address gets one from a resolver that knows the prefix.

// TranslatedName is the name of RFC 7050, and translatedAddrs are its addresses.
const TranslatedName = "ipv4only.arpa."

var translatedAddrs = []netip.Addr{netip.MustParseAddr("192.0.0.170"), netip.MustParseAddr("192.0.0.171")}

// carried is the IPv4 address that an address under a prefix of RFC 6052 carries, and whether the eight bits that must be
// zero are. The prefix has 32, 40, 48, 56, 64 or 96 bits.
func carried(p netip.Prefix, a netip.Addr) (inner netip.Addr, zero bool) {
	b := a.As16()
	if p.Bits() == 96 {
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	var in [4]byte
	at := p.Bits() / 8
	for i := range in {
		if at == 8 {
			at++
		}
		in[i] = b[at]
		at++
	}
	return netip.AddrFrom4(in), b[8] == 0
}

// translation is the prefix of IPv6 that carries a prefix of IPv4 under one of RFC 6052.
func translation(p, inside netip.Prefix) netip.Prefix {
	if p.Bits() == 96 {
		return wrapped(p, inside)
	}
	b, in := p.Addr().As16(), inside.Addr().As4()
	at := p.Bits() / 8
	for i := range in {
		if at == 8 {
			at++
		}
		b[at] = in[i]
		at++
	}
	bits := p.Bits() + inside.Bits()
	if p.Bits() == 64 || bits > 64 {
		bits += 8
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
}

// translationPrefix finds the prefix by which an answer about TranslatedName was made.
func translationPrefix(a netip.Addr) (netip.Prefix, bool) {
	if !a.Is6() || a.Is4In6() {
		return netip.Prefix{}, false
	}
	for _, bits := range []int{96, 64, 56, 48, 40, 32} {
		p := netip.PrefixFrom(a, bits).Masked()
		if in, zero := carried(p, a); zero && slices.Contains(translatedAddrs, in) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// How many prefixes are believed, and how long a resolver is waited for.
const (
	nat64Most = 8
	nat64Wait = 3 * time.Second
)

// FindNAT64 asks every resolver for the prefixes that it knows. An error means that none of them answered.
func FindNAT64(ctx context.Context, resolvers []netip.AddrPort) ([]netip.Prefix, error) {
	var found []netip.Prefix
	var failed []error
	for _, r := range resolvers {
		query := new(dns.Msg).SetQuestion(TranslatedName, dns.TypeAAAA)
		client := dns.Client{Timeout: nat64Wait}
		reply, _, err := client.ExchangeContext(ctx, query, r.String())
		if err == nil && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
			err = fmt.Errorf("it says %s", dns.RcodeToString[reply.Rcode])
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("ask %v for %s: %w", r, TranslatedName, err))
			continue
		}
		for _, rr := range reply.Answer {
			aaaa, ok := rr.(*dns.AAAA)
			if !ok {
				continue
			}
			a, ok := netip.AddrFromSlice(aaaa.AAAA)
			if !ok {
				continue
			}
			if p, ok := translationPrefix(a); ok && !slices.Contains(found, p) && len(found) < nat64Most {
				found = append(found, p)
			}
		}
	}
	if len(failed) > 0 && len(failed) == len(resolvers) {
		return nil, errors.Join(failed...)
	}
	slices.SortFunc(found, netip.Prefix.Compare)
	return found, nil
}

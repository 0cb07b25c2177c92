package policy

import (
	"log/slog"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// What is near a provider is closed to strangers: its own addresses, and everything that it reaches without a router, for
// there its packets are those of a neighbour, and where addresses are global nothing else tells a neighbour from the
// internet. It is learned from the host (addresses with their masks, routes without a gateway, gateways), from what other
// parts of the program were told about themselves (SetLearned), and from the resolver, which knows the prefixes under
// which a network translates IPv4 (RFC 7050).

// A prefix that is wider than this is no link. VPNs route halves of everything (0.0.0.0/1), transparent proxies call
// everything local, and a mask may be wrong: closing that would close the internet. What remains closed of a wide
// prefix is this much around the address that has it.
const (
	widestLink4 = 8
	widestLink6 = 32
)

// Prefixes that are wider than these, and public, are closed, but the log says so: there is more of the internet in them
// than a link can hold.
const (
	wideLink4 = 16
	wideLink6 = 48
)

func tooWide(p netip.Prefix) bool { return p.Bits() < widest(p.Addr()) }

func widest(a netip.Addr) int {
	if a.Is4() {
		return widestLink4
	}
	return widestLink6
}

// hostNet is a host's word on its own networks.
type hostNet struct {
	own   []netip.Prefix // its addresses, and prefixes that it takes as a whole
	links []netip.Prefix // what it reaches without a router, its routers among it
	wide  []netip.Prefix // what would be a link, were it not too wide
	ipv6  bool           // it has an address that may lead to the IPv6 internet
}

func (h hostNet) equal(o hostNet) bool {
	return slices.Equal(h.own, o.own) && slices.Equal(h.links, o.links)
}

// surroundings is all that is known of a host, by where it was learned.
type surroundings struct {
	host    hostNet
	learned map[string][]netip.Addr
	nat64   []netip.Prefix
}

// near holds what the policy closes besides its prefixes. It is immutable.
type near struct {
	own, links *bart.Lite
	nat64      []netip.Prefix
}

func (n *near) owns(a netip.Addr) bool   { return n != nil && n.own.Lookup(a) }
func (n *near) linked(a netip.Addr) bool { return n != nil && n.links.Lookup(a) }

// translated is the IPv4 address behind one that a network translates. RFC 6052 wants eight bits to be zero: with others
// a translator may do as it likes.
func (n *near) translated(a netip.Addr) (inner []netip.Addr, malformed bool) {
	if n == nil || !a.Is6() {
		return nil, false
	}
	for _, p := range n.nat64 {
		if p.Contains(a) {
			in, zero := carried(p, a)
			return []netip.Addr{in}, !zero
		}
	}
	return nil, false
}

// near puts together what is known.
func (s *surroundings) near() *near {
	n := &near{own: new(bart.Lite), links: new(bart.Lite), nat64: slices.Clone(s.nat64)}
	// An IPv6 address alone tells its link as well: interfaces number themselves within 64 bits (RFC 4291).
	alone := func(a netip.Addr) {
		n.own.Insert(netip.PrefixFrom(a, a.BitLen()))
		if a.Is6() && internet6.Contains(a) {
			n.links.Insert(netip.PrefixFrom(a, 64).Masked())
		}
	}
	for _, p := range s.host.own {
		n.own.Insert(p)
	}
	for _, p := range s.host.links {
		n.links.Insert(p)
	}
	for _, list := range s.learned {
		for _, a := range list {
			alone(a)
		}
	}
	return n
}

func (n *near) equal(o *near) bool {
	return n != nil && o != nil && n.own.Equal(o.own) && n.links.Equal(o.links) && slices.Equal(n.nat64, o.nat64)
}

var internet6 = netip.MustParsePrefix("2000::/3")

// saidOwn takes the operator's word in place of the host's.
func saidOwn(addrs []netip.Addr) []netip.Addr {
	list := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}

// learnedMost bounds what one source may teach: peers have a say in what libp2p believes its addresses to be.
const learnedMost = 128

// SetLearned replaces what a source knows of the addresses at which the provider is reached, such as its router's: they
// are closed as its own are, and of IPv6 the network of 64 bits around each. It takes effect with the next flow.
// Addresses that are no unicast ones are left out, and what is more than 128.
func (p *Policy) SetLearned(source string, addrs []netip.Addr) {
	var list []netip.Addr
	for _, a := range saidOwn(addrs) {
		if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || len(list) == learnedMost {
			continue
		}
		list = append(list, a)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.learnLocked(source, list)
}

func (p *Policy) learnLocked(source string, list []netip.Addr) {
	if p.sources.learned == nil {
		p.sources.learned = make(map[string][]netip.Addr)
	}
	p.sources.learned[source] = list
	p.surroundLocked()
}

// SetNAT64 replaces the prefixes under which the network translates IPv4.
func (p *Policy) SetNAT64(prefixes []netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources.nat64 = prefixes
	p.surroundLocked()
}

// ReadHost asks the host again, unless the operator named the provider's addresses.
func (p *Policy) ReadHost() error {
	if p.cfg.Own != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.learnLocked("", saidOwn(p.cfg.Own))
		return nil
	}
	// Two readers must not overtake each other with an older answer.
	p.mu.Lock()
	defer p.mu.Unlock()
	host, err := readHost()
	if err != nil {
		return err
	}
	if !host.equal(p.sources.host) {
		p.networks.Add(1)
	}
	p.sources.host = host
	for _, pfx := range host.wide {
		p.warnLocked(pfx, "a network of this host is too wide to be a link: of it, the exit closes what is next to the host's address")
	}
	for _, pfx := range host.links {
		if pfx.Addr().Is4() && pfx.Bits() < wideLink4 || pfx.Addr().Is6() && pfx.Bits() < wideLink6 {
			if v, ok := p.table.Lookup(pfx.Addr()); !ok || v.reason == "" {
				p.warnLocked(pfx, "this host is on a wide network, which the exit closes as a whole: is its mask right?")
			}
		}
	}
	p.surroundLocked()
	return nil
}

// warnLocked says something about a prefix once.
func (p *Policy) warnLocked(pfx netip.Prefix, what string) {
	if !p.warned[pfx] && len(p.warned) < 1024 {
		p.warned[pfx] = true
		p.log.Warn(what, "network", pfx)
	}
}

func (p *Policy) surroundLocked() {
	n := p.sources.near()
	if n.equal(p.near.Load()) {
		return
	}
	p.near.Store(n)
	p.generation.Add(1)
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Changes is closed when what is near changes next.
func (p *Policy) Changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// Network is another number after the host has been connected to others.
func (p *Policy) Network() uint64 { return p.networks.Load() }

// HasIPv6 reports whether the host may reach the IPv6 internet.
func (p *Policy) HasIPv6() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sources.host.ipv6
}

// SpeakTo names the log, in which wide networks are said, those that are known already too.
func (p *Policy) SpeakTo(log *slog.Logger) error {
	p.mu.Lock()
	p.log = log
	clear(p.warned)
	p.mu.Unlock()
	return p.ReadHost()
}

// Package policy decides where an exit's flows may go: everything that is not the internet is closed, and so is what is near
// the provider. A Sentry asks it about packets on their way to a kernel that forwards.
package policy

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"byway/tunnel/packet"
)

// DeniedError says which destination a policy denies, and why.
type DeniedError struct {
	Dst    netip.AddrPort
	Reason string
}

// Error implements error.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("destination %v denied by the exit policy: %s", e.Dst, e.Reason)
}

// special lists what no stranger may reach through an exit: everything that is not the public internet. Sources: the
// IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its successors).
var special = []struct{ prefix, reason string }{
	{"0.0.0.0/8", "this network"},
	{"10.0.0.0/8", "private"},
	{"100.64.0.0/10", "carrier-grade NAT"},
	{"127.0.0.0/8", "loopback"},
	{"168.63.129.16/32", "cloud metadata"},
	{"169.254.0.0/16", "link-local and cloud metadata"},
	{"172.16.0.0/12", "private"},
	{"192.0.0.0/24", "protocol assignments"},
	{"192.0.2.0/24", "documentation"},
	{"192.88.99.0/24", "6to4 relay"},
	{"192.168.0.0/16", "private"},
	{"198.18.0.0/15", "benchmarking"},
	{"198.51.100.0/24", "documentation"},
	{"203.0.113.0/24", "documentation"},
	{"224.0.0.0/4", "multicast"},
	{"240.0.0.0/4", "reserved"},
	{"255.255.255.255/32", "broadcast"},

	// Of IPv6, only 2000::/3 is the internet.
	{"::/3", "reserved"},
	{"::/128", "unspecified"},
	{"::1/128", "loopback"},
	{"64:ff9b:1::/48", "local NAT64"},
	{"100::/64", "discard"},
	{"2001::/23", "protocol assignments"},
	{"2001:db8::/32", "documentation"},
	{"3fff::/20", "documentation"},
	{"4000::/2", "reserved"},
	{"8000::/1", "reserved"},
	{"fc00::/7", "unique local"},
	{"fe80::/10", "link-local"},
	{"fec0::/10", "site-local"},
	{"ff00::/8", "multicast"},
}

// Ranges whose addresses carry an IPv4 address that the packet ends up at.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	local6 = netip.MustParsePrefix("64:ff9b:1::/48")
	sixTo4 = netip.MustParsePrefix("2002::/16") // RFC 3056
	teredo = netip.MustParsePrefix("2001::/32") // RFC 4380
)

// Config describes an exit policy beyond what is always denied.
type Config struct {
	// Allow makes exceptions: a prefix opens itself, whatever the special ranges say, save for ranges within it that
	// are listed more exactly.
	Allow []netip.Prefix
	// Deny closes further prefixes. It wins over an equal prefix in Allow.
	Deny []netip.Prefix
	// DenyPorts closes ports of TCP and UDP everywhere. Nil means 25; empty means none.
	DenyPorts []uint16
	// Own are the provider's addresses. Nil means what its host says: the addresses of its interfaces and the networks
	// that it is on, which an Exit keeps up to date. An exception opens one of the provider's addresses only where it
	// names that address alone, such as 127.0.0.1/32; a neighbour on one of its networks also where it names a prefix,
	// of 8 bits or more (32 for IPv6): one as wide as the internet names no neighbour.
	Own []netip.Addr
}

// Policy decides which destinations an exit forwards to. It is safe for concurrent use.
type Policy struct {
	cfg      Config
	ports    map[uint16]bool
	table    *bart.Table[verdict]
	embedded *bart.Table[verdict] // without exceptions, for addresses within addresses

	near       atomic.Pointer[near] // what may change while the exit runs
	generation atomic.Uint64        // rises after near was replaced

	mu      sync.Mutex // orders changes of near
	sources surroundings
	log     *slog.Logger
	warned  map[netip.Prefix]bool
	changed chan struct{} // closed when near changes; nil while nobody waits

	networks atomic.Uint64
}

// verdict is a row of the table; an empty reason allows.
type verdict struct {
	reason string
	exact  bool // an exception for a single address, which may be the provider's own
	narrow bool // an exception that names neighbours
}

// New builds the policy's table of prefixes.
func New(cfg Config) (*Policy, error) {
	p := &Policy{
		cfg: cfg, ports: make(map[uint16]bool), table: new(bart.Table[verdict]), log: slog.New(slog.DiscardHandler),
		warned: make(map[netip.Prefix]bool),
	}
	for _, row := range special {
		p.table.Insert(netip.MustParsePrefix(row.prefix), verdict{reason: row.reason})
	}
	for _, pfx := range cfg.Deny {
		if !pfx.IsValid() {
			return nil, fmt.Errorf("exit policy: invalid denied prefix %v", pfx)
		}
	}
	deny := func(t *bart.Table[verdict]) {
		for _, pfx := range cfg.Deny {
			t.Insert(plain(pfx), verdict{reason: "closed by the operator"})
		}
	}
	p.embedded = p.table.Clone()
	deny(p.embedded)
	for _, pfx := range cfg.Allow {
		if !pfx.IsValid() {
			return nil, fmt.Errorf("exit policy: invalid allowed prefix %v", pfx)
		}
		p.table.Insert(plain(pfx), verdict{exact: pfx.IsSingleIP(), narrow: !tooWide(plain(pfx))})
	}
	deny(p.table)
	if cfg.DenyPorts == nil {
		p.ports[25] = true
	}
	for _, port := range cfg.DenyPorts {
		p.ports[port] = true
	}
	if err := p.ReadHost(); err != nil {
		return nil, fmt.Errorf("exit policy: %w", err)
	}
	return p, nil
}

// plain strips what makes two spellings of a prefix differ.
func plain(pfx netip.Prefix) netip.Prefix {
	if a := pfx.Addr(); a.Is4In6() && pfx.Bits() >= 96 {
		pfx = netip.PrefixFrom(a.Unmap(), pfx.Bits()-96)
	}
	return pfx.Masked()
}

// Check returns a *DeniedError when the policy closes dst. It must be asked about the address that is actually dialled,
// after any name has been resolved. For ICMP the port is ignored.
func (p *Policy) Check(proto packet.Proto, dst netip.AddrPort) error {
	denied := func(reason string) error { return &DeniedError{Dst: dst, Reason: reason} }
	addr := dst.Addr()
	if !addr.IsValid() {
		return denied("not an address")
	}
	if addr.Zone() != "" {
		return denied("link-local")
	}
	if proto != packet.ICMP {
		if dst.Port() == 0 {
			return denied("port 0")
		}
		if p.ports[dst.Port()] {
			return denied(fmt.Sprintf("port %d", dst.Port()))
		}
	}
	if reason := p.reason(addr.Unmap(), p.near.Load()); reason != "" {
		return denied(reason)
	}
	return nil
}

// reason says why an address is closed; empty when it is open. With what is near left out, it is what the prefixes of
// the policy say by themselves.
func (p *Policy) reason(addr netip.Addr, n *near) string {
	reason, excepted := p.byPrefix(addr, n)
	if in, ok := isatap(addr); ok && reason == "" && !excepted {
		return p.carrying(in, n)
	}
	return reason
}

// byPrefix judges an address by the prefixes that it lies in, and so the address that it carries behind them:
// neighbours between two ends of such prefixes are judged alike. It says also whether an exception opened the address.
func (p *Policy) byPrefix(addr netip.Addr, n *near) (reason string, excepted bool) {
	v, listed := p.table.Lookup(addr)
	open := listed && v.reason == ""
	switch {
	case n.owns(addr) && !v.exact:
		return "the provider's own address", false
	case n.linked(addr) && !(open && v.narrow):
		return "on the provider's own network", false
	case open:
		return "", true
	}
	inner, malformed := n.translated(addr)
	if malformed {
		return "not an address that NAT64 translates", false
	}
	if inner == nil {
		inner = embedded(addr)
	}
	for _, a := range inner {
		if reason := p.carrying(a, n); reason != "" {
			return reason, false
		}
	}
	// Well-known NAT64 lies in a reserved range, but leads to the address that it carries.
	if nat64.Contains(addr) && v.reason == "reserved" {
		return "", false
	}
	return v.reason, false
}

// carrying says why an address that carries an IPv4 address is closed on its account.
func (p *Policy) carrying(a netip.Addr, n *near) string {
	reason := ""
	if e, ok := p.embedded.Lookup(a); ok {
		reason = e.reason
	}
	switch {
	case reason != "":
	case n.owns(a):
		reason = "the provider's own address"
	case n.linked(a):
		reason = "on the provider's own network"
	default:
		return ""
	}
	return fmt.Sprintf("carries %v: %s", a, reason)
}

// embedded lists the IPv4 addresses that an IPv6 address leads to by its prefix, nil for most.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case nat64.Contains(a), local6.Contains(a):
		return []netip.Addr{at(12)}
	case sixTo4.Contains(a):
		return []netip.Addr{at(2)}
	case teredo.Contains(a):
		client := binary.BigEndian.Uint32(b[12:]) ^ 0xffffffff
		var c [4]byte
		binary.BigEndian.PutUint32(c[:], client)
		return []netip.Addr{at(4), netip.AddrFrom4(c)}
	}
	return nil
}

// isatap is the IPv4 address that RFC 5214 puts after 0000:5efe or 0200:5efe. It does so under any prefix, also under one
// by which the address carries another: which of the two a network goes by is not to be seen, so that both must be open.
func isatap(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:])), b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// AlwaysDenied lists the prefixes that every exit closes, whatever its policy, in order.
func AlwaysDenied() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(special))
	for _, row := range special {
		list = append(list, netip.MustParsePrefix(row.prefix))
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}

// Denied lists the closed prefixes, as an offer publishes them. The provider's own addresses are not in it.
func (p *Policy) Denied() []netip.Prefix {
	var list []netip.Prefix
	for pfx, v := range p.table.AllSorted() {
		if v.reason != "" {
			list = append(list, pfx)
		}
	}
	return list
}

// Allowed lists the exceptions, as an offer publishes them.
func (p *Policy) Allowed() []netip.Prefix {
	var list []netip.Prefix
	for pfx, v := range p.table.AllSorted() {
		if v.reason == "" {
			list = append(list, pfx)
		}
	}
	return list
}

// DeniedPorts lists the closed ports, as an offer publishes them.
func (p *Policy) DeniedPorts() []uint16 {
	var list []uint16
	for port := range p.ports {
		list = append(list, port)
	}
	slices.Sort(list)
	return list
}

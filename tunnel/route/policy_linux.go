package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What is ours in the kernel's routing: a table, rules, and the protocol number on both. They are the layer below the
// firewall: it can be flushed by whoever reloads another, and no packet may leave while it is gone.
const (
	table    = 0x6277
	protocol = 98

	// Ours come first of all rules but the kernel's own for local addresses, at the same priority. `ip rule flush` passes
	// that priority by, and a rule that another program adds without naming one comes after ours.
	ruleFirst = 0
	// ruleGuard holds while those before it are put in order, and is where packets with our mark go on.
	ruleGuard = 1
	// ruleLast comes after all: the tunnel's own packets find their way when `ip rule flush` has removed the kernel's rules.
	ruleLast = 32768

	// Those of version 1 of the state.
	oldestRule, newestOldRule = 19900, 19920

	// lastMetric is that of the unreachable routes, below every other: when the tunnel's interface goes, and its routes
	// with it, nothing falls back to the main table.
	lastMetric = 1 << 30
	// nearMetric is that of what is near and stays out of the tunnel.
	nearMetric = 1 << 29

	// nearBits is the length of the shortest prefix that is somewhere: shorter ones are the ways of other tunnels, which
	// split the internet in two to go before a default route.
	nearBits = 4
	// maxNear bounds the prefixes of the main table that are kept out of the tunnel.
	maxNear = 1024
)

var families = []int{unix.AF_INET, unix.AF_INET6}

// hasFamily reports whether the kernel has an address family; IPv6 can be compiled out or switched off at boot.
func hasFamily(family int) bool {
	if family == unix.AF_INET {
		return true
	}
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// defaults are the prefixes of a whole family.
var defaults = map[int]netip.Prefix{
	unix.AF_INET:  netip.MustParsePrefix("0.0.0.0/0"),
	unix.AF_INET6: netip.MustParsePrefix("::/0"),
}

// throughTunnel lists what of a family goes through the tunnel.
func (c Config) throughTunnel(family int) []netip.Prefix {
	var list []netip.Prefix
	for _, p := range c.Include {
		if familyOf(p.Addr()) == family {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		list = append(list, defaults[family])
	}
	return list
}

// dnsPorts are those of DNS, plain and over TLS.
var dnsPorts = []uint16{53, 853}

// policy plans a machine's routing.
type policy struct {
	cfg   Config
	link  *Link
	index int // of the link's interface
	// ipsec: packets that the rules can't stop are stopped by policies (layers_linux.go).
	ipsec bool
	// hole is how long one for a captive portal is still open; 0: there is none.
	hole time.Duration
}

// up leaves out a link whose interface is not there.
func (p policy) up() policy {
	if p.index == 0 {
		p.link = nil
	}
	return p
}

// split reports whether some of a family goes past the tunnel whatever is near.
func (p policy) split(family int) bool {
	return p.cfg.throughTunnel(family)[0] != defaults[family]
}

// rules are those of a family, in order. Packets with our mark are the former network's: they skip all of them, while an
// inverted rule, which the kernel can't combine with other selectors, keeps them out of the tunnel even where that jump
// has been lost.
func (p policy) rules(family int) []*netlink.Rule {
	var list []*netlink.Rule
	add := func(change func(*netlink.Rule)) {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Protocol, r.Type = family, ruleFirst, protocol, unix.RTN_UNICAST
		change(r)
		list = append(list, r)
	}
	refuse := func(r *netlink.Rule) { r.Type = unix.RTN_PROHIBIT }
	tunnel := func(r *netlink.Rule) { r.Table = table }
	near := func(r *netlink.Rule) { r.Table, r.SuppressPrefixlen = unix.RT_TABLE_MAIN, nearBits-1 }
	mask := uint32(markMask)
	unmarked := func(r *netlink.Rule) { r.Mark, r.Mask, r.Invert = markBase, &mask, true }
	name := p.cfg.Interface

	// From the tunnel, answers go to guests of the machine, as far as the firewall is there to know them, and to its own
	// addresses, which the kernel's rule before these has found. Nothing else goes anywhere.
	//
	// The reverse path check of IPv4 asks, of what a guest sends into the tunnel, for the way back from there, and knows no
	// mark: where policies look at the mark as well, the rule need not.
	if !p.cfg.OnlyPrograms {
		add(func(r *netlink.Rule) {
			near(r)
			r.IifName = name
			if !p.nearByMain(family) {
				r.Mark = markAnswer
			}
		})
	}
	add(func(r *netlink.Rule) { r.IifName, r.Type = name, unix.RTN_BLACKHOLE })

	if p.cfg.OnlyPrograms {
		add(func(r *netlink.Rule) { tunnel(r); r.Mark = markInside })
		add(func(r *netlink.Rule) { refuse(r); r.Mark = markInside })
		add(func(r *netlink.Rule) { refuse(r); r.Mark, r.Priority = markInside, ruleGuard })
		return list
	}

	// Names are asked through the tunnel or not at all.
	names := func(change func(*netlink.Rule)) {
		for _, proto := range []int{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			for _, port := range dnsPorts {
				add(func(r *netlink.Rule) { r.IPProto, r.Dport = proto, netlink.NewRulePortRange(port, port); change(r) })
			}
		}
	}
	outside := func(r *netlink.Rule) { r.Mark = markOutside }
	names(func(r *netlink.Rule) { tunnel(r); outside(r) })
	names(func(r *netlink.Rule) { refuse(r); outside(r) })
	if p.hole == 0 || family != unix.AF_INET {
		add(func(r *netlink.Rule) { refuse(r); r.Mark = markPortal })
	}
	add(func(r *netlink.Rule) { r.Mark, r.Mask, r.Goto = markBase, &mask, ruleGuard })
	if p.link != nil && familyOf(p.link.DNS) == family {
		add(func(r *netlink.Rule) { tunnel(r); r.Dst = ipNet(netip.PrefixFrom(p.link.DNS, p.link.DNS.BitLen())) })
	}
	past := p.cfg.past(family)
	split := p.split(family)
	if split || p.cfg.LAN || len(past) > 0 {
		names(tunnel)
		names(refuse)
	}
	// DHCP keeps the link's address.
	dhcp := map[int][2]uint16{unix.AF_INET: {68, 67}, unix.AF_INET6: {546, 547}}[family]
	add(func(r *netlink.Rule) {
		near(r)
		r.IPProto, r.Sport, r.Dport = unix.IPPROTO_UDP, netlink.NewRulePortRange(dhcp[0], dhcp[0]), netlink.NewRulePortRange(dhcp[1], dhcp[1])
	})
	for _, prefix := range past {
		add(func(r *netlink.Rule) { r.Table, r.Dst = unix.RT_TABLE_MAIN, ipNet(prefix) })
	}
	if p.nearByMain(family) {
		// The reverse path check of IPv4 asks these rules for the way back to a neighbour, as a program would. What a
		// program sends there is for the policies and the firewall to refuse.
		add(func(r *netlink.Rule) { near(r); unmarked(r) })
	} else if p.cfg.LAN {
		for _, prefix := range lanPrefixes {
			if familyOf(prefix.Addr()) == family {
				add(func(r *netlink.Rule) { near(r); r.Dst = ipNet(prefix) })
			}
		}
	}
	add(func(r *netlink.Rule) { tunnel(r); unmarked(r) })
	add(func(r *netlink.Rule) {
		r.Priority, r.Table, r.Mark, r.Mask = ruleLast, unix.RT_TABLE_MAIN, markBase, &mask
	})
	guard := func(change func(*netlink.Rule)) {
		add(func(r *netlink.Rule) { unmarked(r); r.Priority = ruleGuard; change(r) })
	}
	if !split {
		add(func(r *netlink.Rule) { refuse(r); unmarked(r) })
		guard(tunnel)
		guard(refuse)
		return list
	}
	for _, prefix := range p.cfg.throughTunnel(family) {
		add(func(r *netlink.Rule) { refuse(r); r.Dst = ipNet(prefix) })
	}
	guard(tunnel)
	return list
}

// nearByMain reports whether what is near is looked for in the main table by everybody. Without policies below, that
// would let it be reached whenever the firewall is gone.
func (p policy) nearByMain(family int) bool { return family == unix.AF_INET && p.ipsec }

// past lists what of a family is excluded from the tunnel.
func (c Config) past(family int) []netip.Prefix {
	var list []netip.Prefix
	for _, prefix := range c.Exclude {
		if familyOf(prefix.Addr()) == family {
			list = append(list, prefix)
		}
	}
	return list
}

// routes are those of a family in the tunnel's table; near are the prefixes of its neighbourhood. A family that the
// session has no address of stays unreachable.
func (p policy) routes(family int, near []netip.Prefix) []*netlink.Route {
	var list []*netlink.Route
	add := func(to netip.Prefix, kind, metric int) *netlink.Route {
		r := &netlink.Route{Table: table, Protocol: protocol, Dst: ipNet(to), Type: kind, Priority: metric}
		list = append(list, r)
		return r
	}
	prefixes := p.cfg.throughTunnel(family)
	for _, to := range prefixes {
		add(to, unix.RTN_UNREACHABLE, lastMetric)
	}
	if !p.cfg.OnlyPrograms && !p.nearByMain(family) {
		for _, to := range near {
			add(to, unix.RTN_PROHIBIT, nearMetric)
		}
	}
	if p.link == nil || !slices.ContainsFunc(p.link.Addrs, func(a netip.Addr) bool { return familyOf(a) == family }) {
		return list
	}
	if familyOf(p.link.DNS) == family {
		prefixes = append(slices.Clone(prefixes), netip.PrefixFrom(p.link.DNS, p.link.DNS.BitLen()))
	}
	for _, to := range prefixes {
		r := add(to, unix.RTN_UNICAST, 1)
		r.LinkIndex = p.index
		if family == unix.AF_INET {
			r.Scope = unix.RT_SCOPE_LINK
		}
	}
	return list
}

// nearby lists what the main table of a family has ways to but its default ones: neighbours on the links, guests,
// private networks behind a router. They are no part of the internet that a tunnel leads to, and an exit is not to
// answer in their stead.
func nearby(family int) ([]netip.Prefix, error) {
	var list []netip.Prefix
	all, err := netlink.RouteList(nil, family)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range all {
		if r.Dst == nil || r.Type != unix.RTN_UNICAST || len(list) == maxNear {
			continue
		}
		addr, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if to := netip.PrefixFrom(addr, bits).Masked(); ok && bits >= nearBits && !slices.Contains(list, to) {
			list = append(list, to)
		}
	}
	return list, nil
}

// ruleKey is all that tells one rule from another. The kernel lists no action: a rule without a table or a target refuses.
func ruleKey(r *netlink.Rule) string {
	var mask uint32
	if r.Mask != nil {
		mask = *r.Mask
	} else if r.Mark != 0 {
		mask = ^uint32(0)
	}
	ports := func(p *netlink.RulePortRange) string {
		if p == nil {
			return ""
		}
		return fmt.Sprintf("%d-%d", p.Start, p.End)
	}
	return fmt.Sprintf("%d table %d goto %d mark %x/%x invert %v from %v to %v iif %s oif %s suppress %d %d proto %d ports %s %s",
		r.Priority, r.Table, max(r.Goto, 0), r.Mark, mask, r.Invert, r.Src, r.Dst, r.IifName, r.OifName,
		r.SuppressPrefixlen, r.SuppressIfgroup, r.IPProto, ports(r.Sport), ports(r.Dport))
}

// oursOf tells our rules from others'.
func oursOf(r *netlink.Rule) bool {
	return r.Protocol == protocol && (r.Priority == ruleFirst || r.Priority == ruleGuard || r.Priority == ruleLast ||
		oldestRule <= r.Priority && r.Priority <= newestOldRule)
}

// localRule reports whether a rule is the kernel's own, which finds the machine's addresses.
func localRule(r *netlink.Rule) bool {
	return r.Priority == ruleFirst && r.Table == unix.RT_TABLE_LOCAL && r.Mark == 0 && r.Src == nil && r.Dst == nil &&
		r.IifName == "" && r.OifName == "" && r.IPProto == 0 && !r.Invert
}

// repairRules makes the rules of a family ours. It reports how many of ours were missing, and a rule of another program
// that comes before them, if there is one.
func (p policy) repairRules(family int) (missing int, before *netlink.Rule, err error) {
	all, err := netlink.RuleList(family)
	if err != nil {
		return 0, nil, fmt.Errorf("list routing rules: %w", err)
	}
	want := p.rules(family)
	if len(all) == 0 || !localRule(&all[0]) || oursOf(&all[0]) {
		// The machine looks for its own addresses later than usual. Ours would come before.
		local := netlink.NewRule()
		local.Family, local.Priority, local.Table, local.Protocol = family, ruleFirst, unix.RT_TABLE_LOCAL, protocol
		local.Type = unix.RTN_UNICAST
		want = append([]*netlink.Rule{local}, want...)
	}
	have := make(map[string]bool)
	var keys []string
	last := -1
	for i := range all {
		if r := &all[i]; oursOf(r) {
			key := ruleKey(r)
			have[key] = true
			keys = append(keys, key)
			if r.Priority == ruleFirst {
				last = i
			}
		}
	}
	for i := range last {
		if r := &all[i]; !oursOf(r) && !localRule(r) {
			before = r
			break
		}
	}
	slices.SortStableFunc(want, func(a, b *netlink.Rule) int { return a.Priority - b.Priority }) // as the kernel lists them
	var wanted []string
	for _, r := range want {
		key := ruleKey(r)
		wanted = append(wanted, key)
		if !have[key] {
			missing++
		}
	}
	if slices.Equal(keys, wanted) {
		return 0, before, nil
	}
	put := func(r *netlink.Rule) error {
		if err := netlink.RuleAdd(r); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add routing rule: %w", err)
		}
		return nil
	}
	// The guard stands first. Under it, those before it are made anew, since the order of one priority is that of adding.
	for _, r := range want {
		if r.Priority != ruleFirst {
			if err := put(r); err != nil {
				return missing, before, err
			}
		}
	}
	for i := range all {
		if r := &all[i]; oursOf(r) && (r.Priority == ruleFirst || !slices.Contains(wanted, ruleKey(r))) {
			if err := removeRule(family, r); err != nil {
				return missing, before, err
			}
		}
	}
	for _, r := range want {
		if r.Priority == ruleFirst {
			if err := put(r); err != nil {
				return missing, before, err
			}
		}
	}
	return missing, before, nil
}

// removeRule removes a rule as it was listed.
func removeRule(family int, r *netlink.Rule) error {
	del := *r
	del.Family = family
	switch {
	case r.Goto > 0: // the library says so itself
	case r.Table != 0:
		del.Type = unix.RTN_UNICAST
	case r.IifName != "":
		del.Type = unix.RTN_BLACKHOLE
	default:
		del.Type = unix.RTN_PROHIBIT
	}
	if err := netlink.RuleDel(&del); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove routing rule %d: %w", r.Priority, err)
	}
	return nil
}

func routeKey(r *netlink.Route) string {
	link := r.LinkIndex
	if r.Type != unix.RTN_UNICAST {
		link = 0 // of IPv6, they are on loopback
	}
	to := "default"
	if r.Dst != nil {
		to = r.Dst.String()
	}
	return fmt.Sprintf("%s type %d dev %d metric %d", to, r.Type, link, r.Priority)
}

// repairRoutes makes the tunnel's table of a family what it is to be. It reports how many routes were missing, and how
// many there were of others.
func (p policy) repairRoutes(family int, near []netip.Prefix) (missing, foreign int, err error) {
	list, err := tableRoutes(family)
	if err != nil {
		return 0, 0, err
	}
	have := make(map[string]*netlink.Route)
	for i := range list {
		have[routeKey(&list[i])] = &list[i]
	}
	for _, r := range p.routes(family, near) {
		key := routeKey(r)
		if have[key] != nil {
			delete(have, key)
			continue
		}
		if r.Type != unix.RTN_PROHIBIT {
			missing++
		}
		if err := netlink.RouteReplace(r); err != nil {
			return missing, foreign, fmt.Errorf("add route to %v: %w", r.Dst, err)
		}
	}
	for _, r := range have {
		if r.Protocol != protocol {
			foreign++
		}
		if err := netlink.RouteDel(r); err != nil && !errors.Is(err, unix.ESRCH) {
			return missing, foreign, fmt.Errorf("remove route to %v: %w", r.Dst, err)
		}
	}
	return missing, foreign, nil
}

func tableRoutes(family int) ([]netlink.Route, error) {
	list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes of the tunnel: %w", err)
	}
	return list, nil
}

// removeRouting removes all that is ours of rules and routes. Addresses go with their interface.
func removeRouting() error {
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		rules, err := netlink.RuleList(family)
		if err != nil {
			return fmt.Errorf("list routing rules: %w", err)
		}
		for i := range rules {
			if oursOf(&rules[i]) {
				if err := removeRule(family, &rules[i]); err != nil {
					return err
				}
			}
		}
		routes, err := tableRoutes(family)
		if err != nil {
			return err
		}
		for i := range routes {
			if err := netlink.RouteDel(&routes[i]); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route to %v: %w", routes[i].Dst, err)
			}
		}
	}
	return nil
}

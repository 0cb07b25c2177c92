package forward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A layer below nftables, which other programs may empty: what comes in by the exit's interface asks a routing table of
// its own first, in which every closed prefix is prohibited. What is not closed goes on to the host's own rules, so that
// a host whose way to the internet is another than its main table's keeps it.
const (
	rulePriority  = 98     // before the rules of VPNs; the host's local addresses are decided at 0, and by the policy's check
	ruleProtocol  = 97     // marks our rules and routes
	firstTable    = 0x6278 // << 12, and the number of the interface
	tableInterval = 1 << 12
)

// routing is the part of it that belongs to one exit.
type routing struct {
	name  string
	table int
	want  map[netip.Prefix]bool
}

func tableOf(name string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, ifPrefix))
	if err != nil || n < 0 || n >= tableInterval-1 { // the last is the host's
		return 0, fmt.Errorf("no routing table for interface %s", name)
	}
	return firstTable*tableInterval + n, nil
}

func routeFamilies() []int {
	if hasIPv6() {
		return []int{unix.AF_INET, unix.AF_INET6}
	}
	return []int{unix.AF_INET}
}

func (r *routing) rule(family int) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Priority, rule.Table, rule.Protocol, rule.IifName = family, rulePriority, r.table, ruleProtocol, r.name
	return rule
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// set prohibits the ranges and nothing else, and puts back what is missing.
func (r *routing) set(nets Nets, closed ...[]Range) error {
	want := map[netip.Prefix]bool{nets.V4: true, nets.V6: true}
	for _, ranges := range closed {
		for _, x := range ranges {
			for _, p := range x.prefixes() {
				want[p] = true
			}
		}
	}
	r.want = want
	return r.restore()
}

// restore makes the kernel hold what is wanted.
func (r *routing) restore() error {
	if err := prohibit(r.table, r.want); err != nil {
		return fmt.Errorf("routes of %s: %w", r.name, err)
	}
	for _, family := range routeFamilies() {
		rules, err := netlink.RuleListFiltered(family, r.rule(family), netlink.RT_FILTER_PRIORITY|netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routing rules: %w", err)
		}
		if !slices.ContainsFunc(rules, func(x netlink.Rule) bool { return x.IifName == r.name }) {
			if err := netlink.RuleAdd(r.rule(family)); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("add routing rule of %s: %w", r.name, err)
			}
		}
	}
	return nil
}

// prohibit has a routing table of ours prohibit what is wanted, and nothing else.
func prohibit(table int, want map[netip.Prefix]bool) error {
	have, err := prohibitedIn(table)
	if err != nil {
		return err
	}
	route := func(p netip.Prefix) *netlink.Route {
		return &netlink.Route{Table: table, Protocol: ruleProtocol, Type: unix.RTN_PROHIBIT, Dst: ipNet(p)}
	}
	for p := range want {
		if have[p] || p.Addr().Is6() && !hasIPv6() {
			continue
		}
		if err := netlink.RouteAdd(route(p)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("prohibit %v in routing table %d: %w", p, table, err)
		}
	}
	for p := range have {
		if !want[p] {
			if err := netlink.RouteDel(route(p)); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("open %v in routing table %d: %w", p, table, err)
			}
		}
	}
	return nil
}

// prohibitedIn lists what a routing table prohibits.
func prohibitedIn(table int) (map[netip.Prefix]bool, error) {
	have := make(map[netip.Prefix]bool)
	for _, family := range routeFamilies() {
		list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("list routing table %d: %w", table, err)
		}
		for _, route := range list {
			if route.Dst == nil || route.Type != unix.RTN_PROHIBIT {
				continue
			}
			a, ok := netip.AddrFromSlice(route.Dst.IP)
			bits, _ := route.Dst.Mask.Size()
			if ok && family == unix.AF_INET {
				a = a.Unmap()
			}
			have[netip.PrefixFrom(a, bits)] = true
		}
	}
	return have, nil
}

// cleanRouting removes the rules and tables of exits whose interface is gone.
func cleanRouting() error {
	for _, family := range routeFamilies() {
		rules, err := netlink.RuleList(family)
		if err != nil {
			return fmt.Errorf("list routing rules: %w", err)
		}
		for _, rule := range rules {
			if rule.Protocol != ruleProtocol || !strings.HasPrefix(rule.IifName, ifPrefix) || exists(rule.IifName) {
				continue
			}
			rule.Family = family
			if err := netlink.RuleDel(&rule); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("remove routing rule of %s: %w", rule.IifName, err)
			}
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{
			Table: unix.RT_TABLE_UNSPEC, Protocol: ruleProtocol,
		}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, route := range routes {
			n := route.Table - firstTable*tableInterval
			if route.Protocol != ruleProtocol || n < 0 || n >= tableInterval-1 || exists(ifPrefix+strconv.Itoa(n)) {
				continue
			}
			if err := netlink.RouteDel(&netlink.Route{
				Table: route.Table, Protocol: ruleProtocol, Type: route.Type, Dst: route.Dst,
			}); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route to %v: %w", route.Dst, err)
			}
		}
	}
	return nil
}

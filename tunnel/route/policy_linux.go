package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What is ours in the kernel's routing: a table, a range of rules, and the protocol number on both.
const (
	table    = 0x6277
	protocol = 98

	ruleExclude = 19900 // to a prefix → main: past the tunnel
	ruleMain    = 19910 // main, but for its default routes
	ruleTunnel  = 19920 // everything without our mark → the tunnel's table

	// lastMetric is that of the unreachable routes, below every other: when the tunnel's interface goes, and its routes
	// with it, nothing falls back to the main table.
	lastMetric = 1 << 30
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

// rules are those of a family.
func (c Config) rules(family int) []*netlink.Rule {
	rule := func(priority, table int) *netlink.Rule {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table, r.Protocol = family, priority, table, protocol
		return r
	}
	tunnel := rule(ruleTunnel, table)
	if c.OnlyPrograms {
		tunnel.Mark = markInside
		return []*netlink.Rule{tunnel}
	}
	mask := uint32(markMask)
	tunnel.Mark, tunnel.Mask, tunnel.Invert = markBase, &mask, true
	main := rule(ruleMain, unix.RT_TABLE_MAIN)
	main.SuppressPrefixlen = 0
	list := []*netlink.Rule{main, tunnel}
	for _, p := range c.Exclude {
		if familyOf(p.Addr()) == family {
			r := rule(ruleExclude, unix.RT_TABLE_MAIN)
			r.Dst = ipNet(p)
			list = append(list, r)
		}
	}
	return list
}

// addPolicy sends unmarked packets to the tunnel's table, where nothing is reachable yet.
func addPolicy(c Config) error {
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		for _, p := range c.throughTunnel(family) {
			r := &netlink.Route{
				Table: table, Protocol: protocol, Dst: ipNet(p), Type: unix.RTN_UNREACHABLE, Priority: lastMetric,
			}
			if err := netlink.RouteReplace(r); err != nil {
				return fmt.Errorf("add unreachable route to %v: %w", p, err)
			}
		}
		for _, r := range c.rules(family) {
			if err := netlink.RuleAdd(r); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("add routing rule %d: %w", r.Priority, err)
			}
		}
	}
	return nil
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
		for _, r := range rules {
			if r.Protocol != protocol || r.Priority < ruleExclude || r.Priority > ruleTunnel {
				continue
			}
			r.Family = family
			if err := netlink.RuleDel(&r); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("remove routing rule %d: %w", r.Priority, err)
			}
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes of the tunnel: %w", err)
		}
		for _, r := range routes {
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route to %v: %w", r.Dst, err)
			}
		}
	}
	return nil
}

// prepareLink gives the interface its addresses and takes it up. It returns its index.
func prepareLink(c Config, link Link) (int, error) {
	name := c.Interface
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	// The kernel would send multicast reports and router solicitations, which are paid for and which nobody answers.
	// Not every kernel has every setting.
	for setting, value := range map[string]string{
		"addr_gen_mode": "1", "accept_ra": "0", "router_solicitations": "0", "disable_ipv6": "0",
	} {
		_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", name, setting), []byte(value), 0o644)
	}
	if c.OnlyPrograms {
		// Names are asked of a resolver on loopback, and led into the tunnel from there. The firewall lets nothing come
		// in for loopback this way.
		path := filepath.Join("/proc/sys/net/ipv4/conf", name, "route_localnet")
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			return 0, fmt.Errorf("set interface %s: %w", name, err)
		}
	}
	if err := netlink.LinkSetMulticastOff(dev); err != nil {
		return 0, fmt.Errorf("set interface %s: %w", name, err)
	}
	if link.MTU != 0 {
		if err := netlink.LinkSetMTU(dev, link.MTU); err != nil {
			return 0, fmt.Errorf("set MTU %d of interface %s: %w", link.MTU, name, err)
		}
	}
	for _, a := range link.Addrs {
		if !hasFamily(familyOf(a)) {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen()))}
		if a.Is6() {
			addr.Flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
		}
		if err := netlink.AddrReplace(dev, addr); err != nil {
			return 0, fmt.Errorf("set address of interface %s: %w", name, err)
		}
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return 0, fmt.Errorf("take interface %s up: %w", name, err)
	}
	return dev.Attrs().Index, nil
}

// addRoutes leads into the tunnel. A family that the session has no address of stays unreachable.
func addRoutes(c Config, index int, link Link) error {
	for _, a := range link.Addrs {
		family := familyOf(a)
		if !hasFamily(family) {
			continue
		}
		prefixes := c.throughTunnel(family)
		if a.Is4() == link.DNS.Is4() && len(c.Include) > 0 {
			prefixes = append(prefixes, netip.PrefixFrom(link.DNS, link.DNS.BitLen()))
		}
		for _, p := range prefixes {
			r := &netlink.Route{LinkIndex: index, Table: table, Protocol: protocol, Dst: ipNet(p), Priority: 1}
			if a.Is4() {
				r.Scope = unix.RT_SCOPE_LINK
			}
			if err := netlink.RouteReplace(r); err != nil {
				return fmt.Errorf("add route to %v: %w", p, err)
			}
		}
	}
	return nil
}

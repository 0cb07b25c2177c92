package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
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

// What goes to a session is held back to its rate by a class of its own: the root of the interface's queue is a
// hierarchical token bucket (HTB), whose classes have the numbers of sessions; packets find theirs by the priority that
// the table's maps give them. An interface on which no session has a rate keeps the queue that it had.
const (
	htbRoot = 1 << 16 // its handle; classes are numbered within it

	// What waits in a class: queueTime at its rate, two joined packets at least.
	queueTime  = 100 // milliseconds
	leastQueue = 128 << 10
)

// Names of the maps from addresses to classes.
const class4, class6 = "class4", "class6"

// classes has packets to sessions find the classes of theirs.
func (b *builder) classes(chain *nftables.Chain) {
	for _, f := range families {
		name, key := class4, nftables.TypeIPAddr
		if f.proto == unix.NFPROTO_IPV6 {
			name, key = class6, nftables.TypeIP6Addr
		}
		m := b.set(nftables.Set{Name: name, IsMap: true, KeyType: key, DataType: nftables.TypeClassID}, nil)
		b.rule(chain, nfproto(f.proto), []expr.Any{
			f.dst(), &expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: m.Name, SetID: m.ID},
			&expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: 1},
		})
	}
}

// classify gives the packets to a session's addresses a class, or takes it from them.
func (t *table) classify(index uint16, class uint32, on bool) error {
	t.mu.Lock()
	if on {
		t.classes[index] = class
	} else {
		delete(t.classes, index)
	}
	t.mu.Unlock()
	err := t.change(false, func(c *nftables.Conn) error {
		if on {
			return t.addClass(c, index, class)
		}
		return t.eachClass(index, class, c.SetDeleteElements)
	})
	if err != nil {
		return fmt.Errorf("class of session %d: %w", index, err)
	}
	return nil
}

func (t *table) addClass(c *nftables.Conn, index uint16, class uint32) error {
	return t.eachClass(index, class, c.SetAddElements)
}

// eachClass changes the elements of both families.
func (t *table) eachClass(index uint16, class uint32, change func(*nftables.Set, []nftables.SetElement) error) error {
	v4, v6 := t.nets.Addrs(index)
	for name, addr := range map[string]netip.Addr{class4: v4, class6: v6} {
		elem := nftables.SetElement{Key: addr.AsSlice(), Val: binaryutil.NativeEndian.PutUint32(class)}
		if err := change(t.sets[name], []nftables.SetElement{elem}); err != nil {
			return fmt.Errorf("class of %v: %w", addr, err)
		}
	}
	return nil
}

// Shape holds what goes to the session of that index back to so many bytes a second; zero ends that. What is too much
// waits a while, so that a sender slows down, and is dropped in the end.
func (r *Router) Shape(index uint16, bytesPerSecond uint64) error {
	r.shapeMu.Lock()
	defer r.shapeMu.Unlock()
	select {
	case <-r.done:
		return nil // the interface is gone, with all that was on it
	default:
	}
	if bytesPerSecond == 0 && !r.shaped[index] {
		return nil
	}
	class := htbRoot | uint32(index)
	attrs := netlink.ClassAttrs{LinkIndex: r.link, Parent: htbRoot, Handle: class}
	if bytesPerSecond == 0 {
		delete(r.shaped, index)
		err := r.table.classify(index, class, false)
		return errors.Join(err, netlink.ClassDel(netlink.NewHtbClass(attrs, netlink.HtbClassAttrs{})))
	}
	if !r.htb {
		root := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: r.link, Handle: htbRoot, Parent: netlink.HANDLE_ROOT})
		if err := netlink.QdiscReplace(root); err != nil {
			return fmt.Errorf("queue of %s (htb): %w", r.name, err)
		}
		r.htb = true
	}
	quantum := uint32(min(max(bytesPerSecond/10, 1500), 200_000))
	if err := netlink.ClassReplace(netlink.NewHtbClass(attrs, netlink.HtbClassAttrs{
		Rate: 8 * bytesPerSecond, Quantum: quantum,
	})); err != nil {
		return fmt.Errorf("rate of a session: %w", err)
	}
	if err := setQueue(r.link, class, uint32(min(max(bytesPerSecond*queueTime/1000, leastQueue), 1<<30))); err != nil {
		return err
	}
	if r.shaped[index] {
		return nil
	}
	r.shaped[index] = true
	return r.table.classify(index, class, true)
}

// setQueue bounds what waits in a class, in bytes. The library knows every kind of queue but this plainest one.
func setQueue(link int, class, limit uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(link), Parent: class})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("bfifo")))
	req.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, binary.NativeEndian.AppendUint32(nil, limit)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("queue of a session (bfifo): %w", err)
	}
	return nil
}

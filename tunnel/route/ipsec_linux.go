package route

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's IPsec policies (ip-xfrm(8)) are asked about every packet once its way is known, those of sockets that are
// bound to a link among them, and broadcasts and multicasts, none of which routing rules can stop: where IPv4 finds no
// way for a bound socket, it takes the destination to be on the link. Nothing here is encrypted by them: some policies
// block, and others before them let pass. They outlive the daemon, cover links that come later, and neither
// `nft flush ruleset` nor `ip rule flush` touches them.
//
// Of IPv6 they are asked before the interface is known, so that they can't tell what goes into the tunnel. They stop its
// multicasts, and the rules stop the rest.

// ipsecIndex begins the range of indexes by which ours are known. The lowest three bits say the direction.
const ipsecIndex = 0x62770000

// Priorities: the first policy that fits decides.
const (
	ipsecOwn = 1 + iota
	ipsecNames
	ipsecOutside
	ipsecPast
	ipsecInside
	ipsecRest
)

var (
	multicast6 = netip.MustParsePrefix("ff00::/8")
	dhcp6      = netip.MustParsePrefix("ff02::1:2/128")
	onLink6    = netip.MustParsePrefix("ff02::/16")
)

// hasIPsec asks the kernel whether it knows such policies. Any other error than that it does not is one: what is there
// must be put up, and taken down again. Tests play a kernel without them.
var hasIPsec = func() (bool, error) {
	_, err := netlink.XfrmPolicyList(unix.AF_INET)
	for _, missing := range []error{unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, missing) {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("list ipsec policies: %w", err)
	}
	return true, nil
}

// halves of a family, or of what policies are asked about of it. They are never equal to what another program has for
// the whole.
func halves(family int) []netip.Prefix {
	if family == unix.AF_INET6 {
		return []netip.Prefix{multicast6}
	}
	return prefixes("0.0.0.0/1", "128.0.0.0/1")
}

// policies are those of a family.
func (p policy) policies(family int) []*netlink.XfrmPolicy {
	var list []*netlink.XfrmPolicy
	add := func(to netip.Prefix, priority int, action netlink.PolicyAction) *netlink.XfrmPolicy {
		x := &netlink.XfrmPolicy{
			Src: ipNet(defaults[family]), Dst: ipNet(to), Dir: netlink.XFRM_DIR_OUT, Priority: priority, Action: action,
			Index: ipsecIndex + len(list)<<3 + int(netlink.XFRM_DIR_OUT),
		}
		if family == unix.AF_INET6 {
			x.Index += 1 << 15
		}
		list = append(list, x)
		return x
	}
	marked := func(value uint32, priority int, action netlink.PolicyAction) {
		for _, to := range halves(family) {
			add(to, priority, action).Mark = &netlink.XfrmMark{Value: value, Mask: ^uint32(0)}
		}
	}
	const allow, block = netlink.XFRM_POLICY_ALLOW, netlink.XFRM_POLICY_BLOCK
	if p.cfg.OnlyPrograms {
		marked(markInside, ipsecRest, block)
		return list
	}
	marked(MarkUnderlay, ipsecOwn, allow)
	marked(markAnswer, ipsecOwn, allow)
	for _, to := range halves(family) {
		for _, proto := range []netlink.Proto{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			for _, port := range dnsPorts {
				x := add(to, ipsecNames, block)
				x.Proto, x.DstPort = proto, int(port)
			}
		}
	}
	marked(markOutside, ipsecOutside, allow)
	if family == unix.AF_INET {
		for _, to := range halves(family) {
			x := add(to, ipsecPast, allow)
			x.Proto, x.SrcPort, x.DstPort = unix.IPPROTO_UDP, 68, 67
		}
	} else {
		// A policy knows the type of an ICMP message by the name of the source port.
		for _, kind := range neighbourTypes {
			x := add(multicast6, ipsecOwn, allow)
			x.Proto, x.SrcPort = unix.IPPROTO_ICMPV6, int(kind)
		}
		for _, kind := range listenerTypes {
			x := add(onLink6, ipsecOwn, allow)
			x.Proto, x.SrcPort = unix.IPPROTO_ICMPV6, int(kind)
		}
		x := add(dhcp6, ipsecPast, allow)
		x.Proto, x.SrcPort, x.DstPort = unix.IPPROTO_UDP, 546, 547
	}
	seen := make(map[netip.Prefix]bool)
	once := func(to netip.Prefix, priority int, action netlink.PolicyAction) {
		if familyOf(to.Addr()) == family && !seen[to] && (family == unix.AF_INET || multicast6.Overlaps(to)) {
			seen[to] = true
			add(to, priority, action)
		}
	}
	for _, to := range p.cfg.Exclude {
		once(to, ipsecPast, allow)
	}
	if p.cfg.LAN {
		for _, to := range lanPrefixes {
			once(to, ipsecPast, allow)
		}
	}
	if p.split(family) {
		for _, to := range p.cfg.throughTunnel(family) {
			once(to, ipsecInside, block)
		}
		return list // the rest is the user's to reach as before
	}
	for _, to := range halves(family) {
		add(to, ipsecRest, block)
	}
	return list
}

func oursOfIPsec(x *netlink.XfrmPolicy) bool { return x.Index&^0xffff == ipsecIndex }

// selectorKey is what the kernel knows a policy by; no two have the same.
func selectorKey(x *netlink.XfrmPolicy) string {
	var mark netlink.XfrmMark
	if x.Mark != nil {
		mark = *x.Mark
	}
	to := []byte(x.Dst.IP) // every one of ours has one
	bits, _ := x.Dst.Mask.Size()
	// The library reads an IPv6 prefix that ends in zeros as one of IPv4. Families are listed apart.
	if v4 := x.Dst.IP.To4(); v4 != nil {
		to = v4
	} else if len(to) == 16 && [12]byte(to[4:]) == [12]byte{} {
		to = to[:4]
	}
	return fmt.Sprintf("%x/%d proto %d ports %d %d mark %x/%x", to, bits, x.Proto, x.SrcPort, x.DstPort, mark.Value, mark.Mask)
}

func listIPsec(family int) ([]netlink.XfrmPolicy, error) {
	all, err := netlink.XfrmPolicyList(family)
	if err != nil {
		return nil, fmt.Errorf("list ipsec policies: %w", err)
	}
	var list []netlink.XfrmPolicy
	for _, x := range all {
		if oursOfIPsec(&x) {
			list = append(list, x)
		}
	}
	return list, nil
}

// repairIPsec makes the policies of a family what they are to be. It reports how many were missing.
func (p policy) repairIPsec(family int) (missing int, err error) {
	if !p.ipsec {
		return 0, nil
	}
	list, err := listIPsec(family)
	if err != nil {
		return 0, err
	}
	have := make(map[string]*netlink.XfrmPolicy)
	for i := range list {
		have[selectorKey(&list[i])] = &list[i]
	}
	for _, x := range p.policies(family) {
		key := selectorKey(x)
		old := have[key]
		delete(have, key)
		switch {
		case old == nil:
			missing++
			err = netlink.XfrmPolicyAdd(x)
		case old.Priority != x.Priority || old.Action != x.Action:
			err = netlink.XfrmPolicyUpdate(x)
		}
		if err != nil {
			return missing, fmt.Errorf("add ipsec policy for %v: %w", x.Dst, err)
		}
	}
	for _, x := range have {
		if err := removeIPsec(x); err != nil {
			return missing, err
		}
	}
	return missing, nil
}

func removeIPsec(x *netlink.XfrmPolicy) error {
	if err := netlink.XfrmPolicyDel(x); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove ipsec policy for %v: %w", x.Dst, err)
	}
	return nil
}

// clearIPsec removes all of ours.
func clearIPsec() error {
	if has, err := hasIPsec(); !has || err != nil {
		return err
	}
	for _, family := range families {
		list, err := listIPsec(family)
		if err != nil {
			return err
		}
		for i := range list {
			if err := removeIPsec(&list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	netfilter "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flags of a table (linux/netfilter/nf_tables.h), which x/sys does not have.
const (
	tableOwned    = 0x2 // nobody but the socket that made it changes or removes it; since Linux 5.12
	tablePersists = 0x4 // it stays, for everybody again, when its owner's socket closes; since Linux 6.9
)

// kernelTable is our table in the kernel. Where the kernel can, it belongs to this process: `nft flush ruleset`, which
// reloading a system's firewall is, passes it by. Without the second flag the first would open the machine with the
// death of the daemon, so that it is both or none.
type kernelTable struct {
	conn  *nftables.Conn  // lasting: owning is by socket
	raw   *netfilter.Conn // the same socket, for what the library can't say
	owned bool

	chains, rules int // of the latest load
}

// canOwn is false in tests of what kernels before 6.9 do.
var canOwn = true

// openTable finds out whether the kernel lets a table be owned.
func openTable() (*kernelTable, error) {
	t := new(kernelTable)
	var err error
	t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netfilter.Conn) error {
		t.raw = c
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	if !canOwn {
		return t, nil
	}
	err = t.batch(newTable(probeName, tableOwned|tablePersists), dropTable(probeName))
	switch {
	case err == nil:
		t.owned = true
	case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL):
	default:
		return nil, errors.Join(fmt.Errorf("open nftables: %w", err), t.conn.CloseLasting())
	}
	return t, nil
}

// probeName is that of a table which is there for the length of a question.
const probeName = tableName + "-probe"

func (t *kernelTable) close() error {
	if err := t.conn.CloseLasting(); err != nil {
		return fmt.Errorf("close nftables: %w", err)
	}
	return nil
}

// flags of the table that is there; -1 where there is none.
func (t *kernelTable) flags() (int, error) {
	list, err := t.conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return 0, fmt.Errorf("list nftables: %w", err)
	}
	return flagsOf(list), nil
}

func flagsOf(list []*nftables.Table) int {
	for _, table := range list {
		if table.Name == tableName {
			return int(binary.BigEndian.Uint32(native(table.Flags)))
		}
	}
	return -1
}

// take makes the table ours: a new one, one that a killed daemon has left, or one of an older release, which knew
// nothing of owning; that one is empty for the moment until it is loaded.
func (t *kernelTable) take() error {
	if !t.owned {
		return nil
	}
	const ours = tableOwned | tablePersists
	now, err := t.flags()
	if err != nil {
		return err
	}
	switch {
	case now < 0:
		err = t.batch(newTable(tableName, ours))
	case now&ours == ours:
		return nil // of this socket: the lock of the state folder lets in one daemon
	case now&tablePersists != 0:
		err = t.batch(newTable(tableName, ours))
	default:
		err = t.batch(dropTable(tableName), newTable(tableName, ours))
	}
	if err != nil {
		return fmt.Errorf("take the kill switch's table: %w", err)
	}
	return nil
}

// stands reports whether the table is as it was loaded.
func (t *kernelTable) stands() (bool, error) {
	now, err := t.flags()
	if err != nil || now < 0 {
		return false, err
	}
	if t.owned {
		return now&tableOwned != 0, nil
	}
	chains, rules, err := t.count()
	return chains == t.chains && rules == t.rules, err
}

// count counts what is in the table.
func (t *kernelTable) count() (chains, rules int, err error) {
	list, err := t.chainList()
	if err != nil {
		return 0, 0, err
	}
	for _, c := range list {
		in, err := t.conn.GetRules(c.Table, c)
		if err != nil {
			return 0, 0, fmt.Errorf("list the kill switch: %w", err)
		}
		rules += len(in)
	}
	return len(list), rules, nil
}

func (t *kernelTable) chainList() ([]*nftables.Chain, error) {
	all, err := t.conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list the kill switch: %w", err)
	}
	var list []*nftables.Chain
	for _, c := range all {
		if c.Table.Name == tableName {
			list = append(list, c)
		}
	}
	return list, nil
}

// newTable and dropTable are messages of nftables' protocol; the library drops a table's flags.
func newTable(name string, flags uint32) netfilter.Message {
	return tableMessage(unix.NFT_MSG_NEWTABLE, netfilter.Create, []netfilter.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)},
	})
}

func dropTable(name string) netfilter.Message {
	return tableMessage(unix.NFT_MSG_DELTABLE, 0, []netfilter.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
	})
}

func tableMessage(kind int, flags netfilter.HeaderFlags, attrs []netfilter.Attribute) netfilter.Message {
	b, err := netfilter.MarshalAttributes(attrs)
	if err != nil { // an attribute of more than 64 KiB
		panic(err)
	}
	return netfilter.Message{
		Header: netfilter.Header{
			Type:  netfilter.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netfilter.Request | netfilter.Acknowledge | flags,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, b...),
	}
}

// batch does all of some messages, or none.
func (t *kernelTable) batch(messages ...netfilter.Message) error {
	edge := func(kind netfilter.HeaderType) netfilter.Message {
		return netfilter.Message{
			Header: netfilter.Header{Type: kind, Flags: netfilter.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
		}
	}
	all := append([]netfilter.Message{edge(unix.NFNL_MSG_BATCH_BEGIN)}, messages...)
	if _, err := t.raw.SendMessages(append(all, edge(unix.NFNL_MSG_BATCH_END))); err != nil {
		return err
	}
	var errs error
	for range messages {
		_, err := t.raw.Receive()
		errs = errors.Join(errs, err)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOBUFS) { // the kernel's only answer
			break
		}
	}
	return errs
}

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
		return append(list, p.portal(family)...) // the rest is the user's to reach as before
	}
	for _, to := range halves(family) {
		add(to, ipsecRest, block)
	}
	return append(list, p.portal(family)...)
}

// portal are the policies of a family that let portal programs pass, and expire. Their indexes are none of the others',
// which stay.
func (p policy) portal(family int) []*netlink.XfrmPolicy {
	if p.hole == 0 || family != unix.AF_INET {
		return nil
	}
	var list []*netlink.XfrmPolicy
	for i, to := range halves(family) {
		list = append(list, &netlink.XfrmPolicy{
			Src: ipNet(defaults[family]), Dst: ipNet(to), Dir: netlink.XFRM_DIR_OUT, Priority: ipsecOwn, Action: netlink.XFRM_POLICY_ALLOW,
			Index: ipsecIndex + (firstPortal+i)<<3 + int(netlink.XFRM_DIR_OUT),
			Mark:  &netlink.XfrmMark{Value: markPortal, Mask: ^uint32(0)},
		})
	}
	return list
}

// firstPortal is the place of the first policy for a captive portal. The others are some fifty, and one for each prefix.
const firstPortal = 2048

func oursOfIPsec(x *netlink.XfrmPolicy) bool { return x.Index&^0xffff == ipsecIndex }

// selectorKey names a policy as the kernel does; no two have the same.
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
		case old == nil && x.Mark != nil && x.Mark.Value == markPortal:
			err = addExpiring(x, p.hole)
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

// addExpiring adds a policy of IPv4 that the kernel removes by itself, which the library can't ask for.
func addExpiring(x *netlink.XfrmPolicy, after time.Duration) error {
	const inf = nl.XFRM_INF
	m := &nl.XfrmUserpolicyInfo{
		Priority: uint32(x.Priority), Index: uint32(x.Index), Dir: uint8(x.Dir), Action: uint8(x.Action),
		Lft: nl.XfrmLifetimeCfg{
			SoftByteLimit: inf, HardByteLimit: inf, SoftPacketLimit: inf, HardPacketLimit: inf,
			HardAddExpiresSeconds: uint64(max(1, (after+time.Second-1)/time.Second)),
		},
	}
	m.Sel.Family = unix.AF_INET
	m.Sel.Daddr.FromIP(x.Dst.IP)
	m.Sel.Saddr.FromIP(x.Src.IP)
	to, _ := x.Dst.Mask.Size()
	from, _ := x.Src.Mask.Size()
	m.Sel.PrefixlenD, m.Sel.PrefixlenS = uint8(to), uint8(from)
	request := nl.NewNetlinkRequest(nl.XFRM_MSG_NEWPOLICY, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	request.AddData(m)
	request.AddData(nl.NewRtAttr(nl.XFRMA_MARK, append(native(x.Mark.Value), native(x.Mark.Mask)...)))
	_, err := request.Execute(unix.NETLINK_XFRM, 0)
	return err
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

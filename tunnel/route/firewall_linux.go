package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName of our table in the inet family.
const tableName = "byway-route"

// lanPrefixes are the private, link-local and multicast ranges of a local network.
var lanPrefixes = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "224.0.0.0/24", "239.0.0.0/8",
	"255.255.255.255/32", "fc00::/7", "fe80::/10", "ff02::/16", "ff05::/16",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// firewall is the table that Config asks for. Of a session it knows the inner addresses alone.
type firewall struct {
	cfg    Config
	groups groups
	link   *Link         // nil: no session
	hole   *Hole         // for a captive portal; nil: there is none
	left   time.Duration // until it closes
	in     *kernelTable

	conn  *nftables.Conn
	table *nftables.Table
}

func (r *Routes) firewall(link *Link) *firewall {
	f := &firewall{cfg: r.cfg, groups: r.groups, link: link, in: r.table}
	if left := r.holeLeft(); left > 0 {
		f.hole, f.left = r.state.Hole, left
	}
	return f
}

// match is a part of a rule.
type match []expr.Any

// load replaces what is in the table in one transaction: there is no moment without it.
func (f *firewall) load() error {
	t := f.in
	if err := t.take(); err != nil {
		return err
	}
	f.conn, f.table = t.conn, &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	if t.owned {
		// The table itself stays: the library would make another one, without its flags.
		old, err := t.chainList()
		if err != nil {
			return err
		}
		f.conn.FlushTable(f.table)
		for _, c := range old {
			f.conn.DelChain(c)
		}
	} else {
		now, err := t.flags()
		if err != nil {
			return err
		}
		if now <= 0 { // adding first makes deleting work where there was none
			f.conn.AddTable(f.table)
		}
		f.conn.DelTable(f.table)
		f.conn.AddTable(f.table)
	}
	t.chains, t.rules = 0, 0
	f.arrivals()
	f.marks()
	f.addresses()
	if f.cfg.OnlyPrograms {
		f.closePrograms()
	} else if err := f.closeMachine(); err != nil {
		return err
	}
	if err := f.conn.Flush(); err != nil {
		return fmt.Errorf("load kill switch: %w", err)
	}
	return nil
}

// unloadFirewall removes the table if it is there, and nobody owns it.
func unloadFirewall() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	conn.DelTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("lift kill switch: %w", err)
	}
	return nil
}

// arrivals lets answers come out of the tunnel, and nothing else: answers to what this machine or its guests have asked
// for, at the inner addresses, which is where every answer goes before the guests' addresses are put back. An exit is a
// stranger. It is not to reach the machine's programs, its LAN or its guests, whatever is excepted on the way out, and it
// gets no echo either: a machine that answers strangers can be told from others.
//
// A packet belongs to a connection's answers where it goes against the direction of its first packet. What is merely
// related, as a helper's expectation is, would be a connection that the exit opens.
func (f *firewall) arrivals() {
	from := iif(f.cfg.Interface, expr.CmpOpEq)
	raw := f.base("spoofed", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, true)
	inner := f.chain("inner")
	if f.link != nil {
		for _, a := range f.link.Addrs {
			whole := netip.PrefixFrom(a, a.BitLen())
			f.add(inner, daddr(whole), back)
			// What comes for an inner address by another way than the tunnel (CVE-2019-14899). The machine's own packets come
			// by loopback. Their sources say nothing: of IPv6, the kernel takes its own addresses from anybody.
			f.add(raw, iif(f.cfg.Interface, expr.CmpOpNeq), iif("lo", expr.CmpOpNeq), daddr(whole), drop)
		}
		// Nor is there an answer by the tunnel from the machine itself, to a connection between programs of its own.
		f.add(raw, from, match{
			&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagSADDR: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(unix.RTN_LOCAL)},
		}, drop)
	}
	f.add(inner, drop)
	f.add(raw, from, jump("inner"))

	in := f.base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, prio(-200), true)
	f.add(in, from, answers(), accept)
	f.add(in, from, drop)
	through := f.base("through", nftables.ChainTypeFilter, nftables.ChainHookForward, prio(-200), true)
	f.add(through, from, answers(), accept)
	f.add(through, from, drop)

	// The mark is what the routing rules let pass from the tunnel to a guest: without this table they let nothing. With a
	// tunnel for single programs, it is what the reverse path check finds the tunnel by.
	as := uint32(markAnswer)
	if f.cfg.OnlyPrograms {
		as = markInside
	}
	mangle := f.base("answers", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle, true)
	f.add(mangle, from, answers(), mark(as))
}

// marks keeps our marks on the answers to marked packets, so that a strict reverse path check finds the way they came,
// and marks the packets of programs on a side of their own.
func (f *firewall) marks() {
	pre := f.base("mark-in", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle, true)
	f.add(pre, iif(f.cfg.Interface, expr.CmpOpNeq), match{&expr.Ct{Key: expr.CtKeyMARK, Register: 1}}, masked32(markMask, markBase),
		match{&expr.Ct{Key: expr.CtKeyMARK, Register: 1}, setMeta(expr.MetaKeyMARK)})
	post := f.base("mark-out", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, nftables.ChainPriorityMangle, true)
	f.add(post, ours(), match{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	})
	if f.groups == (groups{}) {
		return
	}
	sides := f.base("programs", nftables.ChainTypeRoute, nftables.ChainHookOutput, nftables.ChainPriorityMangle, true)
	if f.groups.portal != 0 {
		f.add(sides, unmarked(), inGroup(f.groups.portal), oif("lo", expr.CmpOpNeq), mark(markPortal))
		f.add(sides, equal32(expr.MetaKeyMARK, markPortal), accept)
	}
	if f.groups.outside != 0 {
		// The names of these programs too are resolved through the tunnel: they are asked of an address within it.
		for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			f.add(sides, l4(proto), port(dstPort, 53), accept)
		}
		f.add(sides, oif("lo", expr.CmpOpEq), accept)
		f.add(sides, unmarked(), inGroup(f.groups.outside), mark(markOutside))
	}
	if f.groups.inside != 0 {
		f.add(sides, unmarked(), inGroup(f.groups.inside), mark(markInside))
	}
}

// addresses gives packets whose way was changed after their source was chosen a source that belongs to the new way.
func (f *firewall) addresses() {
	nat := f.base("source", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, true)
	f.add(nat, equal32(expr.MetaKeyMARK, markOutside), oif(f.cfg.Interface, expr.CmpOpNeq), match{&expr.Masq{}})
	f.add(nat, equal32(expr.MetaKeyMARK, markPortal), oif(f.cfg.Interface, expr.CmpOpNeq), match{&expr.Masq{}})
	f.portalNames()
	if f.link == nil {
		return
	}
	for _, a := range f.link.Addrs {
		f.add(nat, oif(f.cfg.Interface, expr.CmpOpEq), family(a), saddrNot(a), match{&expr.Masq{}})
	}
	if !f.cfg.OnlyPrograms {
		return
	}
	// The machine's own resolver is not to hear of these programs' names.
	dnat := f.base("names", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, true)
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		f.add(dnat, equal32(expr.MetaKeyMARK, markInside), family(f.link.DNS), l4(proto), port(dstPort, 53), match{
			&expr.Immediate{Register: 1, Data: f.link.DNS.AsSlice()},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(nfproto(f.link.DNS)), RegAddrMin: 1, RegAddrMax: 1},
		})
	}
}

// closeMachine lets out what may leave, and nothing else.
func (f *firewall) closeMachine() error {
	allowed := f.chain("allowed")
	f.add(allowed, oif("lo", expr.CmpOpEq), accept)
	f.add(allowed, oif(f.cfg.Interface, expr.CmpOpEq), accept)
	f.add(allowed, equal32(expr.MetaKeyMARK, MarkUnderlay), accept)
	if err := f.portal(allowed); err != nil {
		return err
	}
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		for _, p := range dnsPorts {
			f.add(allowed, l4(proto), port(dstPort, p), back)
		}
	}
	f.add(allowed, equal32(expr.MetaKeyMARK, markOutside), accept)
	for _, p := range f.cfg.Exclude {
		f.add(allowed, daddr(p), accept)
	}
	f.link4(allowed)
	f.link6(allowed)
	if f.cfg.LAN {
		for _, p := range lanPrefixes {
			f.add(allowed, daddr(p), accept)
		}
	}
	if len(f.cfg.Include) > 0 {
		for _, fam := range families {
			for _, p := range f.cfg.throughTunnel(fam) {
				f.add(allowed, daddr(p), back)
			}
		}
		f.add(allowed, accept)
	}

	// The chains for output and forwarding see packets before a change of mark has led them elsewhere, and can tell a
	// program that it was refused. The one after routing sees where each packet really leaves, and has the last word.
	out := f.base("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, prio(200), false)
	names := f.resolvers()
	names(out)
	f.add(out, jump("allowed"))
	f.refuse(out)
	// What containers and other guests of this machine have asked for through the tunnel comes back to them.
	answered := append(iif(f.cfg.Interface, expr.CmpOpEq), answers()...)
	forward := f.base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, prio(200), false)
	f.add(forward, answered, accept)
	names(forward)
	f.add(forward, jump("allowed"))
	f.refuse(forward)
	last := f.base("leave", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, prio(200), false)
	f.add(last, answered, accept)
	f.add(last, jump("allowed"))
	return nil
}

// resolvers makes a chain that refuses to ask for names what is reached past the tunnel otherwise: the exit is not to be
// asked in its stead. What it returns sends questions there.
func (f *firewall) resolvers() (ask func(*nftables.Chain)) {
	past := slices.Clone(f.cfg.Exclude)
	if f.cfg.LAN {
		past = append(past, lanPrefixes...)
	}
	if len(past) == 0 {
		return func(*nftables.Chain) {}
	}
	c := f.chain("resolvers")
	if f.link != nil {
		f.add(c, daddr(netip.PrefixFrom(f.link.DNS, f.link.DNS.BitLen())), back)
	}
	f.add(c, oif("lo", expr.CmpOpEq), back)
	f.add(c, equal32(expr.MetaKeyMARK, MarkUnderlay), back)
	for _, p := range past {
		f.add(c, daddr(p), l4(unix.IPPROTO_TCP), match{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
		f.add(c, daddr(p), match{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}})
	}
	return func(from *nftables.Chain) {
		for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			for _, p := range dnsPorts {
				f.add(from, l4(proto), port(dstPort, p), jump(c.Name))
			}
		}
	}
}

// closePrograms lets programs inside out through the tunnel alone, and does not mind others.
func (f *firewall) closePrograms() {
	last := f.base("leave", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, prio(200), true)
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		// A resolver on loopback that their names could not be led away from.
		f.add(last, equal32(expr.MetaKeyMARK, markInside), oif("lo", expr.CmpOpEq), l4(proto), port(dstPort, 53), drop)
	}
	f.add(last, oif("lo", expr.CmpOpEq), accept)
	f.add(last, oif(f.cfg.Interface, expr.CmpOpEq), accept)
	f.add(last, equal32(expr.MetaKeyMARK, markInside), drop)
}

// refuse answers what is about to be dropped, so that programs need not wait for a timeout.
func (f *firewall) refuse(c *nftables.Chain) {
	f.add(c, l4(unix.IPPROTO_TCP), match{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	f.add(c, match{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}})
}

// link4 lets DHCP keep the link's address (RFC 2131).
func (f *firewall) link4(c *nftables.Chain) {
	f.add(c, family(netip.IPv4Unspecified()), l4(unix.IPPROTO_UDP), port(srcPort, 68), port(dstPort, 67), accept)
}

// ICMPv6 types that a link needs, and the hop limits that keep them on it (RFC 4861, RFC 3810).
var (
	neighbourTypes = []byte{133, 135, 136}
	listenerTypes  = []byte{131, 132, 143}
)

// maxNeighbour is the length in bytes of a neighbour solicitation with both options that Linux sends; a longer one carries
// something else.
const maxNeighbour = 40 + 24 + 8 + 8

// link6 lets neighbour and router discovery, multicast listener reports and DHCPv6 (RFC 8415) keep the link alive.
func (f *firewall) link6(c *nftables.Chain) {
	v6 := family(netip.IPv6Unspecified())
	for _, t := range neighbourTypes {
		f.add(c, v6, l4(unix.IPPROTO_ICMPV6), transportByte(0, t), hopLimit(255), shorter(maxNeighbour), accept)
	}
	for _, t := range listenerTypes {
		f.add(c, daddr(netip.MustParsePrefix("ff02::/16")), l4(unix.IPPROTO_ICMPV6), transportByte(0, t), hopLimit(1), accept)
	}
	for _, to := range prefixes("fe80::/10", "ff02::1:2/128") {
		f.add(c, daddr(to), l4(unix.IPPROTO_UDP), port(srcPort, 546), port(dstPort, 547), accept)
	}
}

func (f *firewall) base(
	name string, kind nftables.ChainType, hook *nftables.ChainHook, at *nftables.ChainPriority, open bool,
) *nftables.Chain {
	policy := nftables.ChainPolicyDrop
	if open {
		policy = nftables.ChainPolicyAccept
	}
	f.in.chains++
	return f.conn.AddChain(&nftables.Chain{
		Name: name, Table: f.table, Type: kind, Hooknum: hook, Priority: at, Policy: &policy,
	})
}

// chain is one that others jump to.
func (f *firewall) chain(name string) *nftables.Chain {
	f.in.chains++
	return f.conn.AddChain(&nftables.Chain{Name: name, Table: f.table})
}

func (f *firewall) add(c *nftables.Chain, parts ...match) {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	f.in.rules++
	f.conn.AddRule(&nftables.Rule{Table: f.table, Chain: c, Exprs: all})
}

func prio(n int32) *nftables.ChainPriority {
	return nftables.ChainPriorityRef(nftables.ChainPriority(n))
}

// The verdicts.
var (
	accept = match{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop   = match{&expr.Verdict{Kind: expr.VerdictDrop}}
	back   = match{&expr.Verdict{Kind: expr.VerdictReturn}}
)

func jump(chain string) match { return match{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}} }

func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func equal32(key expr.MetaKey, value uint32) match {
	return match{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(value)},
	}
}

// masked32 compares some bits of register 1.
func masked32(mask, value uint32) match {
	return match{
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(mask), Xor: native(0)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(value)},
	}
}

// ours matches packets with any mark of ours.
func ours() match {
	return append(match{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}}, masked32(markMask, markBase)...)
}

// answers matches what answers a connection that went the other way before, errors about it included.
func answers() match {
	return match{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 4, Xor: native(0),
			Mask: native(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: native(0)},
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}}, // IP_CT_DIR_REPLY
	}
}

func unmarked() match { return equal32(expr.MetaKeyMARK, 0) }

func setMeta(key expr.MetaKey) expr.Any {
	return &expr.Meta{Key: key, Register: 1, SourceRegister: true}
}

func mark(value uint32) match {
	return match{&expr.Immediate{Register: 1, Data: native(value)}, setMeta(expr.MetaKeyMARK)}
}

func ifname(key expr.MetaKey, name string, op expr.CmpOp) match {
	var b [16]byte
	copy(b[:], name)
	return match{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: b[:]}}
}

func oif(name string, op expr.CmpOp) match { return ifname(expr.MetaKeyOIFNAME, name, op) }
func iif(name string, op expr.CmpOp) match { return ifname(expr.MetaKeyIIFNAME, name, op) }

func nfproto(a netip.Addr) byte {
	if a.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

func family(a netip.Addr) match {
	return match{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{nfproto(a)}},
	}
}

func l4(proto byte) match {
	return match{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
	}
}

// Where the ports stand in the headers of TCP and UDP.
const (
	srcPort = 0
	dstPort = 2
)

func port(offset uint32, n uint16) match {
	return match{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, n)},
	}
}

func transportByte(offset uint32, b byte) match {
	return match{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{b}},
	}
}

// hopLimit matches that of an IPv6 header.
func hopLimit(n byte) match {
	return match{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 7, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{n}},
	}
}

// shorter matches packets of n bytes at most.
func shorter(n uint32) match {
	return match{
		&expr.Meta{Key: expr.MetaKeyLEN, Register: 1},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binary.BigEndian.AppendUint32(nil, n)},
	}
}

func daddr(p netip.Prefix) match {
	a := p.Addr()
	offset, size := uint32(16), uint32(4)
	if a.Is6() {
		offset, size = 24, 16
	}
	bits := ipNet(p).Mask
	m := append(family(a), &expr.Payload{
		DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size,
	})
	if p.Bits() < a.BitLen() {
		m = append(m, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: bits, Xor: make([]byte, size)})
	}
	return append(m, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()})
}

func saddrNot(a netip.Addr) match {
	offset := uint32(12)
	if a.Is6() {
		offset = 8
	}
	return match{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(a.BitLen() / 8)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: a.AsSlice()},
	}
}

// inGroup matches packets of sockets that were opened in a control group below the root of the hierarchy.
func inGroup(id uint64) match {
	return match{
		&expr.Socket{Key: expr.SocketKeyCgroupv2, Level: 1, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint64(nil, id)},
	}
}

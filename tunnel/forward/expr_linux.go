package forward

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Rules are written as lists of expressions; each of these functions is one condition or one act of the nft language.
// Register 1 is the only one in use.

func join(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

func load(what expr.Any, then []expr.Any) []expr.Any { return append([]expr.Any{what}, then...) }

func is(op expr.CmpOp, data ...byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: op, Register: 1, Data: data}}
}

func in(s *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID}}
}

func notIn(s *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID, Invert: true}}
}

func ifname(name string) []byte {
	b := make([]byte, 16)
	copy(b, name)
	return b
}

func iifIs(name string) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, is(expr.CmpOpEq, ifname(name)...))
}

func oifIs(name string) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, is(expr.CmpOpEq, ifname(name)...))
}

func iifPrefix(op expr.CmpOp, prefix string) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, is(op, []byte(prefix)...))
}

func oifPrefix(op expr.CmpOp, prefix string) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, is(op, []byte(prefix)...))
}

func nfproto(family byte) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, is(expr.CmpOpEq, family))
}

func l4proto(proto byte) []expr.Any {
	return load(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, is(expr.CmpOpEq, proto))
}

func network(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

func transport(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

func mask(bits ...byte) expr.Any {
	return &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(bits)), Mask: bits, Xor: make([]byte, len(bits))}
}

// Where the addresses stand in the IP headers (RFC 791, RFC 8200).
func src4() expr.Any { return network(12, 4) }
func dst4() expr.Any { return network(16, 4) }
func src6() expr.Any { return network(8, 16) }
func dst6() expr.Any { return network(24, 16) }

func addrIs(what expr.Any, a netip.Addr) []expr.Any {
	return load(what, is(expr.CmpOpEq, a.AsSlice()...))
}

// addrIn compares with a prefix, whole bytes long.
func addrIn(what expr.Any, op expr.CmpOp, p netip.Prefix) []expr.Any {
	what.(*expr.Payload).Len = uint32(p.Bits() / 8)
	return load(what, is(op, p.Addr().AsSlice()[:p.Bits()/8]...))
}

func ctState(bits uint32) []expr.Any { return ctBits(expr.CtKeySTATE, bits) }

// passed holds for connections whose first packet has gone through.
func passed() []expr.Any {
	const confirmed = 1 << 3 // IPS_CONFIRMED
	return ctBits(expr.CtKeySTATUS, confirmed)
}

func ctBits(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Register: 1, Key: key}, mask(binaryutil.NativeEndian.PutUint32(bits)...),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// each keeps a limit for every key of a dynamic set.
func each(key expr.Any, s *nftables.Set, op uint32, limit expr.Any) []expr.Any {
	return []expr.Any{
		key, &expr.Dynset{SrcRegKey: 1, SetName: s.Name, SetID: s.ID, Operation: op, Exprs: []expr.Any{limit}},
	}
}

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func drop() []expr.Any             { return verdict(expr.VerdictDrop, "") }
func accept() []expr.Any           { return verdict(expr.VerdictAccept, "") }
func jump(chain string) []expr.Any { return verdict(expr.VerdictJump, chain) }
func goTo(chain string) []expr.Any { return verdict(expr.VerdictGoto, chain) }

// Rejections. The codes of "icmpx" stand for both families.
func reset() []expr.Any { return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}} }
func prohibited() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
}

// builder makes a table in one transaction.
type builder struct {
	*table
	c     *nftables.Conn
	ports []uint16
	err   error
}

func (b *builder) set(s nftables.Set, elems []nftables.SetElement) *nftables.Set {
	s.Table = b.t
	if err := b.c.AddSet(&s, elems); err != nil && b.err == nil {
		b.err = fmt.Errorf("set %s: %w", s.Name, err)
	}
	b.sets[s.Name] = &s
	return &s
}

func (b *builder) addrs(name string, v6 bool, ranges []Range) *nftables.Set {
	key := nftables.TypeIPAddr
	if v6 {
		key = nftables.TypeIP6Addr
	}
	return b.set(nftables.Set{Name: name, KeyType: key, Interval: true}, intervals(ranges, v6))
}

// intervals are the elements of a set of ranges: where each begins, and the first address behind it.
func intervals(ranges []Range, v6 bool) []nftables.SetElement {
	var list []nftables.SetElement
	for _, r := range ranges {
		if r.First.Is6() != v6 {
			continue
		}
		list = append(list, nftables.SetElement{Key: r.First.AsSlice()})
		if end := r.Last.Next(); end.IsValid() {
			list = append(list, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return list
}

func single(addrs []netip.Addr) []Range {
	var list []Range
	for _, a := range addrs {
		list = append(list, Range{a, a})
	}
	return list
}

// perSession makes a set for limits of sessions, by index, so that both families of a session share them.
func (b *builder) perSession(name string, size uint32, timeout time.Duration) *nftables.Set {
	return b.set(nftables.Set{
		Name: name, KeyType: nftables.TypeInetService, Dynamic: true, Size: size,
		HasTimeout: timeout > 0, Timeout: timeout,
	}, nil)
}

func (b *builder) chain(name string) *nftables.Chain {
	return b.c.AddChain(&nftables.Chain{Name: name, Table: b.t})
}

func (b *builder) base(name string, kind nftables.ChainType, hook *nftables.ChainHook, p *nftables.ChainPriority) *nftables.Chain {
	return b.c.AddChain(&nftables.Chain{Name: name, Table: b.t, Type: kind, Hooknum: hook, Priority: p})
}

func (b *builder) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	b.c.AddRule(&nftables.Rule{Table: b.t, Chain: chain, Exprs: join(parts...)})
}

// families are the two sides of every rule about addresses.
var families = []struct {
	proto    byte
	src, dst func() expr.Any
	index    uint32 // where a source address ends with the index of its session
}{
	{unix.NFPROTO_IPV4, src4, dst4, 14},
	{unix.NFPROTO_IPV6, src6, dst6, 22},
}

func (b *builder) build(cfg Config) error {
	b.refuse()
	b.sessions(cfg)
	b.answers()
	b.input(cfg)
	forward := b.base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	b.rule(forward, iifIs(b.name), jump("sessions"))
	b.rule(forward, oifIs(b.name), jump("answers"))
	b.srcnat()
	b.raw()
	return b.err
}

// refuse ends a packet whose destination is closed.
func (b *builder) refuse() {
	told := b.perSession("told", 1<<16-1, remembered)
	chain := b.chain("refuse")
	for _, f := range families {
		b.rule(chain, nfproto(f.proto), l4proto(unix.IPPROTO_TCP), each(network(f.index, 2), told, unix.NFT_DYNSET_OP_UPDATE,
			&expr.Limit{Type: expr.LimitTypePkts, Rate: reasons, Unit: expr.LimitTimeSecond, Burst: reasonsBurst}), prohibited())
	}
	b.rule(chain, l4proto(unix.IPPROTO_TCP), reset())
	b.rule(chain, prohibited())
}

// closedPorts sends closed ports, and the port that is none, to refuse.
func (b *builder) closedPorts(chain *nftables.Chain) {
	for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		for _, port := range append([]uint16{0}, b.ports...) {
			b.rule(chain, l4proto(proto), load(transport(2, 2), is(expr.CmpOpEq, byte(port>>8), byte(port))), goTo("refuse"))
		}
	}
}

// begins drops what cannot be the first packet of a connection that an exit forwards: TCP other than a SYN, ICMP other
// than an echo request, and other protocols.
func (b *builder) begins(chain *nftables.Chain) {
	const flags, syn = 0x17, 0x02 // FIN, SYN, RST, ACK
	b.rule(chain, l4proto(unix.IPPROTO_TCP), []expr.Any{transport(13, 1), mask(flags)}, is(expr.CmpOpNeq, syn), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), l4proto(unix.IPPROTO_ICMP), load(transport(0, 1), is(expr.CmpOpNeq, 8)), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), l4proto(unix.IPPROTO_ICMPV6), load(transport(0, 1), is(expr.CmpOpNeq, 128)), drop())
	kinds := b.set(nftables.Set{Name: "protocols", KeyType: nftables.TypeInetProto}, []nftables.SetElement{
		{Key: []byte{unix.IPPROTO_TCP}}, {Key: []byte{unix.IPPROTO_UDP}}, {Key: []byte{unix.IPPROTO_ICMP}},
		{Key: []byte{unix.IPPROTO_ICMPV6}},
	})
	b.rule(chain, load(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, notIn(kinds)), drop())
}

// sessions decides about packets that come from sessions.
func (b *builder) sessions(cfg Config) {
	chain := b.chain("sessions")
	b.rule(chain, oifPrefix(expr.CmpOpEq, ifPrefix), drop())
	b.rule(chain, passed(), accept())
	b.rule(chain, ctState(expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), addrIn(src4(), expr.CmpOpNeq, b.nets.V4), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), addrIn(src6(), expr.CmpOpNeq, b.nets.V6), drop())
	b.begins(chain)

	// The policy.
	r := cfg.Rules
	for _, f := range families {
		six := f.proto == unix.NFPROTO_IPV6
		suffix, ownSet := "4", own4
		if six {
			suffix, ownSet = "6", own6
		}
		b.rule(chain, nfproto(f.proto), load(f.dst(), in(b.addrs("closed"+suffix, six, r.Closed))), goTo("refuse"))
		b.rule(chain, nfproto(f.proto), load(f.dst(), in(b.addrs(ownSet, six, r.Own))), goTo("refuse"))
	}
	b.isatap(chain, r)
	b.chain(translated)
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), jump(translated))
	b.translated(b.c, r.Translated)
	b.closedPorts(chain)

	// The limits of the session. Only the first packet of a connection comes this far.
	b.limits(chain, cfg)
}

// isatap closes addresses that end with 0000:5efe or 0200:5efe and a closed IPv4 address, under any prefix.
func (b *builder) isatap(chain *nftables.Chain, r Rules) {
	const marker, carried = 24 + 8, 24 + 12
	open := b.addrs("open6", true, r.Open)
	closed := b.addrs("embedded4", false, r.Embedded)
	carriedBy := b.addrs(carried4, false, r.Carried)
	for _, set := range []*nftables.Set{closed, carriedBy} {
		b.rule(chain, nfproto(unix.NFPROTO_IPV6), load(dst6(), notIn(open)),
			[]expr.Any{network(marker, 4), mask(0xfd, 0xff, 0xff, 0xff)}, is(expr.CmpOpEq, 0x00, 0x00, 0x5e, 0xfe),
			load(network(carried, 4), in(set)), goTo("refuse"))
	}
}

// shape prepares a connection that is let through: TCP learns the size of segments that fit all the way, and how long
// it may rest.
func (b *builder) shape(chain *nftables.Chain) {
	const maxSegment = 2
	b.rule(chain, l4proto(unix.IPPROTO_TCP), []expr.Any{
		&expr.Rt{Register: 1, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: 1, Type: maxSegment, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	})
	for _, f := range []struct {
		proto byte
		l3    uint16
		name  string
	}{{unix.NFPROTO_IPV4, unix.NFPROTO_IPV4, "tcp4"}, {unix.NFPROTO_IPV6, unix.NFPROTO_IPV6, "tcp6"}} {
		b.c.AddObj(&nftables.NamedObj{
			Table: b.t, Name: f.name, Type: nftables.ObjTypeCtTimeout,
			Obj: &expr.CtTimeout{L3Proto: f.l3, L4Proto: unix.IPPROTO_TCP, Policy: expr.CtStatePolicyTimeout{
				expr.CtStateTCPESTABLISHED: establishedTimeout,
			}},
		})
		b.rule(chain, nfproto(f.proto), l4proto(unix.IPPROTO_TCP),
			[]expr.Any{&expr.Objref{Type: int(nftables.ObjTypeCtTimeout), Name: f.name}})
	}
}

// answers decides about packets that go to sessions.
func (b *builder) answers() {
	chain := b.chain("answers")
	b.classes(chain)
	b.rule(chain, ctState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	b.rule(chain, drop())
}

// input decides about packets of sessions that are for the host itself.
func (b *builder) input(cfg Config) {
	// Addresses of the host that the policy opens by name: its closed ports stay closed there.
	serve := b.chain("serve")
	b.closedPorts(serve)
	b.rule(serve, accept())

	host := b.chain("host")
	b.rule(host, ctState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	b.rule(host, ctState(expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), drop())
	b.begins(host)
	v4, v6 := b.nets.Addrs(1)
	for _, f := range families {
		dst, echo, icmp := addrIs(f.dst(), v4), byte(8), byte(unix.IPPROTO_ICMP)
		served := b.addrs(served4, false, single(cfg.Rules.Served))
		if f.proto == unix.NFPROTO_IPV6 {
			dst, echo, icmp = addrIs(f.dst(), v6), 128, unix.IPPROTO_ICMPV6
			served = b.addrs(served6, true, single(cfg.Rules.Served))
		}
		for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			b.rule(host, nfproto(f.proto), dst, l4proto(proto), load(transport(2, 2), is(expr.CmpOpEq, 0, dnsPort)), accept())
		}
		b.rule(host, nfproto(f.proto), dst, l4proto(icmp), load(transport(0, 1), is(expr.CmpOpEq, echo)), accept())
		b.rule(host, nfproto(f.proto), load(f.dst(), in(served)), jump("serve"))
	}
	b.rule(host, goTo("refuse"))
	input := b.base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	b.rule(input, iifIs(b.name), jump("host"))
}

// srcnat gives packets of sessions the host's address.
func (b *builder) srcnat() {
	chain := b.base("srcnat", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	b.rule(chain, oifPrefix(expr.CmpOpNeq, ifPrefix), nfproto(unix.NFPROTO_IPV4),
		addrIn(src4(), expr.CmpOpEq, b.nets.V4), []expr.Any{&expr.Masq{}})
	b.rule(chain, oifPrefix(expr.CmpOpNeq, ifPrefix), nfproto(unix.NFPROTO_IPV6),
		addrIn(src6(), expr.CmpOpEq, b.nets.V6), []expr.Any{&expr.Masq{}})
}

// raw drops initiations of a source that sends too many.
func (b *builder) raw() {
	engine := b.set(nftables.Set{Name: portsSet, KeyType: nftables.TypeInetService}, nil)
	chain := b.base("raw", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	limit := &expr.Limit{Type: expr.LimitTypePkts, Rate: knocks, Unit: expr.LimitTimeSecond, Over: true, Burst: knocksBurst}
	initiation := join(l4proto(unix.IPPROTO_UDP), load(transport(2, 2), in(engine)),
		load(transport(8, 4), is(expr.CmpOpEq, 1, 0, 0, 0)))
	knock := func(name string, key nftables.SetDatatype) *nftables.Set {
		return b.set(nftables.Set{
			Name: name, KeyType: key, Dynamic: true, Size: 1<<16 - 1, HasTimeout: true, Timeout: 10 * time.Second,
		}, nil)
	}
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), initiation,
		each(src4(), knock("knocks4", nftables.TypeIPAddr), unix.NFT_DYNSET_OP_UPDATE, limit), drop())
	half := append(make([]byte, 0, 16), 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0)
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), initiation, []expr.Any{src6()},
		each(mask(half...), knock("knocks6", nftables.TypeIP6Addr), unix.NFT_DYNSET_OP_UPDATE, limit), drop())
}

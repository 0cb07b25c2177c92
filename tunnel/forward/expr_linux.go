package forward

import (
	"net/netip"
	"slices"

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

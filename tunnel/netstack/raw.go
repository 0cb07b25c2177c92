package netstack

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Datagrams sends UDP datagrams of one flow from an address that need not be the stack's own.
type Datagrams struct {
	route    *stack.Route
	from, to uint16
}

// Datagrams prepares to send from one address to another. The stack must have been made to forward.
func (n *Net) Datagrams(from, to netip.AddrPort) (*Datagrams, error) {
	_, proto := fullAddress(to)
	r, err := n.stack.FindRoute(nic, Address(from.Addr()), Address(to.Addr()), proto, false)
	if err != nil {
		return nil, fmt.Errorf("route to %v: %w", to.Addr(), asError(err))
	}
	return &Datagrams{route: r, from: from.Port(), to: to.Port()}, nil
}

// Send sends one datagram, in fragments where it is longer than the MTU.
func (d *Datagrams) Send(payload []byte) error {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(d.route.MaxHeaderLength()) + header.UDPMinimumSize,
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	length := uint16(header.UDPMinimumSize + len(payload))
	h := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	pkt.TransportProtocolNumber = header.UDPProtocolNumber
	h.Encode(&header.UDPFields{SrcPort: d.from, DstPort: d.to, Length: length})
	sum := d.route.PseudoHeaderChecksum(header.UDPProtocolNumber, length)
	sum = ^h.CalculateChecksum(checksum.Combine(sum, checksum.Checksum(payload, 0)))
	if sum == 0 {
		sum = 0xffff // RFC 768: zero would mean that there is none
	}
	h.SetChecksum(sum)
	params := stack.NetworkHeaderParams{Protocol: header.UDPProtocolNumber, TTL: d.route.DefaultTTL()}
	if err := d.route.WritePacket(params, pkt); err != nil {
		return asError(err)
	}
	return nil
}

// Close releases the route.
func (d *Datagrams) Close() { d.route.Release() }

// Unreachable says why a destination is not reached, in the terms of ICMP (RFC 792, RFC 1812, RFC 4443).
type Unreachable int

// The reasons that an exit gives.
const (
	UnreachableNet Unreachable = iota
	UnreachableHost
	UnreachablePort
	UnreachableDenied
)

// codes of ICMPv4 type 3 and ICMPv6 type 1. Of a host that does not answer IPv6 says "no route": gVisor, which is the stack of
// consumers in userspace, takes no notice of "address unreachable".
var codes = map[Unreachable][2]byte{
	UnreachableNet:    {0, 0},
	UnreachableHost:   {1, 0},
	UnreachablePort:   {3, 4},
	UnreachableDenied: {13, 1},
}

// icmp protocol numbers and types of "destination unreachable".
const (
	protoICMP4, unreachable4 = 1, 3
	protoICMP6, unreachable6 = 58, 1
)

// Refuse tells src that dst is not reached. The message quotes a packet of the flow: its addresses, its ports and, for
// TCP, its sequence number. For an echo request, the port of src is its identifier. That nobody listens at a port is what
// dst itself has said; anything else the stack says in its own name, as a router does.
func (n *Net) Refuse(proto uint8, src, dst netip.AddrPort, seq uint32, why Unreachable) {
	by := dst.Addr()
	for _, a := range n.own {
		if why != UnreachablePort && a.Is4() == by.Is4() {
			by = a
			break
		}
	}
	n.Inject(Refusal(by, proto, src, dst, seq, why))
}

// Refusal is the packet by which a host says what Refuse does.
func Refusal(by netip.Addr, proto uint8, src, dst netip.AddrPort, seq uint32, why Unreachable) []byte {
	var quoted [8]byte
	binary.BigEndian.PutUint16(quoted[0:], src.Port())
	binary.BigEndian.PutUint16(quoted[2:], dst.Port())
	switch proto {
	case uint8(header.TCPProtocolNumber):
		binary.BigEndian.PutUint32(quoted[4:], seq)
	case protoICMP4, protoICMP6:
		quoted = [8]byte{echo4}
		if proto == protoICMP6 {
			quoted[0] = echo6
		}
		binary.BigEndian.PutUint16(quoted[4:], src.Port())
		binary.BigEndian.PutUint16(quoted[6:], uint16(seq))
	default:
		binary.BigEndian.PutUint16(quoted[4:], header.UDPMinimumSize)
	}
	if src.Addr().Is4() {
		return refuse4(by, proto, src.Addr(), dst.Addr(), quoted, codes[why][0])
	}
	return refuse6(by, proto, src.Addr(), dst.Addr(), quoted, codes[why][1])
}

// Reset is the segment by which dst refuses one of src, with that sequence number and, where it had one, that
// acknowledgement (RFC 9293, 3.10.7.1). The segment is taken as one without data: what it resets ends either way.
func Reset(src, dst netip.AddrPort, seq, ack uint32, acked bool) []byte {
	ip := header.IPv6MinimumSize
	if src.Addr().Is4() {
		ip = header.IPv4MinimumSize
	}
	b := make([]byte, ip+header.TCPMinimumSize)
	if src.Addr().Is4() {
		ip4(b, uint8(header.TCPProtocolNumber), dst.Addr(), src.Addr(), len(b))
	} else {
		ip6(b, uint8(header.TCPProtocolNumber), dst.Addr(), src.Addr(), header.TCPMinimumSize)
	}
	fields := header.TCPFields{
		SrcPort: dst.Port(), DstPort: src.Port(), DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagRst,
	}
	if acked {
		fields.SeqNum = ack
	} else {
		fields.AckNum, fields.Flags = seq+1, header.TCPFlagRst|header.TCPFlagAck
	}
	t := header.TCP(b[ip:])
	t.Encode(&fields)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, Address(dst.Addr()), Address(src.Addr()), header.TCPMinimumSize)
	t.SetChecksum(^t.CalculateChecksum(sum))
	return b
}

func refuse4(by netip.Addr, proto uint8, src, dst netip.Addr, quoted [8]byte, code byte) []byte {
	const ip, icmp = header.IPv4MinimumSize, 8
	b := make([]byte, ip+icmp+ip+len(quoted))
	ip4(b, protoICMP4, by, src, len(b))
	body := b[ip:]
	body[0], body[1] = unreachable4, code
	ip4(body[icmp:], proto, src, dst, ip+len(quoted))
	copy(body[icmp+ip:], quoted[:])
	binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, 0))
	return b
}

func ip4(b []byte, proto uint8, src, dst netip.Addr, size int) {
	h := header.IPv4(b[:header.IPv4MinimumSize])
	h.Encode(&header.IPv4Fields{
		TotalLength: uint16(size), TTL: 64, Protocol: proto, SrcAddr: Address(src), DstAddr: Address(dst),
	})
	h.SetChecksum(^h.CalculateChecksum())
}

func refuse6(by netip.Addr, proto uint8, src, dst netip.Addr, quoted [8]byte, code byte) []byte {
	const ip, icmp = header.IPv6MinimumSize, 8
	b := make([]byte, ip+icmp+ip+len(quoted))
	ip6(b, protoICMP6, by, src, len(b)-ip)
	body := b[ip:]
	body[0], body[1] = unreachable6, code
	ip6(body[icmp:], proto, src, dst, len(quoted))
	copy(body[icmp+ip:], quoted[:])
	sum := header.PseudoHeaderChecksum(protoICMP6, Address(by), Address(src), uint16(len(body)))
	binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, sum))
	return b
}

func ip6(b []byte, proto uint8, src, dst netip.Addr, payload int) {
	h := header.IPv6(b[:header.IPv6MinimumSize])
	h.Encode(&header.IPv6Fields{
		PayloadLength: uint16(payload), TransportProtocol: 0, HopLimit: 64, SrcAddr: Address(src), DstAddr: Address(dst),
	})
	b[6] = proto
}

// denial reads a message of Refuse that says "denied by policy", and returns the destination it is about.
func denial(pkt []byte) (netip.AddrPort, bool) {
	var quote []byte
	var ipLen int
	switch {
	case len(pkt) >= 20+8+20+8 && pkt[0] == 0x45 && pkt[9] == protoICMP4:
		if pkt[20] != unreachable4 || pkt[21] != codes[UnreachableDenied][0] || pkt[28] != 0x45 {
			return netip.AddrPort{}, false
		}
		quote, ipLen = pkt[28:], header.IPv4MinimumSize
	case len(pkt) >= 40+8+40+8 && pkt[0]>>4 == 6 && pkt[6] == protoICMP6:
		if pkt[40] != unreachable6 || pkt[41] != codes[UnreachableDenied][1] || pkt[48]>>4 != 6 {
			return netip.AddrPort{}, false
		}
		quote, ipLen = pkt[48:], header.IPv6MinimumSize
	default:
		return netip.AddrPort{}, false
	}
	var addr netip.Addr
	if ipLen == header.IPv4MinimumSize {
		addr = netip.AddrFrom4([4]byte(quote[16:20]))
	} else {
		addr = netip.AddrFrom16([16]byte(quote[24:40]))
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(quote[ipLen+2:])), true
}

// farewell reads a message that no socket listens for the answers of a flow of UDP: where they come from, and where they
// go to, which is the sender of the message. Datagrams in fragments are not told of.
func farewell(pkt []byte) (from, to netip.AddrPort, ok bool) {
	switch {
	case len(pkt) >= 20+8+20+8 && pkt[0] == 0x45 && pkt[9] == protoICMP4 && binary.BigEndian.Uint16(pkt[6:])&0x3fff == 0:
		quote := pkt[28:]
		if pkt[20] != unreachable4 || pkt[21] != codes[UnreachablePort][0] || quote[0] != 0x45 || quote[9] != uint8(header.UDPProtocolNumber) ||
			[4]byte(quote[16:20]) != [4]byte(pkt[12:16]) {
			return from, to, false
		}
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(quote[12:16])), binary.BigEndian.Uint16(quote[20:]))
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(quote[16:20])), binary.BigEndian.Uint16(quote[22:]))
		return from, to, true
	case len(pkt) >= 40+8+40+8 && pkt[0]>>4 == 6 && pkt[6] == protoICMP6:
		quote := pkt[48:]
		if pkt[40] != unreachable6 || pkt[41] != codes[UnreachablePort][1] || quote[0]>>4 != 6 || quote[6] != uint8(header.UDPProtocolNumber) ||
			[16]byte(quote[24:40]) != [16]byte(pkt[8:24]) {
			return from, to, false
		}
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(quote[8:24])), binary.BigEndian.Uint16(quote[40:]))
		to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(quote[24:40])), binary.BigEndian.Uint16(quote[42:]))
		return from, to, true
	}
	return from, to, false
}

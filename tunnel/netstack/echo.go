package netstack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Echo is an echo request of ICMP (RFC 792, RFC 4443).
type Echo struct {
	Src, Dst netip.Addr
	ID, Seq  uint16
	Data     []byte
}

const (
	echo4, echoReply4 = 8, 0
	echo6, echoReply6 = 128, 129
	echoHeader        = 8
)

// parseEcho reads an unfragmented echo request. Data points into the packet.
func parseEcho(pkt []byte) (Echo, bool) {
	var e Echo
	var body []byte
	switch {
	case len(pkt) >= 20+echoHeader && pkt[0] == 0x45 && pkt[9] == protoICMP4 &&
		binary.BigEndian.Uint16(pkt[6:])&0x3fff == 0 && pkt[20] == echo4:
		e.Src, e.Dst = netip.AddrFrom4([4]byte(pkt[12:16])), netip.AddrFrom4([4]byte(pkt[16:20]))
		body = pkt[20:]
	case len(pkt) >= 40+echoHeader && pkt[0]>>4 == 6 && pkt[6] == protoICMP6 && pkt[40] == echo6:
		e.Src, e.Dst = netip.AddrFrom16([16]byte(pkt[8:24])), netip.AddrFrom16([16]byte(pkt[24:40]))
		body = pkt[40:]
	default:
		return Echo{}, false
	}
	e.ID, e.Seq = binary.BigEndian.Uint16(body[4:]), binary.BigEndian.Uint16(body[6:])
	e.Data = body[echoHeader:]
	return e, body[1] == 0
}

// Reply answers an echo request in the name of its destination. An answer longer than the MTU is dropped.
func (n *Net) Reply(e Echo) {
	size := echoHeader + len(e.Data)
	ip := header.IPv4MinimumSize
	if e.Src.Is6() {
		ip = header.IPv6MinimumSize
	}
	if ip+size > n.dev.mtu {
		return
	}
	b := make([]byte, ip+size)
	body := b[ip:]
	binary.BigEndian.PutUint16(body[4:], e.ID)
	binary.BigEndian.PutUint16(body[6:], e.Seq)
	copy(body[echoHeader:], e.Data)
	var sum uint16
	if e.Src.Is4() {
		ip4(b, protoICMP4, e.Dst, e.Src, len(b))
		body[0] = echoReply4
	} else {
		ip6(b, protoICMP6, e.Dst, e.Src, size)
		body[0] = echoReply6
		sum = header.PseudoHeaderChecksum(protoICMP6, Address(e.Dst), Address(e.Src), uint16(size))
	}
	binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, sum))
	n.Inject(b)
}

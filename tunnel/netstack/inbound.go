package netstack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// inbound decides which packets of the far side reach a stack that only opens connections and never waits for any. The far
// side is a stranger's machine: what it sends may answer what was asked, and nothing more. So there pass
//
//   - packets from somebody else to the stack's own addresses,
//   - of TCP, what does not open a connection; whole packets alone, as the MTU's segments are,
//   - of UDP, what has a header: its sockets take only what comes from where they have sent,
//   - of ICMP, errors. Nothing here sends echo requests, so there are no replies, and requests are not answered.
//
// What passes and belongs to no socket is reset by TCP and dropped by UDP. IPv4 options and extension headers of IPv6 other
// than fragments are not taken, nor any other protocol.
type inbound struct {
	v4 [][4]byte
	v6 [][16]byte
}

func newInbound(addrs []netip.Addr) *inbound {
	f := new(inbound)
	for _, a := range addrs {
		if a.Is4() {
			f.v4 = append(f.v4, a.As4())
		} else {
			f.v6 = append(f.v6, a.As16())
		}
	}
	return f
}

func (f *inbound) own4(a [4]byte) bool {
	for i := range f.v4 {
		if f.v4[i] == a {
			return true
		}
	}
	return false
}

func (f *inbound) own6(a [16]byte) bool {
	for i := range f.v6 {
		if f.v6[i] == a {
			return true
		}
	}
	return false
}

// Kinds of ICMP errors: RFC 792, RFC 4443.
const (
	exceeded4, parameter4 = 11, 12
	lastError6            = 4
	protoFragment6        = 44
)

// takes decides about one packet.
func (f *inbound) takes(pkt []byte) bool {
	if len(pkt) < header.IPv4MinimumSize {
		return false
	}
	switch pkt[0] >> 4 {
	case 4:
		if pkt[0] != 0x45 || !f.own4([4]byte(pkt[16:20])) || f.own4([4]byte(pkt[12:16])) || pkt[12] >= 224 {
			return false
		}
		body, fragment := pkt[header.IPv4MinimumSize:], binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0
		switch pkt[9] {
		case uint8(header.TCPProtocolNumber):
			return !fragment && answersTCP(body)
		case uint8(header.UDPProtocolNumber):
			return fragment || len(body) >= header.UDPMinimumSize
		case protoICMP4:
			return !fragment && errorOfICMP4(body)
		}
	case 6:
		if len(pkt) < header.IPv6MinimumSize || !f.own6([16]byte(pkt[24:40])) || f.own6([16]byte(pkt[8:24])) || pkt[8] == 0xff {
			return false
		}
		body := pkt[header.IPv6MinimumSize:]
		switch pkt[6] {
		case uint8(header.TCPProtocolNumber):
			return answersTCP(body)
		case uint8(header.UDPProtocolNumber):
			return len(body) >= header.UDPMinimumSize
		case protoFragment6:
			return len(body) >= 8 && body[0] == uint8(header.UDPProtocolNumber)
		case protoICMP6:
			return errorOfICMP6(body)
		}
	}
	return false
}

// answersTCP reports whether a segment is not the first one of a connection.
func answersTCP(tcp []byte) bool {
	const syn, ack, rst = 0x02, 0x10, 0x04
	return len(tcp) >= header.TCPMinimumSize && (tcp[13]&syn == 0 || tcp[13]&ack != 0) && tcp[13]&(syn|rst) != syn|rst
}

// speaksForOthers reports whether a stack that forwards might answer a packet by itself, although it is for somebody else:
// an echo request that [parseEcho] did not read, because it comes in fragments, with options or extension headers, or
// with a code that there is none of; what else ICMP asks hosts and routers; and any protocol that an exit does not carry,
// of which the stack would say that the destination knows none. Of ICMP for others only whole errors are
// left, by which the sender's kernel tells of the stack's own packets. The stack puts fragments together by itself, so
// none may come that could become ICMP, and of IPv6's extension headers only those of fragments that can't. IPv4 options
// are not taken: the stack would say what is wrong with them.
func (f *inbound) speaksForOthers(pkt []byte) bool {
	switch {
	case len(pkt) >= header.IPv4MinimumSize && pkt[0]>>4 == 4:
		if f.own4([4]byte(pkt[16:20])) {
			return false
		}
		if pkt[0] != 0x45 || carried(pkt[9]) {
			return pkt[0] != 0x45
		}
		return pkt[9] != protoICMP4 || binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0 || !errorOfICMP4(pkt[header.IPv4MinimumSize:])
	case len(pkt) >= header.IPv6MinimumSize && pkt[0]>>4 == 6:
		next, body := pkt[6], pkt[header.IPv6MinimumSize:]
		if carried(next) || f.own6([16]byte(pkt[24:40])) {
			return false
		}
		switch next {
		case protoFragment6:
			return len(body) < 8 || !carried(body[0])
		case protoICMP6:
			return !errorOfICMP6(body)
		}
		return true
	}
	return false
}

// spokeForOthers reports whether the stack has made an ICMP message whose source is not its own. It does so of what it
// carries as well, as where a fragment of a datagram is missing. What an exit has to say it injects.
func (f *inbound) spokeForOthers(head []byte) bool {
	switch {
	case len(head) >= header.IPv4MinimumSize && head[0]>>4 == 4:
		return !carried(head[9]) && !f.own4([4]byte(head[12:16]))
	case len(head) >= header.IPv6MinimumSize && head[0]>>4 == 6:
		return !carried(head[6]) && head[6] != protoFragment6 && !f.own6([16]byte(head[8:24]))
	}
	return true
}

// carried reports whether an exit carries that protocol for others, so that it never answers itself.
func carried(proto byte) bool {
	return proto == uint8(header.TCPProtocolNumber) || proto == uint8(header.UDPProtocolNumber)
}

func errorOfICMP4(body []byte) bool {
	return len(body) >= 8 && (body[0] == unreachable4 || body[0] == exceeded4 || body[0] == parameter4)
}

func errorOfICMP6(body []byte) bool {
	return len(body) >= 8 && body[0] >= unreachable6 && body[0] <= lastError6
}

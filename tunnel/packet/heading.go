// Package packet reads the headers of inner IP packets, as far as meters and policies ask.
package packet

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Heading holds the fields of a packet that policies judge by. Port is the destination's, or the type of an ICMP
// message.
type Heading struct {
	Dst      [2]uint64
	Proto    byte
	Port     uint16
	Rest     bool // a fragment but the first, which has no port
	More     bool // a fragment but the last
	V6       bool
	Body     int // where the transport header begins
	Readable bool
}

// Where fragments say what they are (RFC 791, RFC 8200).
const (
	Fragment6    = 44 // the extension header
	fragmentSize = 8
)

// Read takes a packet apart. Options of IPv4 and extension headers of IPv6 other than fragments' are not readable: they
// may name other destinations (source routing), and no program that asks for the internet sends them.
func Read(pkt []byte) (p Heading) {
	var fragment uint16
	switch {
	case len(pkt) >= Min4 && pkt[0] == 0x45:
		p.Dst[1] = uint64(binary.BigEndian.Uint32(pkt[Dst4:]))
		p.Proto, p.Body = pkt[9], Min4
		fragment = binary.BigEndian.Uint16(pkt[6:])
		p.More, fragment = fragment&0x2000 != 0, fragment&0x1fff
		if p.Proto == ICMP6 {
			return p
		}
	case len(pkt) >= Min6 && pkt[0]>>4 == 6:
		p.V6 = true
		p.Dst[0], p.Dst[1] = binary.BigEndian.Uint64(pkt[Dst6:]), binary.BigEndian.Uint64(pkt[Dst6+8:])
		p.Proto, p.Body = pkt[6], Min6
		if p.Proto == Fragment6 {
			if len(pkt) < Min6+fragmentSize {
				return p
			}
			p.Proto, p.Body = pkt[Min6], Min6+fragmentSize
			fragment = binary.BigEndian.Uint16(pkt[Min6+2:])
			p.More, fragment = fragment&1 != 0, fragment>>3
		}
		if p.Proto == byte(ICMP) {
			return p
		}
	default:
		return p
	}
	if fragment != 0 {
		// The second eight bytes of TCP would overwrite the flags of the first fragment (RFC 1858).
		p.Rest, p.Readable = true, fragment > 1 || p.Proto != byte(TCP)
		p.Readable = p.Readable && forwarded(p.Proto)
		return p
	}
	if len(pkt) < p.Body+4 {
		return p
	}
	switch p.Proto {
	case byte(TCP), byte(UDP):
		p.Port, p.Readable = binary.BigEndian.Uint16(pkt[p.Body+2:]), true
	case byte(ICMP), ICMP6:
		p.Port, p.Readable = uint16(pkt[p.Body]), true
	}
	return p
}

const ICMP6 = 58

func forwarded(proto byte) bool {
	return proto == byte(TCP) || proto == byte(UDP) || proto == byte(ICMP) || proto == ICMP6
}

// Where the addresses stand in the IP headers (RFC 791, RFC 8200).
const (
	Src4, Dst4, Min4 = 12, 16, 20
	Src6, Dst6, Min6 = 8, 24, 40
)

// Mix makes one step of a hash.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Proto is a transport protocol, by its IP protocol number.
type Proto uint8

// The protocols that an exit forwards.
const (
	ICMP Proto = 1
	TCP  Proto = 6
	UDP  Proto = 17
)

// String is the protocol's usual name.
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Types of ICMP messages: echo requests and what answers them.
const (
	EchoRequest4, EchoReply4 = 8, 0
	EchoRequest6, EchoReply6 = 128, 129
)

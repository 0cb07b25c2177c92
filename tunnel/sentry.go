package tunnel

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/netstack"
)

// sentry stands before the device of a kernel that forwards. It asks the policy about the first packet of each flow, and
// again after what is near has changed, so that nothing which other programs may take from the kernel (its packet filter,
// its routing rules) is all that stands between a stranger and the provider's network. The engine has checked that the
// source is the session's.
//
// What was allowed is remembered by a hash of protocol, destination, port and generation of the policy, under keys of this
// process: no lock, one load for a packet of a known flow. Two flows may take each other's place; then one is asked about
// again.
type sentry struct {
	tun.Device
	inject     func(pkt []byte) bool // to the sessions
	check      func(Proto, netip.AddrPort) error
	exit       [2]netip.Addr // which answers echo requests
	generation *atomic.Uint64
	keys       [3]uint64
	seen       [1 << 16]atomic.Uint64
}

// kernelDevice is a device that may also be given packets for the sessions.
type kernelDevice interface{ Inject(pkt []byte) bool }

func newSentry(e *Exit, device tun.Device) *sentry {
	s := &sentry{Device: device, check: e.check, generation: &e.policy.generation, inject: func([]byte) bool { return false }}
	s.exit[0], s.exit[1] = e.nets.Addrs(exitIndex)
	if d, ok := device.(kernelDevice); ok {
		s.inject = d.Inject
	}
	for i := range s.keys {
		s.keys[i] = rand.Uint64()
	}
	return s
}

// Write implements tun.Device. The slice is compacted in place when packets are dropped.
func (s *sentry) Write(bufs [][]byte, offset int) (int, error) {
	gen := s.generation.Load()
	return writeSome(s.Device, bufs, offset, func(pkt []byte) bool { return s.lets(pkt, gen) })
}

// writeSome writes the packets that may pass. The slice is compacted in place when some may not.
func writeSome(device tun.Device, bufs [][]byte, offset int, may func(pkt []byte) bool) (int, error) {
	n, kept := len(bufs), 0
	for i, buf := range bufs {
		if !may(buf[offset:]) {
			continue
		}
		if kept != i {
			bufs[kept] = buf
		}
		kept++
	}
	if kept == 0 {
		return n, nil
	}
	if _, err := device.Write(bufs[:kept], offset); err != nil {
		return 0, err
	}
	return n, nil
}

// heading is what the sentry reads of a packet. Port is the destination's, or the type of an ICMP message.
type heading struct {
	dst      [2]uint64
	proto    byte
	port     uint16
	rest     bool // a fragment but the first, which has no port
	more     bool // a fragment but the last
	v6       bool
	body     int // where the transport header begins
	readable bool
}

// Where fragments say what they are (RFC 791, RFC 8200).
const (
	fragment6    = 44 // the extension header
	fragmentSize = 8
)

// read takes a packet apart. Options of IPv4 and extension headers of IPv6 other than fragments' are not readable: they
// may name other destinations (source routing), and no program that asks for the internet sends them.
func read(pkt []byte) (p heading) {
	var fragment uint16
	switch {
	case len(pkt) >= min4 && pkt[0] == 0x45:
		p.dst[1] = uint64(binary.BigEndian.Uint32(pkt[dst4:]))
		p.proto, p.body = pkt[9], min4
		fragment = binary.BigEndian.Uint16(pkt[6:])
		p.more, fragment = fragment&0x2000 != 0, fragment&0x1fff
		if p.proto == protoICMP6 {
			return p
		}
	case len(pkt) >= min6 && pkt[0]>>4 == 6:
		p.v6 = true
		p.dst[0], p.dst[1] = binary.BigEndian.Uint64(pkt[dst6:]), binary.BigEndian.Uint64(pkt[dst6+8:])
		p.proto, p.body = pkt[6], min6
		if p.proto == fragment6 {
			if len(pkt) < min6+fragmentSize {
				return p
			}
			p.proto, p.body = pkt[min6], min6+fragmentSize
			fragment = binary.BigEndian.Uint16(pkt[min6+2:])
			p.more, fragment = fragment&1 != 0, fragment>>3
		}
		if p.proto == byte(ICMP) {
			return p
		}
	default:
		return p
	}
	if fragment != 0 {
		// The second eight bytes of TCP would overwrite the flags of the first fragment (RFC 1858).
		p.rest, p.readable = true, fragment > 1 || p.proto != byte(TCP)
		p.readable = p.readable && known(p.proto)
		return p
	}
	if len(pkt) < p.body+4 {
		return p
	}
	switch p.proto {
	case byte(TCP), byte(UDP):
		p.port, p.readable = binary.BigEndian.Uint16(pkt[p.body+2:]), true
	case byte(ICMP), protoICMP6:
		p.port, p.readable = uint16(pkt[p.body]), true
	}
	return p
}

const protoICMP6 = 58

func known(proto byte) bool {
	return proto == byte(TCP) || proto == byte(UDP) || proto == byte(ICMP) || proto == protoICMP6
}

// hash never is zero.
func (s *sentry) hash(p *heading, gen uint64) uint64 {
	what := uint64(p.proto) | uint64(p.port)<<8
	if p.rest {
		what |= 1 << 32
	}
	if p.v6 {
		what |= 1 << 33
	}
	return mix(mix(p.dst[0]^s.keys[0], p.dst[1]^s.keys[1])^what, s.keys[2]^gen) | 1
}

// lets reports whether a packet may pass.
func (s *sentry) lets(pkt []byte, gen uint64) bool {
	p := read(pkt)
	if !p.readable {
		return false
	}
	h := s.hash(&p, gen)
	slot := &s.seen[h>>48]
	if slot.Load() == h {
		return true
	}
	if !s.asks(&p, pkt) {
		return false
	}
	slot.Store(h)
	return true
}

// Types of ICMP messages that leave an exit: echo requests, and what a host says about packets that it got.
var (
	leaves4 = map[uint16]bool{3: true, 8: true, 11: true, 12: true}
	leaves6 = map[uint16]bool{1: true, 2: true, 3: true, 4: true, 128: true}
)

// asks is the policy about a packet, whose consumer is told when it is denied.
func (s *sentry) asks(p *heading, pkt []byte) bool {
	var dst netip.Addr
	if p.v6 {
		dst = netip.AddrFrom16([16]byte(pkt[dst6 : dst6+16]))
	} else {
		dst = netip.AddrFrom4([4]byte(pkt[dst4 : dst4+4]))
	}
	to := netip.AddrPortFrom(dst, p.port)
	proto := Proto(p.proto)
	if proto == protoICMP6 {
		proto = ICMP
	}
	if proto == ICMP && !p.rest {
		leaves := leaves4
		if p.v6 {
			leaves = leaves6
		}
		echo := p.port == 8 && !p.v6 || p.port == 128 && p.v6
		if !leaves[p.port] {
			return false
		}
		if dst == s.exit[0] || dst == s.exit[1] {
			return echo
		}
	}
	if p.rest {
		if dst == s.exit[0] || dst == s.exit[1] {
			return true // the rest of a query or of an echo request: what is first decides
		}
		proto = ICMP // there is no port to ask about
	}
	err := s.check(proto, to)
	if err != nil && !p.rest {
		s.refuse(p, pkt, dst)
	}
	return err == nil
}

// refuse tells the consumer that a destination is closed, and ends its attempt to connect. What does not fit is lost:
// programs ask again.
func (s *sentry) refuse(p *heading, pkt []byte, dst netip.Addr) {
	var src netip.Addr
	if p.v6 {
		src = netip.AddrFrom16([16]byte(pkt[src6 : src6+16]))
	} else {
		src = netip.AddrFrom4([4]byte(pkt[src4 : src4+4]))
	}
	body := pkt[p.body:]
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	to := netip.AddrPortFrom(dst, p.port)
	var seq uint32
	switch {
	case p.proto == byte(TCP):
		const syn, rst, ack = 0x02, 0x04, 0x10
		if len(body) < 20 || body[13]&rst != 0 {
			return
		}
		seq = binary.BigEndian.Uint32(body[4:])
		if flags := body[13]; flags&(syn|ack) != syn {
			s.inject(netstack.Reset(from, to, seq, binary.BigEndian.Uint32(body[8:]), flags&ack != 0))
			return
		}
	case p.proto != byte(UDP):
		if len(body) < 8 || p.port != 8 && p.port != 128 {
			return // no message about a message
		}
		from = netip.AddrPortFrom(src, binary.BigEndian.Uint16(body[4:]))
		seq = uint32(binary.BigEndian.Uint16(body[6:]))
	}
	by := s.exit[0]
	if p.v6 {
		by = s.exit[1]
	}
	s.inject(netstack.Refusal(by, p.proto, from, to, seq, netstack.UnreachableDenied))
	if p.proto == byte(TCP) {
		s.inject(netstack.Reset(from, to, seq, 0, false))
	}
}

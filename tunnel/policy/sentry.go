package policy

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/netstack"
	"byway/tunnel/packet"
)

// Sentry stands before the device of a kernel that forwards. It asks the policy about the first packet of each flow,
// and again after what is near has changed, so that nothing which other programs may take from the kernel (its packet
// filter, its routing rules) is all that stands between a stranger and the provider's network. The engine has checked
// that the source is the session's.
//
// What was allowed is remembered by a hash of protocol, destination, port and generation of the policy, under keys of this
// process: no lock, one load for a packet of a known flow. Two flows may take each other's place; then one is asked about
// again.
type Sentry struct {
	tun.Device
	inject     func(pkt []byte) bool // to the sessions
	check      func(packet.Proto, netip.AddrPort) error
	exit       [2]netip.Addr // which answers echo requests
	generation *atomic.Uint64
	keys       [3]uint64
	seen       [1 << 16]atomic.Uint64
}

// kernelDevice is a device that may also be given packets for the sessions.
type kernelDevice interface{ Inject(pkt []byte) bool }

// NewSentry stands before device. Check is asked, which is the policy and whatever else closes destinations: it
// may be asked again after the policy's generation has risen. The exit's inner addresses answer echo requests.
func NewSentry(device tun.Device, p *Policy, exit [2]netip.Addr, check func(packet.Proto, netip.AddrPort) error) *Sentry {
	s := &Sentry{
		Device: device, check: check, exit: exit, generation: &p.generation, inject: func([]byte) bool { return false },
	}
	if d, ok := device.(kernelDevice); ok {
		s.inject = d.Inject
	}
	for i := range s.keys {
		s.keys[i] = rand.Uint64()
	}
	return s
}

// Write implements tun.Device. The slice is compacted in place when packets are dropped.
func (s *Sentry) Write(bufs [][]byte, offset int) (int, error) {
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

// hash never is zero.
func (s *Sentry) hash(p *packet.Heading, gen uint64) uint64 {
	what := uint64(p.Proto) | uint64(p.Port)<<8
	if p.Rest {
		what |= 1 << 32
	}
	if p.V6 {
		what |= 1 << 33
	}
	return packet.Mix(packet.Mix(p.Dst[0]^s.keys[0], p.Dst[1]^s.keys[1])^what, s.keys[2]^gen) | 1
}

// lets reports whether a packet may pass.
func (s *Sentry) lets(pkt []byte, gen uint64) bool {
	p := packet.Read(pkt)
	if !p.Readable {
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
func (s *Sentry) asks(p *packet.Heading, pkt []byte) bool {
	var dst netip.Addr
	if p.V6 {
		dst = netip.AddrFrom16([16]byte(pkt[packet.Dst6 : packet.Dst6+16]))
	} else {
		dst = netip.AddrFrom4([4]byte(pkt[packet.Dst4 : packet.Dst4+4]))
	}
	to := netip.AddrPortFrom(dst, p.Port)
	proto := packet.Proto(p.Proto)
	if proto == packet.ICMP6 {
		proto = packet.ICMP
	}
	if proto == packet.ICMP && !p.Rest {
		leaves := leaves4
		if p.V6 {
			leaves = leaves6
		}
		echo := p.Port == 8 && !p.V6 || p.Port == 128 && p.V6
		if !leaves[p.Port] {
			return false
		}
		if dst == s.exit[0] || dst == s.exit[1] {
			return echo
		}
	}
	if p.Rest {
		if dst == s.exit[0] || dst == s.exit[1] {
			return true // the rest of a query or of an echo request: what is first decides
		}
		proto = packet.ICMP // there is no port to ask about
	}
	err := s.check(proto, to)
	if err != nil && !p.Rest {
		s.refuse(p, pkt, dst)
	}
	return err == nil
}

// refuse tells the consumer that a destination is closed, and ends its attempt to connect. What does not fit is lost:
// programs ask again.
func (s *Sentry) refuse(p *packet.Heading, pkt []byte, dst netip.Addr) {
	var src netip.Addr
	if p.V6 {
		src = netip.AddrFrom16([16]byte(pkt[packet.Src6 : packet.Src6+16]))
	} else {
		src = netip.AddrFrom4([4]byte(pkt[packet.Src4 : packet.Src4+4]))
	}
	body := pkt[p.Body:]
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	to := netip.AddrPortFrom(dst, p.Port)
	var seq uint32
	switch {
	case p.Proto == byte(packet.TCP):
		const syn, rst, ack = 0x02, 0x04, 0x10
		if len(body) < 20 || body[13]&rst != 0 {
			return
		}
		seq = binary.BigEndian.Uint32(body[4:])
		if flags := body[13]; flags&(syn|ack) != syn {
			s.inject(netstack.Reset(from, to, seq, binary.BigEndian.Uint32(body[8:]), flags&ack != 0))
			return
		}
	case p.Proto != byte(packet.UDP):
		if len(body) < 8 || p.Port != 8 && p.Port != 128 {
			return // no message about a message
		}
		from = netip.AddrPortFrom(src, binary.BigEndian.Uint16(body[4:]))
		seq = uint32(binary.BigEndian.Uint16(body[6:]))
	}
	by := s.exit[0]
	if p.V6 {
		by = s.exit[1]
	}
	s.inject(netstack.Refusal(by, p.Proto, from, to, seq, netstack.UnreachableDenied))
	if p.Proto == byte(packet.TCP) {
		s.inject(netstack.Reset(from, to, seq, 0, false))
	}
}

package tunnel

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

// porter stands before a consumer's network interface and lets in what answers this machine, and nothing else. The exit
// is a stranger. The machine's firewall says the same, and knows connections better, but other programs can take it away,
// and from then until it is back a hostile exit would reach whatever listens here. Nobody can take this away.
//
// A flow begins with a packet that leaves with the machine's own inner address as its source, which the firewall gives to
// guests' packets as well. One with another source leaves not at all: no answer could come, and it would tell the exit an
// address of the network behind. What comes must be for the inner address, and be a part of such a flow, an error about
// one, or a later fragment, which is nothing without the first.
//
// Flows are remembered by hashes under keys of this process, eight to a line of the processor's cache, of which the one
// that has rested longest makes room. No lock, nothing allocated.
type porter struct {
	tun.Device
	own4  uint64
	own6  [2]uint64
	keys  [3]uint64
	began time.Time
	lines [1 << 14]flowLine
}

// flowLine holds flows whose hashes begin alike: above timeBits a part of the hash, below when a packet of it passed last.
type flowLine [8]atomic.Uint64

const (
	timeBits = 20
	timeUnit = 8 * time.Second // 20 bits of it are 97 days

	// restingAnswers is how long flows other than TCP's are answered, in units. The kernel forgets them after two minutes.
	restingAnswers = 180 / 8
)

func newPorter(device tun.Device, own []netip.Addr) *porter {
	d := &porter{Device: device, began: time.Now()}
	for _, addr := range own {
		if addr.Is4() {
			b := addr.As4()
			d.own4 = uint64(binary.BigEndian.Uint32(b[:]))
		} else {
			b := addr.As16()
			d.own6 = [2]uint64{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
		}
	}
	for i := range d.keys {
		d.keys[i] = rand.Uint64()
	}
	return d
}

// now is never zero, so that an entry never is.
func (d *porter) now() uint64 { return uint64(time.Since(d.began)/timeUnit)&(1<<timeBits-1) | 1 }

// Read implements tun.Device: packets on their way to the exit. Dropped ones get size zero, which the engine skips.
func (d *porter) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.Device.Read(bufs, sizes, offset)
	now := d.now()
	for i := range n {
		if !d.leaves(bufs[i][offset:offset+sizes[i]], now) {
			sizes[i] = 0
		}
	}
	return n, err
}

// Write implements tun.Device: packets from the exit. The slice is compacted in place when packets are dropped.
func (d *porter) Write(bufs [][]byte, offset int) (int, error) {
	now := d.now()
	return writeSome(d.Device, bufs, offset, func(pkt []byte) bool { return d.comes(pkt, now) })
}

// sourceOf is where a packet comes from.
func sourceOf(pkt []byte, v6 bool) (s [2]uint64) {
	if v6 {
		return [2]uint64{binary.BigEndian.Uint64(pkt[src6:]), binary.BigEndian.Uint64(pkt[src6+8:])}
	}
	s[1] = uint64(binary.BigEndian.Uint32(pkt[src4:]))
	return s
}

func (d *porter) owns(addr [2]uint64, v6 bool) bool {
	if v6 {
		return addr == d.own6 && addr != [2]uint64{}
	}
	return addr[1] == d.own4 && addr[1] != 0
}

// Types of ICMP messages: echo requests and what answers them.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// leaves notes the flow of a packet that goes to the exit, and says whether it may.
func (d *porter) leaves(pkt []byte, now uint64) bool {
	p := read(pkt)
	if p.body == 0 { // IPv4 with options, or no packet at all
		return false
	}
	if !d.owns(sourceOf(pkt, p.v6), p.v6) || !single(&p) {
		return false
	}
	if h, ok := d.asks(&p, pkt); ok {
		d.note(h, now)
	}
	return true
}

// single is whether a packet is for one host. What is for all or for a group (mDNS, SSDP, LLMNR) is meant for the local
// network, names its devices and their wishes, and no exit can carry it: it is neither shown to the exit nor paid for.
func single(p *heading) bool {
	if p.v6 {
		return p.dst[0]>>56 != 0xff // ff00::/8
	}
	return p.dst[1]>>28 < 0xe // 224.0.0.0/4, 240.0.0.0/4, 255.255.255.255
}

// asks is the flow that a packet of this side's belongs to, where it can be answered.
func (d *porter) asks(p *heading, pkt []byte) (flow uint64, ok bool) {
	if !p.readable || p.rest {
		return 0, false
	}
	switch p.proto {
	case byte(TCP), byte(UDP):
		return d.hash(p, p.dst, binary.BigEndian.Uint16(pkt[p.body:]), p.port), true
	}
	if request := p.port == echoRequest4 && !p.v6 || p.port == echoRequest6 && p.v6; !request || len(pkt) < p.body+6 {
		return 0, false
	}
	return d.hash(p, p.dst, binary.BigEndian.Uint16(pkt[p.body+4:]), 0), true
}

// comes reports whether a packet of the exit's may come in.
func (d *porter) comes(pkt []byte, now uint64) bool {
	p := read(pkt)
	if !p.readable || !d.owns(p.dst, p.v6) {
		return false
	}
	if p.rest {
		return true
	}
	from := sourceOf(pkt, p.v6)
	switch p.proto {
	case byte(TCP):
		// The first segment of a connection is no answer to any.
		const syn, ack, flags = 0x02, 0x10, 13
		return len(pkt) > p.body+flags && pkt[p.body+flags]&(syn|ack) != syn &&
			d.knows(d.hash(&p, from, p.port, binary.BigEndian.Uint16(pkt[p.body:])), now, 1<<timeBits)
	case byte(UDP):
		return d.knows(d.hash(&p, from, p.port, binary.BigEndian.Uint16(pkt[p.body:])), now, restingAnswers)
	}
	if len(pkt) < p.body+8 {
		return false
	}
	if reply := p.port == echoReply4 && !p.v6 || p.port == echoReply6 && p.v6; reply {
		return d.knows(d.hash(&p, from, binary.BigEndian.Uint16(pkt[p.body+4:]), 0), now, restingAnswers)
	}
	if p.v6 && (p.port == 0 || p.port > lastError6) || !p.v6 && p.port != unreachable4 && p.port != exceeded4 && p.port != parameter4 {
		return false
	}
	// An error quotes the packet that it is about.
	quote := pkt[p.body+8:]
	q := read(quote)
	if q.v6 != p.v6 || !q.readable || !d.owns(sourceOf(quote, q.v6), q.v6) {
		return false
	}
	flow, ok := d.asks(&q, quote)
	return ok && d.knows(flow, now, 1<<timeBits)
}

// Kinds of ICMP errors: RFC 792, RFC 4443.
const (
	unreachable4, exceeded4, parameter4 = 3, 11, 12
	lastError6                          = 4
)

func (d *porter) hash(p *heading, far [2]uint64, local, port uint16) uint64 {
	what := uint64(p.proto) | uint64(local)<<8 | uint64(port)<<24
	if p.v6 {
		what |= 1 << 40
	}
	return mix(mix(far[0]^d.keys[0], far[1]^d.keys[1])^what, d.keys[2])
}

// line and tag are where a flow is remembered, and as what.
func (d *porter) line(flow uint64) (*flowLine, uint64) {
	return &d.lines[flow&(1<<14-1)], flow &^ (1<<timeBits - 1)
}

// note remembers a flow.
func (d *porter) note(flow, now uint64) {
	line, tag := d.line(flow)
	oldest, age := &line[0], uint64(0)
	for i := range line {
		was := line[i].Load()
		if was&^(1<<timeBits-1) == tag && was != 0 {
			if was != tag|now {
				line[i].Store(tag | now)
			}
			return
		}
		rested := uint64(1 << timeBits) // nothing is there
		if was != 0 {
			rested = (now - was) & (1<<timeBits - 1)
		}
		if rested >= age {
			oldest, age = &line[i], rested
		}
	}
	oldest.Store(tag | now)
}

// knows reports whether a packet of a flow passed within so many units. If so, this is another.
func (d *porter) knows(flow, now, within uint64) bool {
	line, tag := d.line(flow)
	for i := range line {
		was := line[i].Load()
		if was&^(1<<timeBits-1) != tag || was == 0 {
			continue
		}
		if (now-was)&(1<<timeBits-1) > within {
			return false
		}
		if was != tag|now {
			line[i].Store(tag | now)
		}
		return true
	}
	return false
}

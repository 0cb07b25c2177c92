package meter

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/packet"
)

// Porter is a consumer's meter. It stands between the engine and a network interface or a stack of our own, lets in
// what answers this side, and bills that and nothing else. The exit is a stranger, and paid by the byte.
//
// In front of an interface the machine's firewall says the same, and knows connections better, but other programs can
// take it away, and from then until it is back a hostile exit would reach whatever listens here. Nobody can take this
// away.
//
// A flow begins with a packet that leaves with the machine's own inner address as its source, which the firewall
// gives to guests' packets as well. One with another source leaves not at all: no answer could come, and it would
// tell the exit an address of the network behind. What comes must be for the inner address, and be a part of such a
// flow, an error about one, or a later fragment of what was.
//
// A connection's data can't be made up: it moves the acknowledgements of this side's own TCP, and the bill follows them
// (remembered.came). What can't be proved is what datagrams hold: an exit may pad a flow that is open. That is bounded
// by 256 KiB for each packet that leaves on it, and by the session's budget.
type Porter struct {
	tun.Device
	acct   *Account
	own4   uint64
	own6   [2]uint64
	oneWay bool // datagrams of a known flow may come for ever
	now    func() moment

	mu      sync.Mutex // taken once a batch
	in, out streak
	strays  Strays
	recent  recent
	offence error
	memory  memory // the last, for it holds no pointers: the garbage collector need not look at it
}

func NewPorter(device tun.Device, own []netip.Addr, acct *Account, oneWay bool) *Porter {
	began := time.Now()
	d := &Porter{Device: device, acct: acct, oneWay: oneWay}
	d.now = func() moment { return 1 + moment(time.Since(began)/tick) }
	for _, addr := range own {
		if addr.Is4() {
			b := addr.As4()
			d.own4 = uint64(binary.BigEndian.Uint32(b[:]))
		} else {
			b := addr.As16()
			d.own6 = [2]uint64{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
		}
	}
	d.memory.init()
	return d
}

// Read implements tun.Device: packets on their way to the exit. Dropped ones get size zero, which the engine skips.
func (d *Porter) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.Device.Read(bufs, sizes, offset)
	now, sum := d.now(), 0
	d.mu.Lock()
	for i := range n {
		if !d.leaves(bufs[i][offset:offset+sizes[i]], now) {
			sizes[i] = 0
		}
		sum += sizes[i]
	}
	d.mu.Unlock()
	d.acct.takeAll(outbound, uint64(sum)) // a consumer's gate is open
	return n, err
}

// Write implements tun.Device: packets from the exit. The slice is compacted in place when packets are dropped.
func (d *Porter) Write(bufs [][]byte, offset int) (int, error) {
	n, kept, sum, bad := len(bufs), 0, uint64(0), uint64(0)
	now := d.now()
	d.mu.Lock()
	for i, buf := range bufs {
		size := uint64(len(buf) - offset)
		j, unpaid := d.comes(buf[offset:], now)
		switch j {
		case asStray:
			d.strays.Packets++
			d.strays.Bytes += size
			bad += size
			continue
		case asForgiven:
			d.strays.Forgiven += size
			continue
		case asSurplus:
			d.strays.Surplus += size
		case asUnjudged:
			d.strays.Unjudged += size
			sum += size
		case asAnswer:
			d.strays.Surplus += uint64(unpaid)
			sum += size - uint64(unpaid)
		}
		if kept != i {
			bufs[kept] = buf
		}
		kept++
	}
	convicted := false
	if d.offence == nil {
		d.offence = d.recent.add(bad, sum, now)
		convicted = d.offence != nil
	}
	d.mu.Unlock()
	d.acct.takeAll(inbound, sum)
	if convicted {
		d.acct.notify()
	}
	if kept == 0 {
		return n, nil
	}
	if _, err := d.Device.Write(bufs[:kept], offset); err != nil {
		return 0, err
	}
	return n, nil
}

// sourceOf is where a packet comes from.
func sourceOf(pkt []byte, v6 bool) (s [2]uint64) {
	if v6 {
		return [2]uint64{binary.BigEndian.Uint64(pkt[packet.Src6:]), binary.BigEndian.Uint64(pkt[packet.Src6+8:])}
	}
	s[1] = uint64(binary.BigEndian.Uint32(pkt[packet.Src4:]))
	return s
}

func (d *Porter) owns(addr [2]uint64, v6 bool) bool {
	if v6 {
		return addr == d.own6 && addr != [2]uint64{}
	}
	return addr[1] == d.own4 && addr[1] != 0
}

// leaves notes the flow of a packet that goes to the exit, and says whether it may.
func (d *Porter) leaves(pkt []byte, now moment) bool {
	if k := d.out.again(pkt, now); k != nil {
		return d.left(k, pkt, d.out.proto, d.out.body, now)
	}
	p := packet.Read(pkt)
	if p.Body == 0 { // IPv4 with options, or no packet at all
		return false
	}
	if !d.owns(sourceOf(pkt, p.V6), p.V6) || !single(&p) {
		return false
	}
	mark, ok := d.asks(&p, pkt)
	if !ok {
		return true
	}
	if p.Proto == byte(packet.TCP) && resets(pkt[p.Body:]) && d.memory.find(mark, now) == nil {
		return true // what refuses a connection begins none
	}
	if !d.left(d.memory.place(mark, now), pkt, p.Proto, p.Body, now) {
		return false
	}
	d.out.begin(&d.memory, &p, pkt, mark)
	return true
}

// resets reports whether a segment of TCP ends a connection at once.
func resets(b []byte) bool { return len(b) > tcpFlags && b[tcpFlags]&tcpRST != 0 }

// left notes a packet of this side's at its flow. It reports whether it may leave: no TCP sends half a header.
func (d *Porter) left(k *flowMemory, pkt []byte, proto byte, body int, now moment) bool {
	if proto != byte(packet.TCP) {
		*k = flowMemory{until: now + lifeOther}
		return true
	}
	var s segment
	if !s.read(pkt[body:]) {
		return false
	}
	k.sent(&s, now)
	return true
}

// single is whether a packet is for one host. What is for all or for a group (mDNS, SSDP, LLMNR) is meant for the
// local network, names its devices and their wishes, and no exit can carry it: it is neither shown to the exit nor
// paid for.
func single(p *packet.Heading) bool {
	if p.V6 {
		return p.Dst[0]>>56 != 0xff // ff00::/8
	}
	return p.Dst[1]>>28 < 0xe // 224.0.0.0/4, 240.0.0.0/4, 255.255.255.255
}

// asks is the flow that a packet of this side's belongs to, where it can be answered.
func (d *Porter) asks(p *packet.Heading, pkt []byte) (mark uint64, ok bool) {
	if !p.Readable || p.Rest {
		return 0, false
	}
	switch p.Proto {
	case byte(packet.TCP), byte(packet.UDP):
		return d.memory.mark(p, p.Dst, binary.BigEndian.Uint16(pkt[p.Body:]), p.Port), true
	}
	if request := p.Port == packet.EchoRequest4 && !p.V6 || p.Port == packet.EchoRequest6 && p.V6; !request || len(pkt) < p.Body+6 {
		return 0, false
	}
	return d.memory.mark(p, p.Dst, binary.BigEndian.Uint16(pkt[p.Body+4:]), 0), true
}

// comes judges a packet of the exit's. Of an answer some bytes may be unpaid.
func (d *Porter) comes(pkt []byte, now moment) (j judgement, unpaid uint32) {
	if k := d.in.again(pkt, now); k != nil {
		return d.arrives(k, pkt, d.in.proto, d.in.body, now)
	}
	p := packet.Read(pkt)
	if !p.Readable || !d.owns(p.Dst, p.V6) {
		return asStray, 0
	}
	from := sourceOf(pkt, p.V6)
	var mark uint64
	proto := p.Proto
	switch {
	case p.Rest:
		whose := d.memory.find(d.memory.restMark(&p, from), now)
		if whose == nil {
			return d.memory.ofNobody(now), 0
		}
		mark = uint64(whose.high)<<32 | uint64(whose.edge)
		if proto == byte(packet.TCP) {
			proto = 0 // it has no header
		}
	case proto == byte(packet.TCP) || proto == byte(packet.UDP):
		mark = d.memory.mark(&p, from, p.Port, binary.BigEndian.Uint16(pkt[p.Body:]))
	default:
		var ok bool
		if mark, ok = d.about(&p, pkt, from); !ok {
			return asStray, 0
		}
	}
	k := d.memory.find(mark, now)
	if k == nil {
		if d.memory.madeRoom(mark, now) && !opens(pkt, proto, p.Body) {
			return asUnjudged, 0
		}
		return d.memory.ofNobody(now), 0
	}
	j, unpaid = d.arrives(k, pkt, proto, p.Body, now)
	if p.More && !p.Rest && (j == asAnswer || j == asSurplus) {
		k := d.memory.place(d.memory.restMark(&p, from), now)
		k.until, k.high, k.edge = now+lifeFragments, uint32(mark>>32), uint32(mark)
	}
	if !p.Rest {
		d.in.begin(&d.memory, &p, pkt, mark)
	}
	return j, unpaid
}

// opens is whether a packet may be the first of a connection, which is no answer to any.
func opens(pkt []byte, proto byte, body int) bool {
	if proto != byte(packet.TCP) {
		return false
	}
	return len(pkt) < body+tcpMin || pkt[body+tcpFlags]&(tcpSYN|tcpACK) == tcpSYN
}

// arrives judges a packet of a flow. The protocol says how it is read: what is neither TCP nor UDP brings a flow
// nothing but itself, be it an error, the rest of a datagram or an echo.
func (d *Porter) arrives(k *flowMemory, pkt []byte, proto byte, body int, now moment) (j judgement, unpaid uint32) {
	n := uint32(len(pkt))
	switch {
	case proto == byte(packet.TCP):
		var s segment
		if !s.read(pkt[body:]) || s.flags&(tcpSYN|tcpACK) == tcpSYN {
			return asStray, 0
		}
		return k.came(&s, n, now)
	case k.state&resetOut != 0:
		return k.afterwards(n), 0
	case k.state != 0:
		return k.within(k.more(n, now), n, 0)
	case d.oneWay && proto == byte(packet.UDP):
		k.until = max(k.until, now+lifeOther)
		return asAnswer, 0
	}
	return k.more(n, now), 0
}

// about is the flow that a message of ICMP belongs to: the echo request that it answers, or the packet that it is an
// error about and quotes.
func (d *Porter) about(p *packet.Heading, pkt []byte, from [2]uint64) (mark uint64, ok bool) {
	if len(pkt) < p.Body+8 {
		return 0, false
	}
	if reply := p.Port == packet.EchoReply4 && !p.V6 || p.Port == packet.EchoReply6 && p.V6; reply {
		return d.memory.mark(p, from, binary.BigEndian.Uint16(pkt[p.Body+4:]), 0), true
	}
	isError := p.Port == unreachable4 || p.Port == exceeded4 || p.Port == parameter4
	if p.V6 {
		isError = p.Port > 0 && p.Port <= lastError6
	}
	if !isError {
		return 0, false
	}
	quote := pkt[p.Body+8:]
	q := packet.Read(quote)
	if q.V6 != p.V6 || !q.Readable || !d.owns(sourceOf(quote, q.V6), q.V6) {
		return 0, false
	}
	return d.asks(&q, quote)
}

// Kinds of ICMP errors: RFC 792, RFC 4443.
const (
	unreachable4, exceeded4, parameter4 = 3, 11, 12
	lastError6                          = 4
)

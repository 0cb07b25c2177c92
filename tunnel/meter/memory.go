package meter

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"byway/tunnel/packet"
)

// memory remembers the flows that a consumer began, and of each what has come in for it. It takes 2.75 MiB, whatever
// a stranger does: 2^16 flows, eight to a set, found by 64 bits of a hash under keys of this process. In a full set
// the flow that would be forgotten first makes room. Of such a flow only its name is kept, in 2^16 more places, so
// that its packets are still told from those that nobody asked for; what it brings is not judged further.
type memory struct {
	keys  [3]uint64
	sets  [1 << setBits]flowSet
	lines [1 << setBits]flowLine
	lost  moment // until then a flow may be alive that had no place at all
}

const setBits = 13

type flowSet struct {
	marks [8]uint64 // 0: free
	flows [8]flowMemory
}

// flowLine holds flows that made room: above timeBits a part of the hash, below when it is forgotten, in units of
// 2^lineShift moments.
type flowLine [8]uint64

const (
	timeBits  = 24
	lineShift = 5
)

// moment is a time by the coarse clock that is read once a batch: quarters of a second since the session began. The
// first is not zero.
type moment uint32

const tick = time.Second / 4

// flowMemory is the memory of a flow. Of a fragmented datagram's later fragments, which have no ports, it is whose
// they are.
type flowMemory struct {
	until  moment // when it is forgotten: its life after a packet last left
	since  uint32 // bytes that came since a packet last left, and brought nothing new
	got    uint32 // bytes of sequence space that TCP has covered, or 2^32-1 if more
	credit int32  // bytes of payload that TCP may still bring; once this side has reset it, of whole packets
	high   uint32 // the end of the highest segment so far; of later fragments, with edge, the flow's mark
	edge   uint32 // up to where this side said that it would take data
	head   uint16 // bytes of headers that TCP may still bring beyond what its payload needs
	scale  uint8  // of the window (RFC 7323)
	state  flowState
}

// flowState tells how far a flow of TCP has come; zero for others.
type flowState uint8

const (
	ofTCP    flowState = 1 << iota
	heard              // high and edge mean something
	finIn              // the other side will send no more
	finOut             // this side will send no more
	resetIn            // the other side, or somebody in its name, reset it
	resetOut           // this side reset it
)

// How long flows are remembered after a packet last left. An exit's NAT may forget them sooner, never later: RFC 4787
// (REQ-5) names 5 minutes, RFC 5382 (REQ-5) 2 hours and 4 minutes for connections and 4 minutes for those that begin
// or end.
const (
	lifeOther     = moment(5 * time.Minute / tick)
	lifeOpen      = moment((2*time.Hour + 4*time.Minute) / tick)
	lifeTransient = moment(4 * time.Minute / tick)
	lifeClosed    = moment(60 * time.Second / tick)
	lifeFragments = lifeClosed // that long a host waits for them (RFC 8200, 4.5)
)

// life is how long a flow is remembered. A connection that only one side has ended may go on for the other.
func (k *flowMemory) life() moment {
	switch {
	case k.state == 0:
		return lifeOther
	case k.state&(resetIn|resetOut) != 0, k.state&(finIn|finOut) == finIn|finOut:
		return lifeClosed
	case k.state&(heard|finIn|finOut) == heard:
		return lifeOpen
	}
	return lifeTransient
}

func (m *memory) init() {
	for i := range m.keys {
		m.keys[i] = rand.Uint64()
	}
}

// mark is a flow's name: never zero. The kind tells later fragments from what has ports.
func (m *memory) mark(p *packet.Heading, far [2]uint64, local, port uint16) uint64 {
	what := uint64(p.Proto) | uint64(local)<<8 | uint64(port)<<24
	if p.V6 {
		what |= 1 << 40
	}
	return m.hash(far, what)
}

// restMark is the name of all later fragments of a protocol that a host sends.
func (m *memory) restMark(p *packet.Heading, far [2]uint64) uint64 {
	what := uint64(p.Proto) | 1<<41
	if p.V6 {
		what |= 1 << 40
	}
	return m.hash(far, what)
}

func (m *memory) hash(far [2]uint64, what uint64) uint64 {
	return packet.Mix(packet.Mix(far[0]^m.keys[0], far[1]^m.keys[1])^what, m.keys[2]) | 1
}

// streak is the flow of the last packet of a direction, whose next ones are mostly of the same and need no search.
type streak struct {
	body  int // where the transport header begins; 0: there was none
	proto byte
	addrs [32]byte // as they stand in the header
	ports uint32
	mark  uint64
	slot  *uint64 // where the mark stands, unless the flow made room
	flow  *flowMemory
}

// again returns the flow of a packet that is one more of it, or nil.
func (r *streak) again(pkt []byte, now moment) *flowMemory {
	switch {
	case r.body == packet.Min4:
		if len(pkt) < packet.Min4+8 || pkt[0] != 0x45 || pkt[9] != r.proto || binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0 ||
			binary.NativeEndian.Uint64(pkt[packet.Src4:]) != binary.NativeEndian.Uint64(r.addrs[:]) ||
			binary.NativeEndian.Uint32(pkt[packet.Min4:]) != r.ports {
			return nil
		}
	case r.body == packet.Min6:
		if len(pkt) < packet.Min6+8 || pkt[0]>>4 != 6 || pkt[6] != r.proto || [32]byte(pkt[packet.Src6:packet.Min6]) != r.addrs ||
			binary.NativeEndian.Uint32(pkt[packet.Min6:]) != r.ports {
			return nil
		}
	default:
		return nil
	}
	if *r.slot != r.mark || now >= r.flow.until {
		return nil
	}
	return r.flow
}

// begin takes note of a packet whose flow was searched. Fragments, and messages of ICMP, are searched each time.
func (r *streak) begin(m *memory, p *packet.Heading, pkt []byte, mark uint64) {
	r.body = 0
	s, i := m.at(mark)
	if i < 0 {
		return
	}
	switch {
	case p.More || p.Proto != byte(packet.TCP) && p.Proto != byte(packet.UDP):
		return
	case !p.V6:
		copy(r.addrs[:], pkt[packet.Src4:packet.Min4])
	case p.Body != packet.Min6: // a fragment that is the whole
		return
	default:
		copy(r.addrs[:], pkt[packet.Src6:packet.Min6])
	}
	r.body, r.proto, r.ports = p.Body, p.Proto, binary.NativeEndian.Uint32(pkt[p.Body:])
	r.mark, r.slot, r.flow = mark, &s.marks[i], &s.flows[i]
}

// at is where a flow is remembered: its set, and the place in it, or -1.
func (m *memory) at(mark uint64) (*flowSet, int) {
	s := &m.sets[mark>>(64-setBits)]
	for i := range s.marks {
		if s.marks[i] == mark {
			return s, i
		}
	}
	return s, -1
}

// find returns what is known of a flow that is alive, or nil.
func (m *memory) find(mark uint64, now moment) *flowMemory {
	if s, i := m.at(mark); i >= 0 && now < s.flows[i].until {
		return &s.flows[i]
	}
	return nil
}

// place returns where a flow is remembered, which is empty where it was not known or not alive any more.
func (m *memory) place(mark uint64, now moment) *flowMemory {
	s, i := m.at(mark)
	if i >= 0 {
		if now >= s.flows[i].until {
			s.flows[i] = flowMemory{}
		}
		return &s.flows[i]
	}
	i = 0
	for j := range s.flows {
		if s.flows[j].until < s.flows[i].until {
			i = j
		}
	}
	if until := s.flows[i].until; now < until {
		m.makeRoom(s.marks[i], until, now)
	}
	// A name that stands among those that made room would outlive the flow.
	lines, tag := m.homes(mark)
	for _, l := range lines {
		for j := range l {
			if l[j]&^(1<<timeBits-1) == tag {
				l[j] = 0
			}
		}
	}
	s.marks[i], s.flows[i] = mark, flowMemory{}
	return &s.flows[i]
}

// homes are the two lines where the name of a flow may stand: of two the emptier one takes it, so that nearly all
// places are used before a name is lost.
func (m *memory) homes(mark uint64) (lines [2]*flowLine, tag uint64) {
	const all = 1<<setBits - 1
	return [2]*flowLine{&m.lines[mark>>1&all], &m.lines[mark>>timeBits&all]}, mark &^ (1<<timeBits - 1)
}

// makeRoom keeps the name of a flow that gives its place to another.
func (m *memory) makeRoom(mark uint64, until, now moment) {
	var place *uint64
	var left moment // of what stands there
	fewest := len(flowLine{}) + 1
	lines, tag := m.homes(mark)
	for _, l := range lines {
		alive, first, ends := 0, &l[0], moment(math.MaxUint32)
		for i := range l {
			end := moment(l[i]&(1<<timeBits-1)) << lineShift
			if now < end {
				alive++
			}
			if end < ends {
				first, ends = &l[i], end
			}
		}
		if alive < fewest {
			place, left, fewest = first, ends, alive
		}
	}
	if now < left {
		m.lost = max(m.lost, left)
	}
	*place = tag | uint64(until>>lineShift+1)&(1<<timeBits-1)
}

// madeRoom reports whether a flow is alive that gave its place to another.
func (m *memory) madeRoom(mark uint64, now moment) bool {
	lines, tag := m.homes(mark)
	for _, l := range lines {
		for i := range l {
			if l[i]&^(1<<timeBits-1) == tag && now < moment(l[i]&(1<<timeBits-1))<<lineShift {
				return true
			}
		}
	}
	return false
}

// ofNobody judges what belongs to no flow, as far as that is certain.
func (m *memory) ofNobody(now moment) judgement {
	if now < m.lost {
		return asForgiven
	}
	return asStray
}

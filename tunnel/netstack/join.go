package netstack

import (
	"bytes"
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// maxFlows is how many flows may be joined at a time; the batches of a peer seldom hold more.
	maxFlows = 8

	// maxJoined bounds a joined packet: the length field of IP has 16 bits.
	maxJoined = 1<<16 - 1
)

// joiner gathers consecutive segments of TCP flows within one batch. The packets stay in the engine's buffers until
// flush copies each run into one packet of the stack.
type joiner struct {
	flows [maxFlows]run
	count int
}

// run is a sequence of segments of one flow, each continuing the one before.
type run struct {
	parts  [][]byte // the first whole, the others only their payload
	ipLen  int
	hdrLen int
	size   int    // of the joined packet
	each   int    // payload of the first segment: a shorter one ends the run
	next   uint32 // sequence number that continues the run
	done   bool
}

// add delivers pkt, or keeps it until flush in the hope of joining it with others. Order within a flow is kept.
func (j *joiner) add(to stack.NetworkDispatcher, pkt []byte) {
	ipLen, hdrLen, ok := tcpFlow(pkt)
	if !ok {
		// Not TCP, or a fragment: nothing waits that it could overtake within its own flow, save for fragments of
		// TCP, which the stack puts in order itself.
		deliver(to, pkt)
		return
	}
	payload := len(pkt) - hdrLen
	flags := header.TCPFlags(pkt[ipLen+13])
	plain := flags&^(header.TCPFlagAck|header.TCPFlagPsh) == 0 && payload > 0
	seq := binary.BigEndian.Uint32(pkt[ipLen+4:])

	for i := 0; i < j.count; i++ {
		r := &j.flows[i]
		first := r.parts[0]
		if ipLen != r.ipLen || !sameFlow(first, pkt, ipLen) {
			continue
		}
		if plain && !r.done && hdrLen == r.hdrLen && seq == r.next && payload <= r.each &&
			r.size+payload <= maxJoined && sameHeaders(first, pkt, ipLen, hdrLen) {
			r.parts = append(r.parts, pkt[hdrLen:])
			r.size += payload
			r.next += uint32(payload)
			if flags.Contains(header.TCPFlagPsh) {
				first[ipLen+13] |= uint8(header.TCPFlagPsh)
			}
			r.done = payload < r.each || flags.Contains(header.TCPFlagPsh)
			return
		}
		// It belongs to the flow but does not continue the run: what waits goes first.
		r.deliver(to)
		if !plain {
			j.remove(i)
			deliver(to, pkt)
			return
		}
		r.start(pkt, ipLen, hdrLen, seq)
		return
	}
	if !plain {
		deliver(to, pkt)
		return
	}
	if j.count == maxFlows {
		j.flows[0].deliver(to)
		j.remove(0)
	}
	j.flows[j.count].start(pkt, ipLen, hdrLen, seq)
	j.count++
}

// remove takes a delivered run out, keeping the order of the others and the memory of its list.
func (j *joiner) remove(i int) {
	gone := j.flows[i]
	copy(j.flows[i:], j.flows[i+1:j.count])
	j.count--
	j.flows[j.count] = gone
}

// flush delivers what waits.
func (j *joiner) flush(to stack.NetworkDispatcher) {
	for i := 0; i < j.count; i++ {
		j.flows[i].deliver(to)
	}
	j.count = 0
}

func (r *run) start(pkt []byte, ipLen, hdrLen int, seq uint32) {
	payload := len(pkt) - hdrLen
	r.parts = append(r.parts[:0], pkt)
	r.ipLen, r.hdrLen, r.size, r.each = ipLen, hdrLen, len(pkt), payload
	r.next = seq + uint32(payload)
	r.done = header.TCPFlags(pkt[ipLen+13]).Contains(header.TCPFlagPsh)
}

// deliver hands the run to the stack as one packet.
func (r *run) deliver(to stack.NetworkDispatcher) {
	if len(r.parts) == 1 {
		deliver(to, r.parts[0])
		r.clear()
		return
	}
	first := r.parts[0]
	if r.ipLen == header.IPv4MinimumSize {
		ip := header.IPv4(first[:r.ipLen])
		ip.SetTotalLength(uint16(r.size))
		ip.SetChecksum(0)
		ip.SetChecksum(^ip.CalculateChecksum())
	} else {
		header.IPv6(first[:r.ipLen]).SetPayloadLength(uint16(r.size - header.IPv6MinimumSize))
	}
	// The TCP checksum of the joined packet is not made good: the link tells the stack not to look at it.
	view := buffer.NewView(r.size)
	for _, part := range r.parts {
		_, _ = view.Write(part) // a view of that size has room
	}
	proto := protocol(first)
	r.clear()
	deliverView(to, proto, view)
}

// clear drops the references to the engine's buffers.
func (r *run) clear() {
	clear(r.parts)
	r.parts = r.parts[:0]
}

// sameFlow compares addresses and ports.
func sameFlow(a, b []byte, ipLen int) bool {
	if a[0]>>4 != b[0]>>4 {
		return false
	}
	from := addrsAt(ipLen)
	return bytes.Equal(a[from:ipLen+4], b[from:ipLen+4])
}

// addrsAt is where the addresses begin in an IP header of that length without options.
func addrsAt(ipLen int) int {
	if ipLen == header.IPv6MinimumSize {
		return 8
	}
	return 12
}

// sameHeaders compares what must not change within a run: traffic class, hop limit, acknowledgement, flags save for
// PSH, and options. The window may move; the first one stands for the run, as the acknowledgement is the same.
func sameHeaders(a, b []byte, ipLen, hdrLen int) bool {
	if ipLen == header.IPv4MinimumSize {
		if a[1] != b[1] || a[8] != b[8] || a[6]&0xe0 != b[6]&0xe0 {
			return false
		}
	} else if !bytes.Equal(a[:4], b[:4]) || a[7] != b[7] {
		return false
	}
	const psh = uint8(header.TCPFlagPsh)
	return bytes.Equal(a[ipLen+8:ipLen+12], b[ipLen+8:ipLen+12]) &&
		a[ipLen+13]|psh == b[ipLen+13]|psh &&
		bytes.Equal(a[ipLen+20:hdrLen], b[ipLen+20:hdrLen])
}

func protocol(pkt []byte) tcpip.NetworkProtocolNumber {
	if pkt[0]>>4 == 6 {
		return header.IPv6ProtocolNumber
	}
	return header.IPv4ProtocolNumber
}

// deliver copies one packet and hands it to the stack, which validates its headers.
func deliver(to stack.NetworkDispatcher, pkt []byte) {
	if v := pkt[0] >> 4; v != 4 && v != 6 {
		return
	}
	deliverView(to, protocol(pkt), buffer.NewViewWithData(pkt))
}

func deliverView(to stack.NetworkDispatcher, proto tcpip.NetworkProtocolNumber, view *buffer.View) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
	pkt.RXChecksumValidated = true
	to.DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
}

package netstack

import (
	"bytes"
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// cutter turns one packet of the stack into one or more packets of the wire. It is filled by start and emptied by
// fill, one packet at a time, so that a large segment may span two reads. Where the next packet of the stack continues
// the one in hand, join puts its beginning behind the short end of this: the engine's datagram and the receiver's
// coalescing both end at a short packet, and the sizes of an application's writes would make one of every few.
type cutter struct {
	pkt *stack.PacketBuffer

	// carry is the end of the packet before, which goes first.
	carry   [1 << 16]byte
	carried []byte

	// What is left to copy: the view and the position in it.
	view *buffer.View
	pos  int
	left int

	// For a segmented packet: its headers, and what changes from one segment to the next.
	headers  [header.IPv6MinimumSize + header.TCPHeaderMaximumSize + 64]byte
	ipLen    int
	hdrLen   int
	mss      int
	seq      uint32
	id       uint16
	first    bool
	addrsSum uint16
}

// segmented reports whether a packet of the stack is to be cut into segments.
func segmented(gso stack.GSO) bool { return gso.Type == stack.GSOTCPv4 || gso.Type == stack.GSOTCPv6 }

func (c *cutter) active() bool { return c.pkt != nil }

// start takes over the reference to pkt.
func (c *cutter) start(pkt *stack.PacketBuffer) {
	c.pkt, c.left, c.mss, c.carried = pkt, pkt.Size(), 0, nil
	views, skip := pkt.AsViewList()
	c.view, c.pos = views.Front(), 0
	c.advance(skip)

	gso := pkt.GSOOptions
	if !segmented(gso) {
		return
	}
	// The stack leaves the checksum of every packet of such a route to the link, pure acknowledgements included.
	network, transport := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	c.ipLen, c.hdrLen = len(network), len(network)+len(transport)
	if c.hdrLen > len(c.headers) {
		// No header of the stack's own is this long; drop what can't be understood.
		c.release()
		c.left = 0
		return
	}
	copy(c.headers[:], network)
	copy(c.headers[c.ipLen:], transport)
	c.advance(c.hdrLen)
	c.left -= c.hdrLen
	c.mss, c.first = max(int(gso.MSS), 1), true
	tcp := header.TCP(c.headers[c.ipLen:c.hdrLen])
	c.seq = tcp.SequenceNumber()
	if gso.Type == stack.GSOTCPv4 {
		ip := header.IPv4(c.headers[:c.ipLen])
		c.id = ip.ID()
		c.addrsSum = header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), 0)
	} else {
		ip := header.IPv6(c.headers[:c.ipLen])
		c.addrsSum = header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), 0)
	}
}

// short reports whether the next packet would be shorter than its flow allows.
func (c *cutter) short() bool { return c.left > 0 && c.left < c.mss }

// continuedBy reports whether pkt is a segment whose bytes come right after those in hand, and may share a packet with
// them: the same flow, the same layout of headers, and nothing but ACK and PSH set in either.
func (c *cutter) continuedBy(pkt *stack.PacketBuffer) bool {
	if gso := pkt.GSOOptions; !segmented(gso) || int(gso.MSS) != c.mss {
		return false
	}
	network, transport := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	if len(network) != c.ipLen || c.ipLen+len(transport) != c.hdrLen || pkt.Size() == c.hdrLen {
		return false
	}
	mine, other := header.TCP(c.headers[c.ipLen:c.hdrLen]), header.TCP(transport)
	const plain = header.TCPFlagAck | header.TCPFlagPsh
	from := addrsAt(c.ipLen)
	return (mine.Flags()|other.Flags())&^plain == 0 && other.SequenceNumber() == c.seq+uint32(c.left) &&
		bytes.Equal(c.headers[from:c.ipLen], network[from:]) && bytes.Equal(mine[:4], other[:4]) // addresses, ports
}

// join goes on with pkt, which continuedBy has agreed to, and takes over the reference to it. What was in hand is sent
// with its headers, whose acknowledgement is the newer one.
func (c *cutter) join(pkt *stack.PacketBuffer) {
	carried := c.carry[:c.left]
	n := copy(carried, c.carried)
	c.copy(carried[n:])
	c.release()
	c.start(pkt)
	c.carried, c.left, c.seq = carried, c.left+len(carried), c.seq-uint32(len(carried))
}

// next is the size of the packet that the next fill will write.
func (c *cutter) next() int {
	if c.mss == 0 {
		return c.left
	}
	return c.hdrLen + min(c.left, c.mss)
}

// fill writes one packet to dst and returns its size. A packet that does not fit is dropped and counts as empty.
func (c *cutter) fill(dst []byte) int {
	size := c.next()
	if c.pkt == nil || size > len(dst) {
		c.release()
		return 0
	}
	dst = dst[:size]
	if c.mss == 0 {
		c.copy(dst)
		c.release()
		return size
	}
	copy(dst, c.headers[:c.hdrLen])
	payload := dst[c.hdrLen:]
	n := copy(payload, c.carried)
	c.carried = c.carried[n:]
	c.copy(payload[n:])
	c.left -= len(payload)
	last := c.left == 0

	if dst[0]>>4 == 4 {
		ip := header.IPv4(dst[:c.ipLen])
		ip.SetTotalLength(uint16(size))
		ip.SetID(c.id)
		ip.SetChecksum(0)
		ip.SetChecksum(^ip.CalculateChecksum())
		c.id++
	} else {
		header.IPv6(dst[:c.ipLen]).SetPayloadLength(uint16(size - header.IPv6MinimumSize))
	}
	tcp := header.TCP(dst[c.ipLen:])
	tcp.SetSequenceNumber(c.seq)
	flags := tcp.Flags()
	if !last {
		flags &^= header.TCPFlagFin | header.TCPFlagPsh
	}
	if !c.first {
		flags &^= header.TCPFlagCwr
	}
	tcp.SetFlags(uint8(flags))
	tcp.SetChecksum(0)
	sum := checksum.Combine(c.addrsSum, uint16(size-c.ipLen))
	tcp.SetChecksum(^checksum.Checksum(tcp, sum))

	c.seq += uint32(len(payload))
	c.first = false
	if last {
		c.release()
	}
	return size
}

func (c *cutter) release() {
	if c.pkt != nil {
		c.pkt.DecRef()
	}
	c.pkt, c.view = nil, nil
}

// copy fills dst from the packet's views.
func (c *cutter) copy(dst []byte) {
	for len(dst) > 0 && c.view != nil {
		n := copy(dst, c.view.AsSlice()[c.pos:])
		dst = dst[n:]
		c.advance(n)
	}
}

// advance moves n bytes ahead.
func (c *cutter) advance(n int) {
	c.pos += n
	for c.view != nil && c.pos >= c.view.Size() {
		c.pos -= c.view.Size()
		c.view = c.view.Next()
	}
}

// tcpFlow reads what joining needs of a TCP packet without options of IP: where its headers end.
func tcpFlow(pkt []byte) (ipLen, hdrLen int, ok bool) {
	if len(pkt) < header.IPv4MinimumSize+header.TCPMinimumSize {
		return 0, 0, false
	}
	switch pkt[0] {
	case 0x45:
		fragment := binary.BigEndian.Uint16(pkt[6:]) & 0x3fff
		if pkt[9] != uint8(header.TCPProtocolNumber) || fragment != 0 ||
			int(binary.BigEndian.Uint16(pkt[2:])) != len(pkt) {
			return 0, 0, false
		}
		ipLen = header.IPv4MinimumSize
	default:
		if pkt[0]>>4 != 6 || len(pkt) < header.IPv6MinimumSize+header.TCPMinimumSize ||
			pkt[6] != uint8(header.TCPProtocolNumber) ||
			int(binary.BigEndian.Uint16(pkt[4:]))+header.IPv6MinimumSize != len(pkt) {
			return 0, 0, false
		}
		ipLen = header.IPv6MinimumSize
	}
	hdrLen = ipLen + int(pkt[ipLen+12]>>4)*4
	return ipLen, hdrLen, hdrLen >= ipLen+header.TCPMinimumSize && hdrLen <= len(pkt)
}

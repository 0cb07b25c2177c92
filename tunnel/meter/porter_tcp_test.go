package meter

import (
	"encoding/binary"
	"net/netip"

	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// connection is a connection of TCP through a porter, byte by byte: this side's packets and the other's.
type connection struct {
	d       *Porter
	out, in []byte // headers, with a payload of zeros behind
	head    int    // of IP and TCP together
	body    int
	next    uint32 // the other side's next byte
	room    uint32 // the window
}

const tcpOptions = 12 // of timestamps, as everybody sends them

// connect shakes hands.
func connect(d *Porter, own4, own6, far netip.Addr, port uint16, isn uint32) *connection {
	syn := tunneltest.Probe(packet.TCP, own4, own6, far, port)
	body := 20
	if far.Is6() {
		body = 40
	}
	c := &connection{d: d, body: body, head: body + 20 + tcpOptions, room: 4 << 20, next: isn}
	syn = append(syn, 2, 4, 5, 0x50, 1, 3, 3, 7) // MSS, nothing, a scale of 7
	syn[body+tcpLen] = 7 << 4
	d.leaves(syn, d.now())
	c.out = append(syn[:body+20:body+20], make([]byte, tcpOptions)...)
	c.out[body+tcpLen] = 8 << 4
	c.in = append(answerTo(c.out), make([]byte, 64<<10)...)
	d.comes(c.segment(c.next, tcpSYN|tcpACK, 0), d.now())
	c.next++
	d.leaves(c.ack(), d.now())
	c.data(0)
	return c
}

// segment is one of the other side's.
func (c *connection) segment(seq uint32, flags byte, payload int) []byte {
	binary.BigEndian.PutUint32(c.in[c.body+tcpSeq:], seq)
	c.in[c.body+tcpFlags] = flags
	return c.in[:c.head+payload]
}

// data is the other side's next segment.
func (c *connection) data(payload int) []byte {
	pkt := c.segment(c.next, tcpACK, payload)
	c.next += uint32(payload)
	return pkt
}

// acks is this side's segment that says up to where it has the data.
func (c *connection) acks(upTo uint32, flags byte) []byte {
	binary.BigEndian.PutUint32(c.out[c.body+tcpAck:], upTo)
	binary.BigEndian.PutUint16(c.out[c.body+tcpW:], uint16(c.room>>7))
	c.out[c.body+tcpFlags] = flags
	return c.out
}

func (c *connection) ack() []byte { return c.acks(c.next, tcpACK) }

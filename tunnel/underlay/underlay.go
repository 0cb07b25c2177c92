// Package underlay carries the datagrams of a WireGuard engine. Sockets are the machine's own UDP; whatever else carries them
// (inside another tunnel, under a mask, through a relay) has the same face, and passes the tests of package underlaytest.
//
// A guard stands before every engine: it lets through what can be WireGuard, and of handshakes no more than an engine
// answers with ease.
package underlay

import (
	"errors"
	"net/netip"
	"sync/atomic"
)

// Underlay carries datagrams between an engine and its peers. Safe for concurrent use.
//
// What it carries may be lost, as datagrams are, but is never cut, joined or made up, and what one Send carries to one
// endpoint comes in its order where it comes at all. It reads nothing in a datagram and keeps none after a call.
type Underlay interface {
	// Open begins to receive, at a port or, for 0, at any, which it returns. Each function belongs to one goroutine of
	// the engine. It returns ErrOpen where it is open already. After Close it can be opened again, at the same port.
	Open(port uint16) ([]ReceiveFunc, uint16, error)

	// Send sends a batch to one endpoint: of each buffer what stands from offset on. What stands before is the caller's
	// spare room, and may be written to. It returns ErrTooLarge, having sent nothing, where a datagram is above the
	// limit, net.ErrClosed where it is not open, and an error of the system's where that took none or not all. Send
	// returns without waiting for the peer.
	Send(bufs [][]byte, offset int, to *Endpoint) error

	// Limits are how many datagrams are best sent at once, and received at most, and how many bytes each may have. They
	// do not change.
	Limits() (batch, mtu int)

	// Close ends receiving: every ReceiveFunc returns net.ErrClosed, those that wait as well. Closing again does nothing.
	Close() error
}

// ReceiveFunc waits for datagrams. It puts them anywhere into slab, which has Room bytes at least, describes them in packets
// and returns how many those are, which may be none. A slab of several Rooms brings more at a time.
type ReceiveFunc func(slab []byte, packets []Packet) (int, error)

// Packet is a datagram that came: where it stands in the slab, and where it is from.
type Packet struct {
	Offset, Size int
	From         *Endpoint
}

// Room is the least buffer of a ReceiveFunc, in bytes: a whole UDP datagram, in which a system may have joined several.
const Room = 1<<16 - 1

var (
	// ErrOpen means that an underlay is open already.
	ErrOpen = errors.New("underlay is open already")
	// ErrTooLarge means that a datagram has more bytes than the underlay carries.
	ErrTooLarge = errors.New("datagram is too large for the underlay")

	errNowhere = errors.New("peer's endpoint is not known yet")
)

// Endpoint is where a peer is within one underlay, and which of this side's addresses it speaks to. Compared as pointers:
// a ReceiveFunc returns the same one for as long as datagrams come from one place in a run, so that a packet costs no
// allocation, and two may stand for the same place. What else a peer's address is made of, such as a transport and its
// parameters, is the underlay's. Its methods are those that engines ask for. Safe for concurrent use.
type Endpoint struct {
	dst  netip.AddrPort
	from atomic.Pointer[netip.Addr] // nil: the underlay chooses
}

// At is the endpoint at an address. Where that is invalid, nothing can be sent to it.
func At(addr netip.AddrPort) *Endpoint { return &Endpoint{dst: unmap(addr)} }

// Remote is the peer's address.
func (e *Endpoint) Remote() netip.AddrPort { return e.dst }

// ClearSrc lets the underlay choose again which address it speaks from.
func (e *Endpoint) ClearSrc() { e.from.Store(nil) }

// DstToString is the peer's address, as netip writes it.
func (e *Endpoint) DstToString() string { return e.dst.String() }

// DstIP is the peer's address without the port.
func (e *Endpoint) DstIP() netip.Addr { return e.dst.Addr() }

// DstToBytes returns the bytes that the peer's cookies are made of.
func (e *Endpoint) DstToBytes() []byte {
	// It can't fail for an address and a port.
	b, _ := e.dst.MarshalBinary()
	return b
}

// SrcIP is the address that the peer speaks to; invalid where the underlay chooses.
func (e *Endpoint) SrcIP() netip.Addr {
	if from := e.from.Load(); from != nil {
		return *from
	}
	return netip.Addr{}
}

// SrcToString is SrcIP as text.
func (e *Endpoint) SrcToString() string { return e.SrcIP().String() }

func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// fits reports whether every datagram of a batch is within a limit.
func fits(bufs [][]byte, offset, mtu int) bool {
	for _, b := range bufs {
		if len(b)-offset > mtu {
			return false
		}
	}
	return true
}

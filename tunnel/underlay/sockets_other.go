//go:build !linux

package underlay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// portTries bounds the search for a port that both families have free.
const portTries = 100

// largest is the payload of a UDP datagram over IPv4.
const largest = 1<<16 - 1 - 20 - 8

// Sockets are the UDP sockets of an engine: one on one address of the host, or one of each family on all of them.
type Sockets struct {
	addr netip.Addr // invalid: all

	mu     sync.RWMutex
	v4, v6 *net.UDPConn // nil: closed, or the family is missing
}

// NewSockets returns closed sockets for a listen address. Only Linux has firewall marks.
func NewSockets(listen netip.Addr, _ uint32) *Sockets {
	s := new(Sockets)
	if listen.IsValid() && !listen.IsUnspecified() {
		s.addr = listen.Unmap()
	}
	return s
}

// Open implements Underlay.
func (s *Sockets) Open(port uint16) ([]ReceiveFunc, uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v4 != nil || s.v6 != nil {
		return nil, 0, ErrOpen
	}
	var err error
	for range portTries {
		if err = s.openLocked(port); err == nil || port != 0 || s.addr.IsValid() {
			break
		}
	}
	if err != nil {
		return nil, 0, err
	}
	var fns []ReceiveFunc
	for _, c := range []*net.UDPConn{s.v4, s.v6} {
		if c != nil {
			port = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			fns = append(fns, receiver(c))
		}
	}
	return fns, port, nil
}

func (s *Sockets) openLocked(port uint16) error {
	listen := func(network string, a netip.Addr, port uint16) (*net.UDPConn, error) {
		return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
	}
	var err error
	switch {
	case s.addr.Is4():
		s.v4, err = listen("udp4", s.addr, port)
		return err
	case s.addr.Is6():
		s.v6, err = listen("udp6", s.addr, port)
		return err
	}
	s.v4, err = listen("udp4", netip.IPv4Unspecified(), port)
	if err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		return err
	}
	no4 := err
	if no4 == nil {
		port = s.v4.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	s.v6, err = listen("udp6", netip.IPv6Unspecified(), port)
	if err == nil || errors.Is(err, syscall.EAFNOSUPPORT) && no4 == nil {
		return nil
	}
	if s.v4 != nil {
		s.v4.Close()
		s.v4 = nil
	}
	return err
}

// receiver reads one socket.
func receiver(c *net.UDPConn) ReceiveFunc {
	last := At(netip.AddrPort{})
	return func(slab []byte, packets []Packet) (int, error) {
		n, from, err := c.ReadFromUDPAddrPort(slab)
		if err != nil {
			return 0, err
		}
		if from = unmap(from); last.dst != from {
			last = At(from)
		}
		packets[0] = Packet{Size: n, From: last}
		return 1, nil
	}
}

// Send implements Underlay.
func (s *Sockets) Send(bufs [][]byte, offset int, to *Endpoint) error {
	if !to.dst.IsValid() {
		return errNowhere
	}
	if !fits(bufs, offset, largest) {
		return ErrTooLarge
	}
	s.mu.RLock()
	c, closed := s.v6, s.v4 == nil && s.v6 == nil
	if to.dst.Addr().Is4() {
		c = s.v4
	}
	s.mu.RUnlock()
	switch {
	case closed:
		return net.ErrClosed
	case c == nil:
		return syscall.EAFNOSUPPORT
	}
	for _, b := range bufs {
		if _, err := c.WriteToUDPAddrPort(b[offset:], to.dst); err != nil {
			return err
		}
	}
	return nil
}

// Limits implements Underlay.
func (s *Sockets) Limits() (batch, mtu int) { return 1, largest }

// Close implements Underlay.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, c := range []*net.UDPConn{s.v4, s.v6} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	s.v4, s.v6 = nil, nil
	return err
}

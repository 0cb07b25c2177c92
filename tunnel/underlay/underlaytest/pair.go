// Package underlaytest holds what every underlay must pass, and a pair of underlays in memory.
package underlaytest

import (
	"net"
	"net/netip"
	"sync"

	"byway/tunnel/underlay"
)

const (
	memoryBatch = 128
	memoryMTU   = 1<<16 - 1 - 20 - 8
	memoryQueue = 1 << 14 // datagrams that wait at one end; what comes above is lost
	firstPort   = 1024
)

// Memory is one end of a link in memory. It implements underlay.Underlay.
type Memory struct {
	ip   netip.Addr
	link *link

	mu    sync.Mutex
	came  *sync.Cond
	at    netip.AddrPort // invalid: closed
	self  *underlay.Endpoint
	turn  int // counts openings, so that a function of an earlier one ends
	queue []datagram
	spare [][]byte
}

type datagram struct {
	from *underlay.Endpoint
	data []byte
}

// link finds an end by its address.
type link struct {
	mu   sync.Mutex
	ends map[netip.AddrPort]*Memory
	next uint16
}

// NewPair makes the two ends of a link, both closed. They are at 192.0.2.1 and 192.0.2.2.
func NewPair() (a, b *Memory) {
	l := &link{ends: make(map[netip.AddrPort]*Memory), next: firstPort}
	end := func(ip string) *Memory {
		m := &Memory{ip: netip.MustParseAddr(ip), link: l}
		m.came = sync.NewCond(&m.mu)
		return m
	}
	return end("192.0.2.1"), end("192.0.2.2")
}

// Open implements underlay.Underlay.
func (m *Memory) Open(port uint16) ([]underlay.ReceiveFunc, uint16, error) {
	m.link.mu.Lock()
	defer m.link.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.IsValid() {
		return nil, 0, underlay.ErrOpen
	}
	if port == 0 {
		port = m.link.next
		m.link.next++
	}
	m.at = netip.AddrPortFrom(m.ip, port)
	m.self = underlay.At(m.at)
	m.link.ends[m.at] = m
	m.turn++
	turn := m.turn
	return []underlay.ReceiveFunc{func(slab []byte, packets []underlay.Packet) (int, error) {
		return m.receive(turn, slab, packets)
	}}, port, nil
}

func (m *Memory) receive(turn int, slab []byte, packets []underlay.Packet) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.turn == turn && m.at.IsValid() && len(m.queue) == 0 {
		m.came.Wait()
	}
	if m.turn != turn || !m.at.IsValid() {
		return 0, net.ErrClosed
	}
	n, at := 0, 0
	for n < len(packets) && n < len(m.queue) && at+len(m.queue[n].data) <= len(slab) {
		d := m.queue[n]
		packets[n] = underlay.Packet{Offset: at, Size: copy(slab[at:], d.data), From: d.from}
		at += len(d.data)
		m.spare = append(m.spare, d.data[:0])
		n++
	}
	left := copy(m.queue, m.queue[n:])
	clear(m.queue[left:])
	m.queue = m.queue[:left]
	return n, nil
}

// Send implements underlay.Underlay. What is for nobody is lost.
func (m *Memory) Send(bufs [][]byte, offset int, to *underlay.Endpoint) error {
	for _, b := range bufs {
		if len(b)-offset > memoryMTU {
			return underlay.ErrTooLarge
		}
	}
	m.mu.Lock()
	self, open := m.self, m.at.IsValid()
	m.mu.Unlock()
	if !open {
		return net.ErrClosed
	}
	m.link.mu.Lock()
	far := m.link.ends[to.Remote()]
	m.link.mu.Unlock()
	if far == nil {
		return nil
	}
	far.mu.Lock()
	defer far.mu.Unlock()
	if far.at != to.Remote() {
		return nil
	}
	for _, b := range bufs {
		if len(far.queue) >= memoryQueue {
			break
		}
		var data []byte
		if n := len(far.spare); n > 0 {
			data, far.spare = far.spare[n-1], far.spare[:n-1]
		}
		far.queue = append(far.queue, datagram{self, append(data, b[offset:]...)})
	}
	far.came.Broadcast()
	return nil
}

// Limits implements underlay.Underlay.
func (m *Memory) Limits() (batch, mtu int) { return memoryBatch, memoryMTU }

// Close implements underlay.Underlay.
func (m *Memory) Close() error {
	m.link.mu.Lock()
	defer m.link.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.link.ends, m.at)
	m.at, m.self, m.queue = netip.AddrPort{}, nil, nil
	m.came.Broadcast()
	return nil
}

package netstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// PacketConn is an unconnected UDP socket of the stack that reaches both families. It takes datagrams only from the
// addresses and ports that it has sent to (address and port-dependent filtering, RFC 4787): the far side of a tunnel is
// a stranger's machine, and nothing here waits for a stranger's first word.
type PacketConn struct {
	*gonet.UDPConn
	net    *Net
	mapped bool // IPv4 is written as mapped IPv6
	spoken peers
	closed sync.Once
}

// peers are addresses that a socket has sent to, the last ones at least. Two generations bound them.
type peers struct {
	last atomic.Pointer[netip.AddrPort] // most sockets speak with one

	mu        sync.Mutex
	list, old map[netip.AddrPort]struct{}
}

const maxPeers = 1024 // of a generation

func (p *peers) add(to netip.AddrPort) {
	if last := p.last.Load(); last != nil && *last == to {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.list[to]; !ok {
		if p.list == nil || len(p.list) >= maxPeers {
			p.old, p.list = p.list, make(map[netip.AddrPort]struct{})
		}
		p.list[to] = struct{}{}
	}
	p.last.Store(&to)
}

func (p *peers) has(from netip.AddrPort) bool {
	if last := p.last.Load(); last != nil && *last == from {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.list[from]
	if !ok {
		_, ok = p.old[from]
	}
	return ok
}

// recent lists up to n of them.
func (p *peers) recent(n int) []netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []netip.AddrPort
	for _, generation := range []map[netip.AddrPort]struct{}{p.list, p.old} {
		for a := range generation {
			if len(all) == n {
				return all
			}
			all = append(all, a)
		}
	}
	return all
}

// maxFarewells is how many peers a socket that closes takes leave of.
const maxFarewells = 256

// Close closes the socket, and tells the far side that nobody listens any more for its peers' answers, as a host does that
// gets one ("port unreachable"): so it need not keep what belongs to the socket until it has rested for long.
func (c *PacketConn) Close() error {
	c.closed.Do(func() {
		f := c.net.dev.inbound
		local, ok := c.LocalAddr().(*net.UDPAddr)
		if f == nil || !ok {
			return
		}
		for _, peer := range c.spoken.recent(maxFarewells) {
			var own netip.Addr
			switch {
			case peer.Addr().Is4() && len(f.v4) > 0:
				own = netip.AddrFrom4(f.v4[0])
			case peer.Addr().Is6() && len(f.v6) > 0:
				own = netip.AddrFrom16(f.v6[0])
			default:
				continue
			}
			c.net.Refuse(uint8(udp.ProtocolNumber), peer, netip.AddrPortFrom(own, uint16(local.Port)), 0, UnreachablePort)
		}
	})
	return c.UDPConn.Close()
}

// ListenUDP opens a UDP socket on a port of the stack's choice.
func (n *Net) ListenUDP() (*PacketConn, error) {
	proto := ipv4.ProtocolNumber
	if n.has6 {
		proto = ipv6.ProtocolNumber
	}
	var wq waiter.Queue
	ep, err := n.stack.NewEndpoint(udp.ProtocolNumber, proto, &wq)
	if err != nil {
		return nil, fmt.Errorf("listen udp: %w", asError(err))
	}
	if err := ep.Bind(tcpip.FullAddress{}); err != nil {
		ep.Close()
		return nil, fmt.Errorf("listen udp: %w", asError(err))
	}
	ep.SocketOptions().SetReceiveBufferSize(1<<20, false)
	return &PacketConn{UDPConn: gonet.NewUDPConn(&wq, ep), net: n, mapped: n.has6}, nil
}

// DialUDP opens a UDP socket that speaks with one address.
func (n *Net) DialUDP(dst netip.AddrPort) (net.Conn, error) {
	to, proto := fullAddress(dst)
	return gonet.DialUDP(n.stack, nil, &to, proto)
}

var errNotUDP = errors.New("address is not a UDP address")

// WriteTo implements net.PacketConn.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	ua, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: addr, Err: errNotUDP}
	}
	ip := ua.IP.To4()
	if ip == nil || c.mapped {
		ip = ua.IP.To16()
	}
	to := ua.AddrPort()
	c.spoken.add(netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return c.UDPConn.WriteTo(b, &net.UDPAddr{IP: ip, Port: ua.Port})
}

// ReadFrom implements net.PacketConn; mapped addresses come back as IPv4.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := c.UDPConn.ReadFrom(b)
		ua, ok := addr.(*net.UDPAddr)
		if err != nil || !ok {
			return n, addr, err
		}
		from := ua.AddrPort()
		if !c.spoken.has(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())) {
			continue
		}
		if v4 := ua.IP.To4(); v4 != nil {
			ua.IP = v4
		}
		return n, addr, nil
	}
}

package netstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// PacketConn is an unconnected UDP socket of the stack that reaches both families.
type PacketConn struct {
	*gonet.UDPConn
	net    *Net
	mapped bool // IPv4 is written as mapped IPv6
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
	return c.UDPConn.WriteTo(b, &net.UDPAddr{IP: ip, Port: ua.Port})
}

// ReadFrom implements net.PacketConn; mapped addresses come back as IPv4.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.UDPConn.ReadFrom(b)
	if ua, ok := addr.(*net.UDPAddr); ok {
		if v4 := ua.IP.To4(); v4 != nil {
			ua.IP = v4
		}
	}
	return n, addr, err
}

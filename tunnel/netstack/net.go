package netstack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// nic is the number of the one interface of a stack.
const nic tcpip.NICID = 1

// Buffers of one TCP connection, in bytes. The send buffer bounds how much is in flight over a long path; the receive
// buffer grows with the path by itself. Memory is taken only by data that waits.
const (
	sendBuffer    = 2 << 20
	receiveBuffer = 1 << 20
	maxReceive    = 4 << 20
)

// Config describes a stack.
type Config struct {
	// MTU of the inner packets, in bytes.
	MTU int
	// Addrs are the stack's own addresses.
	Addrs []netip.Addr
	// Forward makes the stack accept packets to any address, and open and answer connections in its name; with OnEcho it
	// sends no ICMP in a name but its own. Without it the stack takes only what
	// answers its own connections, sends no errors and answers no pings.
	Forward bool
	// OnDenied, where set, is told of destinations that the far side says its policy denies. It must not block.
	OnDenied func(dst netip.AddrPort)
	// OnEcho, where set, is given echo requests before the stack would answer them, and says whether it took them. It
	// must neither block nor keep the packet.
	OnEcho func(e Echo) bool
	// OnFarewell, where set, is told that the sender of datagrams from to to from wants no more answers. It must not block.
	OnFarewell func(from, to netip.AddrPort)
}

// Net is one userspace TCP/IP stack. It is safe for concurrent use.
type Net struct {
	dev   *Device
	stack *stack.Stack
	has4  bool
	has6  bool
	own   []netip.Addr
	port  atomic.Uint32 // taken last by a connection

	closeOnce sync.Once
}

// New starts a stack.
func New(cfg Config) (*Net, error) {
	if cfg.MTU < header.IPv6MinimumMTU || cfg.MTU > 1<<16-1 {
		return nil, fmt.Errorf("netstack mtu %d: must be between %d and 65535", cfg.MTU, header.IPv6MinimumMTU)
	}
	n := &Net{dev: newDevice(cfg), own: cfg.Addrs}
	n.port.Store(rand.Uint32N(ports))
	n.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			// Addresses of loopback ranges do come through the tunnel: the exit's policy decides about them.
			ipv4.NewProtocolWithOptions(ipv4.Options{AllowExternalLoopbackTraffic: true}),
			ipv6.NewProtocolWithOptions(ipv6.Options{AllowExternalLoopbackTraffic: true}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})
	if err := n.configure(cfg); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Net) configure(cfg Config) error {
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	synRetries := tcpip.TCPSynRetriesOption(5)
	// Without RACK: after the loss of a whole window, which is what a closed gate is, the stack's RACK resends two
	// packets a timeout, while plain SACK recovery resumes at once.
	recovery := tcpip.TCPRecovery(0)
	// A consumer's kernel that opens many connections to one host soon takes a port again, and the stack drops what
	// comes to one that it remembers; sequence numbers keep what is late apart.
	timeWait := tcpip.TCPTimeWaitTimeoutOption(500 * time.Millisecond)
	for _, opt := range []tcpip.SettableTransportProtocolOption{
		&sack, &moderate, &synRetries, &timeWait, &recovery,
		&tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: sendBuffer, Max: sendBuffer},
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: receiveBuffer, Max: maxReceive},
	} {
		if err := n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, opt); err != nil {
			return fmt.Errorf("netstack option %T: %s", opt, err)
		}
	}
	if err := n.stack.CreateNIC(nic, n.dev); err != nil {
		return fmt.Errorf("netstack interface: %s", err)
	}
	for _, a := range cfg.Addrs {
		proto := ipv6.ProtocolNumber
		if a.Is4() {
			proto, n.has4 = ipv4.ProtocolNumber, true
		} else {
			n.has6 = true
		}
		addr := tcpip.ProtocolAddress{Protocol: proto, AddressWithPrefix: Address(a).WithPrefix()}
		if err := n.stack.AddProtocolAddress(nic, addr, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("netstack address %v: %s", a, err)
		}
	}
	if !cfg.Forward {
		n.stack.SetICMPLimit(0)
		n.stack.SetICMPBurst(0)
	} else {
		n.has4, n.has6 = true, true
		if err := n.stack.SetPromiscuousMode(nic, true); err != nil {
			return fmt.Errorf("netstack forwarding: %s", err)
		}
		if err := n.stack.SetSpoofing(nic, true); err != nil {
			return fmt.Errorf("netstack forwarding: %s", err)
		}
	}
	if n.has4 {
		n.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: nic})
	}
	if n.has6 {
		n.stack.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: nic})
	}
	return nil
}

// Device is the face for the WireGuard engine.
func (n *Net) Device() tun.Device { return tunFace{n.dev} }

// Stack gives the stack itself, for forwarders.
func (n *Net) Stack() *stack.Stack { return n.stack }

// Drain waits until the engine has taken every queued packet, or d has passed.
func (n *Net) Drain(d time.Duration) {
	for end := time.Now().Add(d); !n.dev.drained() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// Inject sends a whole IP packet towards the engine as if the stack had made it.
func (n *Net) Inject(packet []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	n.dev.push(pkt)
	pkt.DecRef()
}

// Close resets every connection, ends the device and waits for the stack's goroutines.
func (n *Net) Close() {
	n.closeOnce.Do(func() {
		// Connections first, so that those who wait on them learn of it; then the device, so that nobody who still
		// sends can wait for room that will not come.
		n.dev.shut()
		n.stack.Close()
		n.stack.Wait()
	})
}

// Address converts an address to the stack's form.
func Address(a netip.Addr) tcpip.Address {
	if a.Is4() {
		return tcpip.AddrFrom4(a.As4())
	}
	return tcpip.AddrFrom16(a.As16())
}

// AddrPort converts an address of the stack.
func AddrPort(a tcpip.Address, port uint16) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(addr, port)
}

func fullAddress(ap netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	proto := ipv6.ProtocolNumber
	if ap.Addr().Is4() {
		proto = ipv4.ProtocolNumber
	}
	return tcpip.FullAddress{NIC: nic, Addr: Address(ap.Addr()), Port: ap.Port()}, proto
}

// Reaches reports whether the stack has an address of a's family.
func (n *Net) Reaches(a netip.Addr) bool {
	if a.Is4() {
		return n.has4
	}
	return n.has6
}

// DialTCP connects to dst. Errors unwrap to syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or ETIMEDOUT.
func (n *Net) DialTCP(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	conn, err := n.dialTCP(ctx, dst)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(dst), Err: err}
	}
	return conn, nil
}

func (n *Net) dialTCP(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !n.Reaches(dst.Addr()) {
		return nil, os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	to, proto := fullAddress(dst)
	var wq waiter.Queue
	ep, terr := n.stack.NewEndpoint(tcp.ProtocolNumber, proto, &wq)
	if terr != nil {
		return nil, asError(terr)
	}
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)

	if terr = n.bind(ep); terr == nil {
		terr = ep.Connect(to)
	}
	if _, started := terr.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			ep.Abort()
			return nil, ctx.Err()
		case <-connected:
		}
		terr = ep.LastError()
	}
	if terr != nil {
		ep.Close()
		return nil, asError(terr)
	}
	return NewConn(&wq, ep), nil
}

// Local ports of connections, the range of RFC 6056 and some more.
const firstPort, ports = 16 << 10, 48 << 10

// bind gives a connection the port after the one given last. An exit's stack remembers a connection for a while after
// its end and hears nothing from the same ports meanwhile; ports at random would meet such a one every now and then, and
// a program would wait for a second.
func (n *Net) bind(ep tcpip.Endpoint) (terr tcpip.Error) {
	for range ports {
		terr = ep.Bind(tcpip.FullAddress{Port: uint16(firstPort + n.port.Add(1)%ports)})
		if _, used := terr.(*tcpip.ErrPortInUse); !used {
			return terr
		}
	}
	return terr
}

// Probing of silent connections: a peer that answers nothing for about 105 seconds is taken for dead.
const (
	keepaliveIdle     = 60 * time.Second
	keepaliveInterval = 15 * time.Second
	keepaliveCount    = 3
)

// Conn is a TCP connection of the stack.
type Conn struct {
	*gonet.TCPConn
	ep tcpip.Endpoint
}

// NewConn makes a connection of a connected endpoint.
func NewConn(wq *waiter.Queue, ep tcpip.Endpoint) *Conn {
	idle := tcpip.KeepaliveIdleOption(keepaliveIdle)
	interval := tcpip.KeepaliveIntervalOption(keepaliveInterval)
	// The stack refuses none of these on a TCP endpoint.
	ep.SetSockOpt(&idle)
	ep.SetSockOpt(&interval)
	ep.SetSockOptInt(tcpip.KeepaliveCountOption, keepaliveCount)
	ep.SocketOptions().SetKeepAlive(true)
	ep.SocketOptions().SetDelayOption(false)
	return &Conn{TCPConn: gonet.NewTCPConn(wq, ep), ep: ep}
}

// SetSendBuffer bounds what the connection keeps until it is acknowledged, in bytes, between 128 KiB and the default.
func (c *Conn) SetSendBuffer(n int) {
	c.ep.SocketOptions().SetSendBufferSize(int64(min(max(n, 128<<10), sendBuffer)), true)
}

// Abort resets the connection at once; whoever reads or writes it gets an error.
func (c *Conn) Abort() { c.ep.Abort() }

// asError gives an error of the stack the system's identity where there is one.
func asError(terr tcpip.Error) error {
	switch terr.(type) {
	case *tcpip.ErrConnectionRefused:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case *tcpip.ErrConnectionReset:
		return os.NewSyscallError("connect", syscall.ECONNRESET)
	case *tcpip.ErrTimeout:
		return os.NewSyscallError("connect", syscall.ETIMEDOUT)
	case *tcpip.ErrHostUnreachable, *tcpip.ErrHostDown:
		return os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	case *tcpip.ErrNetworkUnreachable, *tcpip.ErrNoNet:
		return os.NewSyscallError("connect", syscall.ENETUNREACH)
	case *tcpip.ErrClosedForSend, *tcpip.ErrClosedForReceive, *tcpip.ErrInvalidEndpointState:
		return net.ErrClosed
	}
	return errors.New(terr.String())
}

package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"byway/tunnel/meter"
	"byway/tunnel/netstack"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
)

const (
	// maxDialing is more than all sessions can have waiting or being dialled: the forwarder would drop what is above it
	// whosesoever it is, while turns and places are shared fairly.
	maxDialing = 1 << 30

	// hostDialTimeout is shorter than what consumers' stacks wait, so that they learn the reason.
	hostDialTimeout = 10 * time.Second

	// acceptWindow is the receive window that a forwarded connection starts with.
	acceptWindow = 1 << 20
)

// forwardTCP installs the TCP forwarder.
func (e *Exit) forwardTCP() {
	dial := tcp.NewForwarder(e.net.Stack(), acceptWindow, maxDialing, e.handleTCP)
	e.net.Stack().SetTransportProtocolHandler(tcp.ProtocolNumber,
		func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
			return e.handleSegment(dial, id, pkt)
		})
}

func flowAddrs(id stack.TransportEndpointID) (src, dst netip.AddrPort) {
	return netstack.AddrPort(id.RemoteAddress, id.RemotePort), netstack.AddrPort(id.LocalAddress, id.LocalPort)
}

// handleSegment sees every segment that belongs to no connection. What it does not handle is answered with a reset, so
// a denied SYN leaves no state behind.
func (e *Exit) handleSegment(dial *tcp.Forwarder, id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.TCP(pkt.TransportHeader().Slice())
	if len(h) < header.TCPMinimumSize || h.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
		return false
	}
	src, dst := flowAddrs(id)
	if err := e.check(packet.TCP, dst); err != nil {
		e.net.Refuse(uint8(packet.TCP), src, dst, h.SequenceNumber(), netstack.UnreachableDenied)
		return false
	}
	// Where too many wait already, the SYN is dropped: it comes again. A reset would say that nobody listens there.
	if s := e.session(src.Addr()); s == nil || !e.dns.at(dst) && s.turns.Full(turnstile.LaneTCP) {
		return true
	}
	e.syns.note(id, h.SequenceNumber())
	if !dial.HandlePacket(id, pkt) {
		e.syns.forget(id)
		return false
	}
	return true
}

// check is the policy with the inner networks closed: sessions reach neither each other nor the exit, save for its DNS.
func (e *Exit) check(proto packet.Proto, dst netip.AddrPort) error {
	if e.dns.at(dst) {
		return nil
	}
	if e.nets.Contains(dst.Addr()) {
		return &policy.DeniedError{Dst: dst, Reason: "inner network"}
	}
	return e.policy.Check(proto, dst)
}

// control checks the address that a socket is about to connect to. It is the last word, whatever led there.
func (e *Exit) control(network, address string, _ syscall.RawConn) error {
	dst, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	proto := packet.TCP
	if len(network) >= 3 && network[:3] == "udp" {
		proto = packet.UDP
	}
	if e.nets.Contains(dst.Addr()) {
		return &policy.DeniedError{Dst: dst, Reason: "inner network"}
	}
	if err := e.policy.Check(proto, dst); err != nil {
		return err
	}
	e.dialing(proto, dst)
	return nil
}

// dialing tells whoever watches that the host is about to send to dst for a session.
func (e *Exit) dialing(proto packet.Proto, dst netip.AddrPort) {
	if e.onDial != nil {
		e.onDial(proto, dst)
	}
}

// enter counts a goroutine that Close waits for, unless the exit is closing.
func (e *Exit) enter() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return false
	}
	e.wg.Add(1)
	return true
}

// handleTCP serves one connection request in a goroutine of its own.
func (e *Exit) handleTCP(req *tcp.ForwarderRequest) {
	defer e.syns.forget(req.ID())
	if !e.enter() {
		req.Complete(false)
		return
	}
	defer e.wg.Done()
	src, dst := flowAddrs(req.ID())
	s := e.session(src.Addr())
	if s == nil {
		req.Complete(false)
		return
	}
	if e.dns.at(dst) {
		e.acceptNames(req, s)
		return
	}
	f, err := s.open(e.ctx, turnstile.LaneTCP)
	if err != nil {
		req.Complete(s.over())
		return
	}
	defer f.End()

	// The host first, and the consumer's handshake only when the host has answered.
	ctx, cancel := context.WithTimeout(e.ctx, hostDialTimeout)
	defer cancel()
	if !f.OnStop(cancel) {
		req.Complete(true)
		return
	}
	host, err := e.dialPatiently(ctx, "tcp", dst)
	if err != nil {
		e.log.Debug("exit could not dial", "proto", packet.TCP, "dst", dst, "error", err)
		if why, ok := unreachable(err); ok {
			if seq, ok := e.syns.of(req.ID()); ok {
				e.net.Refuse(uint8(packet.TCP), src, dst, seq, why)
			}
		}
		// A reset says that the destination refuses. That it did not answer, what this host lacks, and what became of this
		// flow's place, is nothing that a reset could say.
		refused := errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
		req.Complete(refused || s.over())
		return
	}
	conn := accept(req, f)
	if conn == nil {
		relay.Reset(host)
		return
	}
	if paced := s.copies.Limit(); paced != rate.Inf {
		// What waits in the stack has passed the pacing: it must not become more than the meter lets pass at once.
		conn.SetSendBuffer(int(float64(paced) * meter.Burst.Seconds() / 2))
	}
	alive, stop := context.WithCancel(e.ctx)
	defer stop()
	if !f.OnStop(func() { stop(); conn.Abort(); relay.Reset(host) }) {
		return
	}
	relay.RunNoting(conn, host.(*net.TCPConn), f.Latest(), func(n int) error {
		if s.copies.Limit() == rate.Inf {
			return nil
		}
		return s.copies.WaitN(alive, n)
	})
}

// dialPatiently dials, and tries again while the host itself lacks something, until ctx ends. Its error then unwraps to
// turnstile.ErrShort.
func (e *Exit) dialPatiently(ctx context.Context, network string, dst netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Control: e.control, KeepAlive: time.Minute}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		conn, err := dialer.DialContext(ctx, network, dst.String())
		if err == nil || !turnstile.IsShortage(err) && !turnstile.PortsAreOut(err, dst) {
			return conn, err
		}
		e.short.say(e.log, err)
		select {
		case <-ctx.Done():
			return nil, errors.Join(turnstile.ErrShort, err)
		case <-time.After(wait):
		}
	}
}

// accept ends the consumer's handshake. It returns nil when the consumer does not answer or its session has ended.
func accept(req *tcp.ForwarderRequest, f *turnstile.Flow) *netstack.Conn {
	conn := handshake(req)
	if conn == nil || !f.OnStop(conn.Abort) {
		return nil
	}
	return conn
}

func handshake(req *tcp.ForwarderRequest) *netstack.Conn {
	var wq waiter.Queue
	ep, terr := req.CreateEndpoint(&wq)
	if terr != nil {
		req.Complete(true)
		return nil
	}
	req.Complete(false)
	return netstack.NewConn(&wq, ep)
}

// acceptNames serves a connection to the exit's DNS. It takes no descriptor and no place among the session's flows.
func (e *Exit) acceptNames(req *tcp.ForwarderRequest, s *Session) {
	if conn := handshake(req); conn != nil {
		e.dns.serveTCP(s, conn)
	}
}

// unreachable tells which reason to give the consumer: none when a reset says it all, and none for what the host itself
// lacks.
func unreachable(err error) (netstack.Unreachable, bool) {
	var denied *policy.DeniedError
	switch {
	case errors.As(err, &denied), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return netstack.UnreachableDenied, true
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, context.Canceled),
		errors.Is(err, turnstile.ErrShort), turnstile.IsShortage(err):
		return 0, false
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL):
		return netstack.UnreachableNet, true
	}
	return netstack.UnreachableHost, true
}

// syns keeps the sequence numbers of the connection requests that are under way, which the forwarder does not tell: without
// the right one the consumer's kernel takes no message about a connection (RFC 5927, section 4). Requests that are under way
// are bounded elsewhere.
type syns struct {
	mu   sync.Mutex
	list map[stack.TransportEndpointID]uint32
}

// note is called before a request is handed on; a SYN that comes again has the same number.
func (s *syns) note(id stack.TransportEndpointID, seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = make(map[stack.TransportEndpointID]uint32)
	}
	s.list[id] = seq
}

func (s *syns) of(id stack.TransportEndpointID) (seq uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok = s.list[id]
	return seq, ok
}

// forget is called once a request is complete, or was not taken.
func (s *syns) forget(id stack.TransportEndpointID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, id)
}

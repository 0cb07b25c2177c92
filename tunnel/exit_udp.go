package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"byway/tunnel/dialer"
	"byway/tunnel/netstack"
	"byway/tunnel/packet"
	"byway/tunnel/turnstile"
)

// udpIdle is how long a UDP flow may rest before its socket is closed (RFC 4787 asks for two minutes or more).
const udpIdle = 2 * time.Minute

// What waits while a flow is being opened: so many datagrams of one flow, and so many bytes of a session. What comes
// above is lost, as datagrams are.
const (
	udpHeld      = 16
	udpHeldBytes = 256 << 10
)

// maxDatagram is the largest payload of UDP over IPv4. A datagram is forwarded whole or not at all.
const maxDatagram = 65507

// udpBuffers hold any datagram that a host's socket may give, of IPv6 as well, and one byte more, by which a
// longer one would show.
var udpBuffers = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// udpKey names a UDP flow of a session.
type udpKey struct{ src, dst netip.AddrPort }

// udpFlow is a host socket connected to one destination, so that replies come from there only.
type udpFlow struct {
	*turnstile.Flow
	host *net.UDPConn // nothing while the flow is being opened
	open atomic.Bool  // host is there, and no datagram is held

	mu   sync.Mutex
	held [][]byte // until host is there
	over bool     // it never will be
}

// forwardUDP installs the UDP forwarder. The stack keeps no sockets for it: datagrams go straight to host sockets.
func (e *Exit) forwardUDP() {
	e.net.Stack().SetTransportProtocolHandler(udp.ProtocolNumber, e.handleDatagram)
}

// handleDatagram sees every UDP datagram. It runs in the packet path and must not wait.
func (e *Exit) handleDatagram(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	src, dst := flowAddrs(id)
	s := e.session(src.Addr())
	if s == nil {
		return true
	}
	if e.dns.at(dst) {
		e.dns.serveUDP(s, pkt.Data().AsRange().ToSlice(), func(reply []byte) error {
			back, err := e.net.Datagrams(dst, src)
			if err != nil {
				return err
			}
			defer back.Close()
			return back.Send(reply)
		})
		return true
	}
	key := udpKey{src, dst}
	s.mu.Lock()
	f := s.udp[key]
	s.mu.Unlock()
	if f == nil {
		if f = e.beginUDP(s, key); f == nil {
			return true
		}
	}
	views := pkt.Data().AsRange()
	if views.Size() > maxDatagram {
		return true
	}
	if !f.open.Load() && s.hold(f, views.ToSlice()) {
		return true
	}
	f.Touch()
	// A datagram that the host does not take is lost, as datagrams are.
	_, _ = f.host.Write(views.ToSlice())
	return true
}

// leaveUDP ends a flow whose consumer says that no socket of its own takes the answers any more. To is the consumer's
// own address, as the packet that said so came from it.
func (e *Exit) leaveUDP(from, to netip.AddrPort) {
	s := e.session(to.Addr())
	if s == nil {
		return
	}
	s.mu.Lock()
	f := s.udp[udpKey{to, from}]
	s.mu.Unlock()
	if f != nil && f.open.Load() {
		f.host.Close() // and what waits for its replies ends it
	}
}

// hold keeps a datagram for a flow that is being opened. It reports false when the flow is open.
func (s *Session) hold(f *udpFlow, datagram []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return true
	}
	if f.open.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.held) < udpHeld && s.held+len(datagram) <= udpHeldBytes {
		s.held += len(datagram)
		f.held = append(f.held, datagram)
	}
	return true
}

// release sends what was held, or forgets it where the flow has no socket. Datagrams that come later follow them.
func (s *Session) release(f *udpFlow, host *net.UDPConn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, datagram := range f.held {
		n += len(datagram)
		if host != nil {
			_, _ = host.Write(datagram)
		}
	}
	f.held = nil
	if f.host = host; host != nil {
		f.open.Store(true)
	} else {
		f.over = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
}

// beginUDP makes a flow, at once if nothing stands in its way and else when its turn has come. It returns nil for what
// the policy denies and when too many wait.
func (e *Exit) beginUDP(s *Session, key udpKey) *udpFlow {
	if err := e.check(packet.UDP, key.dst); err != nil {
		e.net.Refuse(uint8(packet.UDP), key.src, key.dst, 0, netstack.UnreachableDenied)
		return nil
	}
	f := new(udpFlow)
	s.mu.Lock()
	if other := s.udp[key]; other != nil || s.closed {
		s.mu.Unlock()
		return other
	}
	s.udp[key] = f
	s.mu.Unlock()
	place, turn := s.tryOpen(turnstile.LaneUDP)
	if place != nil {
		f.Flow = place
		conn, err := e.dialUDP(key)
		if err == nil {
			return e.runUDP(s, key, f, conn)
		}
		if !turnstile.IsShortage(err) {
			e.failUDP(s, key, f, err)
			return nil
		}
	}
	if place == nil && !turn && s.turns.Full(turnstile.LaneUDP) || !e.enter() {
		if place != nil {
			place.End()
		}
		s.turns.Refuse()
		e.held(turnstile.ErrBusy)
		s.forget(key, f)
		return nil
	}
	go func() {
		defer e.wg.Done()
		e.waitUDP(s, key, f, turn)
	}()
	return f
}

// waitUDP makes a flow that could not be made at once. Turn says that its turn has come.
func (e *Exit) waitUDP(s *Session, key udpKey, f *udpFlow, turn bool) {
	ctx, cancel := context.WithTimeout(e.ctx, turnstile.AdmitTime)
	defer cancel()
	var err error
	switch {
	case f.Flow != nil:
	case turn:
		if f.Flow, err = s.flows.Take(ctx, turnstile.RestUDP); err != nil {
			e.held(err)
		}
	default:
		f.Flow, err = s.open(ctx, turnstile.LaneUDP)
	}
	if err != nil {
		s.forget(key, f)
		return
	}
	if !f.OnStop(cancel) {
		f.End()
		s.forget(key, f)
		return
	}
	conn, err := e.dialPatiently(ctx, "udp", key.dst)
	if err != nil {
		e.failUDP(s, key, f, err)
		return
	}
	e.runUDP(s, key, f, conn)
}

// forget takes a flow that has no socket, or no more, from the session.
func (s *Session) forget(key udpKey, f *udpFlow) {
	s.mu.Lock()
	if s.udp[key] == f {
		delete(s.udp, key)
	}
	s.mu.Unlock()
	if !f.open.Load() {
		s.release(f, nil)
	}
}

// dialUDP opens a socket that speaks with a flow's destination alone.
func (e *Exit) dialUDP(key udpKey) (net.Conn, error) {
	dialer := net.Dialer{Control: e.control}
	return dialer.DialContext(e.ctx, "udp", key.dst.String())
}

// failUDP forgets a flow that has its place but no socket, and tells the consumer what a destination is to blame for.
func (e *Exit) failUDP(s *Session, key udpKey, f *udpFlow, err error) {
	f.End()
	s.forget(key, f)
	if why, ok := unreachable(err); ok {
		e.net.Refuse(uint8(packet.UDP), key.src, key.dst, 0, why)
	}
	e.log.Debug("exit could not dial", "proto", packet.UDP, "dst", key.dst, "error", err)
}

// runUDP starts a flow that has its place and its socket. It returns nil, having ended the flow, when the exit closes.
func (e *Exit) runUDP(s *Session, key udpKey, f *udpFlow, conn net.Conn) *udpFlow {
	host := conn.(*net.UDPConn)
	back, err := e.net.Datagrams(key.dst, key.src)
	if err == nil && !e.enter() {
		back.Close()
		err = dialer.ErrClosed
	}
	if err != nil {
		host.Close()
		f.End()
		s.forget(key, f)
		return nil
	}
	f.Touch()
	s.release(f, host)
	f.OnStop(func() { host.Close() })
	go func() {
		defer e.wg.Done()
		defer f.End()
		defer back.Close()
		err := f.replies(back)
		s.forget(key, f)
		host.Close()
		if errors.Is(err, syscall.ECONNREFUSED) {
			e.net.Refuse(uint8(packet.UDP), key.src, key.dst, 0, netstack.UnreachablePort)
		}
	}()
	return f
}

// replies carries the host's datagrams back until the flow has rested too long or its socket is closed.
func (f *udpFlow) replies(back *netstack.Datagrams) error {
	raw, err := f.host.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if err := f.host.SetReadDeadline(time.Unix(0, f.Latest().Load()).Add(udpIdle)); err != nil {
			return err
		}
		err := f.receive(raw, back)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if time.Since(time.Unix(0, f.Latest().Load())) < udpIdle {
				continue
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

package tunnel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"byway/tunnel/netstack"
)

// udpIdle is how long a UDP flow may rest before its socket is closed (RFC 4787 asks for two minutes or more).
const udpIdle = 2 * time.Minute

// udpKey names a UDP flow of a session.
type udpKey struct{ src, dst netip.AddrPort }

// udpFlow is a host socket connected to one destination, so that replies come from there only.
type udpFlow struct {
	host *net.UDPConn
	last atomic.Int64 // Unix nanoseconds of the latest datagram, either way
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
		if f = e.openUDP(s, key); f == nil {
			return true
		}
	}
	f.last.Store(time.Now().UnixNano())
	// A datagram that the host does not take is lost, as datagrams are.
	if views := pkt.Data().AsRange(); views.Size() <= maxDatagram {
		_, _ = f.host.Write(views.ToSlice())
	}
	return true
}

// maxDatagram is the largest payload of UDP over IPv4.
const maxDatagram = 65507

// openUDP makes a flow, or refuses it and returns nil.
func (e *Exit) openUDP(s *Session, key udpKey) *udpFlow {
	if err := e.check(UDP, key.dst); err != nil {
		e.net.Refuse(uint8(UDP), key.src, key.dst, 0, netstack.UnreachableDenied)
		return nil
	}
	count := s.open()
	if count == nil {
		return nil
	}
	dialer := net.Dialer{Control: e.control}
	conn, err := dialer.DialContext(e.ctx, "udp", key.dst.String())
	if err != nil {
		count.end()
		if why, ok := unreachable(err); ok {
			e.net.Refuse(uint8(UDP), key.src, key.dst, 0, why)
		}
		e.log.Debug("exit could not dial", "proto", UDP, "dst", key.dst, "error", err)
		return nil
	}
	f := &udpFlow{host: conn.(*net.UDPConn)}
	back, err := e.net.Datagrams(key.dst, key.src)
	if err == nil && !e.enter() {
		back.Close()
		err = ErrClosed
	}
	if err != nil || !count.onStop(func() { f.host.Close() }) {
		f.host.Close()
		count.end()
		if err == nil {
			back.Close()
			e.wg.Done()
		}
		return nil
	}
	s.mu.Lock()
	s.udp[key] = f
	s.mu.Unlock()
	f.last.Store(time.Now().UnixNano())
	go func() {
		defer e.wg.Done()
		defer count.end()
		defer back.Close()
		err := f.replies(back)
		s.mu.Lock()
		delete(s.udp, key)
		s.mu.Unlock()
		f.host.Close()
		if errors.Is(err, syscall.ECONNREFUSED) {
			e.net.Refuse(uint8(UDP), key.src, key.dst, 0, netstack.UnreachablePort)
		}
	}()
	return f
}

// replies carries the host's datagrams back until the flow has rested too long or its socket is closed. A buffer is
// held only while there is something to read.
func (f *udpFlow) replies(back *netstack.Datagrams) error {
	raw, err := f.host.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if err := f.host.SetReadDeadline(time.Unix(0, f.last.Load()).Add(udpIdle)); err != nil {
			return err
		}
		var readErr error
		err := raw.Read(func(fd uintptr) bool {
			buf := copyBuffers.Get().(*[copySize]byte)
			defer copyBuffers.Put(buf)
			for range 64 {
				n, err := syscall.Read(int(fd), buf[:])
				switch {
				case errors.Is(err, syscall.EAGAIN):
					return false
				case errors.Is(err, syscall.EINTR):
					continue
				case err != nil:
					readErr = err
					return true
				}
				f.last.Store(time.Now().UnixNano())
				if readErr = back.Send(buf[:n]); readErr != nil {
					return true
				}
			}
			return true // and come again, with a fresh deadline
		})
		if readErr != nil {
			return readErr
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if time.Since(time.Unix(0, f.last.Load())) < udpIdle {
				continue
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

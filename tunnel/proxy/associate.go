package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"byway/tunnel/dialer"
)

// Limits of an association.
const (
	socksNames     = 1024 // kept resolved
	socksNameAge   = time.Minute
	socksNoNameAge = 5 * time.Second // of a name that was not resolved
	socksLookups   = 64              // at a time
	socksLookup    = 8 * time.Second
	socksWaiting   = 256 << 10 // bytes of datagrams that wait for a name
	socksOwnerAge  = 100 * time.Millisecond
)

// socksRoom is the longest header of a datagram towards the program.
const socksRoom = 3 + 1 + 16 + 2

// datagramBuffers hold the longest datagram there is, with a header.
var datagramBuffers = sync.Pool{New: func() any { return new([socksRoom + 1<<16]byte) }}

// socksAssociate relays datagrams for as long as the program keeps its connection open. Only datagrams of the
// program's own address are taken, from the first port that it uses, and on loopback only from a socket of the user who
// made the connection. The program gets answers only from where it has sent. A datagram goes whole or not at all.
func (p *Proxy) socksAssociate(ctx context.Context, c *greeting, want socksAddr) error {
	if !p.silent.takeFile() {
		p.full.Add(1)
		return errors.Join(errors.New("every descriptor of the proxy is in use"), replySOCKS(c, socksGeneral, netip.AddrPort{}))
	}
	defer p.silent.giveFile()
	local, remote := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	near, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local.Addr(), 0)))
	if err != nil {
		return errors.Join(fmt.Errorf("associate: %w", err), replySOCKS(c, socksGeneral, netip.AddrPort{}))
	}
	defer near.Close()
	far, err := p.dialer.ListenUDP()
	if err != nil {
		return errors.Join(fmt.Errorf("associate: %w", err), replySOCKS(c, socksReplies[dialer.Classify(err)], netip.AddrPort{}))
	}
	defer far.Close()
	a := &association{
		dialer: p.dialer, near: near, far: far, bound: addrPort(near.LocalAddr()), program: remote.Addr(), port: want.port,
		owners: p.owners, who: c.who, names: make(map[string]*resolution),
	}
	if err := replySOCKS(c, socksOK, a.bound); err != nil {
		return fmt.Errorf("answer request: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.outward(ctx) })
	wg.Go(a.inward)
	stop := context.AfterFunc(ctx, func() { near.Close(); far.Close() })
	defer stop()
	// Nothing more is expected on the connection; its end is the end of the association.
	_, _ = io.Copy(io.Discard, c)
	cancel()
	near.Close()
	far.Close()
	wg.Wait()
	return nil
}

type association struct {
	dialer  Dialer
	near    *net.UDPConn
	far     net.PacketConn
	bound   netip.AddrPort // near's own
	program netip.Addr     // where the program connected from
	port    uint16         // what it announced, 0 for any
	owners  *owners
	who     caller

	from  atomic.Pointer[netip.AddrPort] // the program's socket
	asked atomic.Int64                   // when its owner was last asked for and found, in Unix nanoseconds

	mu      sync.Mutex
	names   map[string]*resolution
	lookups int
	waiting int // bytes
}

// resolution is a name, or one that is being asked for.
type resolution struct {
	pending bool
	addr    netip.Addr // invalid: it has none
	until   time.Time
	queue   []waitingDatagram
}

type waitingDatagram struct {
	data []byte
	port uint16
}

// outward carries the program's datagrams into the tunnel until near is closed.
func (a *association) outward(ctx context.Context) {
	var lookups sync.WaitGroup
	defer lookups.Wait()
	buf := datagramBuffers.Get().(*[socksRoom + 1<<16]byte)
	defer datagramBuffers.Put(buf)
	for {
		n, from, err := a.near.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error about an earlier answer
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !a.own(from) {
			continue
		}
		dst, data, err := parseSOCKSDatagram(buf[:n])
		if err != nil {
			continue
		}
		to := dst.addr
		if dst.name != "" {
			if to = a.resolve(ctx, &lookups, dst, data); !to.IsValid() {
				continue
			}
		}
		a.send(data, netip.AddrPortFrom(to, dst.port))
	}
}

// send sends into the tunnel. A datagram that the tunnel does not take is lost, as datagrams are.
func (a *association) send(data []byte, to netip.AddrPort) {
	_, _ = a.far.WriteTo(data, net.UDPAddrFromAddrPort(to))
}

// own says whether a datagram comes from the program. The first one fixes the port.
func (a *association) own(from netip.AddrPort) bool {
	if known := a.from.Load(); known != nil {
		if a.owned(*known) {
			return from == *known
		}
		// The program has left that socket. It may use another.
		a.from.Store(nil)
		return false
	}
	if from.Addr() != a.program || a.port != 0 && from.Port() != a.port || !a.owned(from) {
		return false
	}
	a.from.Store(&from)
	return true
}

// owned says whether a socket of this machine belongs to the user who made the connection. The kernel is asked now and
// then, for a port that one program leaves another can take.
func (a *association) owned(socket netip.AddrPort) bool {
	if !a.who.local {
		return true
	}
	known := a.from.Load() != nil
	now := time.Now().UnixNano()
	if known && now-a.asked.Load() < int64(socksOwnerAge) {
		return true
	}
	uid, err := a.owners.ofDatagram(a.bound, socket)
	if err != nil || uid != a.who.uid {
		return false
	}
	a.asked.Store(now)
	return true
}

// resolve returns the address of a name that is known. Of one that is not, the datagram waits while it is asked for, and
// datagrams to other places go on.
func (a *association) resolve(ctx context.Context, lookups *sync.WaitGroup, dst socksAddr, data []byte) netip.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.names[dst.name]
	if r != nil && !r.pending && time.Now().Before(r.until) {
		return r.addr
	}
	if r == nil || !r.pending {
		if a.lookups >= socksLookups {
			return netip.Addr{}
		}
		if len(a.names) >= socksNames {
			for name, r := range a.names {
				if !r.pending {
					delete(a.names, name)
				}
			}
		}
		r = &resolution{pending: true}
		a.names[dst.name] = r
		a.lookups++
		lookups.Go(func() { a.lookup(ctx, dst.name, r) })
	}
	if a.waiting+len(data) <= socksWaiting {
		a.waiting += len(data) + 1 // empty ones take room as well
		r.queue = append(r.queue, waitingDatagram{append([]byte(nil), data...), dst.port})
	}
	return netip.Addr{}
}

// lookup asks for a name, and sends what waits for it.
func (a *association) lookup(ctx context.Context, name string, r *resolution) {
	ctx, cancel := context.WithTimeout(ctx, socksLookup)
	defer cancel()
	addrs, err := a.dialer.Resolve(ctx, name)
	var addr netip.Addr
	if err == nil && len(addrs) > 0 {
		addr = addrs[0]
	}
	a.mu.Lock()
	queue := r.queue
	r.pending, r.addr, r.queue = false, addr, nil
	if r.until = time.Now().Add(socksNoNameAge); addr.IsValid() {
		r.until = time.Now().Add(socksNameAge)
	}
	a.lookups--
	for _, d := range queue {
		a.waiting -= len(d.data) + 1
	}
	a.mu.Unlock()
	if !addr.IsValid() {
		return
	}
	for _, d := range queue {
		a.send(d.data, netip.AddrPortFrom(addr, d.port))
	}
}

// inward carries answers back until far is closed.
func (a *association) inward() {
	buf := datagramBuffers.Get().(*[socksRoom + 1<<16]byte)
	defer datagramBuffers.Put(buf)
	for {
		n, addr, err := a.far.ReadFrom(buf[socksRoom:])
		if err != nil {
			if a.closed() {
				return
			}
			// An ICMP error about an earlier datagram; reading goes on. The pause bounds a socket that only fails.
			time.Sleep(time.Millisecond)
			continue
		}
		to, from := a.from.Load(), addrPort(addr)
		if to == nil || !from.IsValid() || !a.owned(*to) {
			continue
		}
		var room [socksRoom]byte
		head := AppendSOCKSAddr(room[:3], from)
		start := socksRoom - len(head)
		copy(buf[start:], head)
		// What is too long for a datagram with its header is lost, not cut.
		_, _ = a.near.WriteToUDPAddrPort(buf[start:socksRoom+n], *to)
	}
}

// closed tells whether the association is over: near is closed with it.
func (a *association) closed() bool {
	return errors.Is(a.near.SetReadDeadline(time.Time{}), net.ErrClosed)
}

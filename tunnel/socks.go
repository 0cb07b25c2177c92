package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// SOCKS5, RFC 1928.
//
//	greeting  VER=5 NMETHODS METHODS...            answer  VER METHOD
//	request   VER CMD RSV ATYP DST.ADDR DST.PORT   answer  VER REP RSV ATYP BND.ADDR BND.PORT
//	datagram  RSV RSV FRAG ATYP DST.ADDR DST.PORT DATA
const (
	socksVersion = 5

	socksNoAuth   = 0
	socksNoMethod = 0xff

	socksConnect   = 1
	socksAssociate = 3

	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

// Replies.
const (
	socksOK          = 0
	socksGeneral     = 1
	socksNotAllowed  = 2
	socksNet         = 3
	socksHost        = 4
	socksRefused     = 5
	socksTimeout     = 6
	socksBadCommand  = 7
	socksBadAddrType = 8
)

var socksReplies = map[failure]byte{
	failGeneral: socksGeneral, failDenied: socksNotAllowed, failRefused: socksRefused, failHost: socksHost,
	failNet: socksNet, failTimeout: socksTimeout, failName: socksHost,
}

var errSOCKSAddrType = errors.New("unknown socks address type")

// socksAddr is a destination: an address or a name.
type socksAddr struct {
	addr netip.Addr
	name string
	port uint16
}

func (a socksAddr) host() string {
	if a.name != "" {
		return a.name
	}
	return a.addr.String()
}

// String is host:port.
func (a socksAddr) String() string { return net.JoinHostPort(a.host(), strconv.Itoa(int(a.port))) }

// readSOCKSAddr reads ATYP, address and port.
func readSOCKSAddr(r io.Reader) (socksAddr, error) {
	var b [256 + 2]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return socksAddr{}, err
	}
	var size int
	kind := b[0]
	switch kind {
	case socksIPv4:
		size = 4
	case socksIPv6:
		size = 16
	case socksName:
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return socksAddr{}, err
		}
		if size = int(b[0]); size == 0 {
			return socksAddr{}, errors.New("empty socks name")
		}
	default:
		return socksAddr{}, errSOCKSAddrType
	}
	if _, err := io.ReadFull(r, b[:size+2]); err != nil {
		return socksAddr{}, err
	}
	a := socksAddr{port: binary.BigEndian.Uint16(b[size:])}
	if kind != socksName {
		a.addr, _ = netip.AddrFromSlice(b[:size])
		a.addr = a.addr.Unmap()
		return a, nil
	}
	a.name = string(b[:size])
	if addr, err := netip.ParseAddr(a.name); err == nil && addr.Zone() == "" {
		a.addr, a.name = addr.Unmap(), "" // some programs send literals as names
	}
	return a, nil
}

// appendSOCKSAddr writes ATYP, address and port.
func appendSOCKSAddr(b []byte, a netip.AddrPort) []byte {
	kind := byte(socksIPv6)
	if a.Addr().Is4() {
		kind = socksIPv4
	}
	b = append(append(b, kind), a.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func replySOCKS(w io.Writer, code byte, bound netip.AddrPort) error {
	if !bound.IsValid() {
		bound = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	_, err := w.Write(appendSOCKSAddr([]byte{socksVersion, code, 0}, bound))
	return err
}

// serveSOCKS serves one connection from the greeting on.
func (p *Proxy) serveSOCKS(ctx context.Context, c *greeted) error {
	var b [257]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	methods := b[2 : 2+int(b[1])]
	if _, err := io.ReadFull(c, methods); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	if !slices.Contains(methods, socksNoAuth) {
		_, err := c.Write([]byte{socksVersion, socksNoMethod})
		return errors.Join(errors.New("program insists on a password"), err)
	}
	if _, err := c.Write([]byte{socksVersion, socksNoAuth}); err != nil {
		return fmt.Errorf("answer greeting: %w", err)
	}
	if _, err := io.ReadFull(c, b[:3]); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if b[0] != socksVersion {
		return fmt.Errorf("request of socks version %d", b[0])
	}
	command := b[1]
	dst, err := readSOCKSAddr(c)
	if errors.Is(err, errSOCKSAddrType) {
		return errors.Join(err, replySOCKS(c, socksBadAddrType, netip.AddrPort{}))
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	_ = c.SetDeadline(time.Time{})
	switch command {
	case socksConnect:
		return p.socksConnect(ctx, c, dst)
	case socksAssociate:
		return p.socksAssociate(ctx, c, dst)
	}
	return errors.Join(fmt.Errorf("unknown socks command %d", command), replySOCKS(c, socksBadCommand, netip.AddrPort{}))
}

func (p *Proxy) socksConnect(ctx context.Context, c *greeted, dst socksAddr) error {
	host, err := p.dial(ctx, dst.String())
	if err != nil {
		return errors.Join(fmt.Errorf("connect: %w", err), replySOCKS(c, socksReplies[classify(err)], netip.AddrPort{}))
	}
	var bound netip.AddrPort
	if a, ok := host.LocalAddr().(*net.TCPAddr); ok {
		bound = a.AddrPort()
	}
	if err := replySOCKS(c, socksOK, bound); err != nil {
		host.Close()
		return fmt.Errorf("answer request: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { reset(host) })
	defer stop()
	relay(c, host, nil)
	return nil
}

// Limits of an association.
const (
	socksDestinations = 1024 // names kept resolved, and addresses that may answer
	socksNameAge      = time.Minute
)

// socksAssociate relays datagrams for as long as the program keeps its connection open. Only datagrams of the
// program's own address are taken, from the first port that it uses, and it gets answers only from where it has sent.
func (p *Proxy) socksAssociate(ctx context.Context, c *greeted, want socksAddr) error {
	local, ok := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return errors.Join(errors.New("not a TCP connection"), replySOCKS(c, socksGeneral, netip.AddrPort{}))
	}
	near, err := net.ListenUDP("udp", &net.UDPAddr{IP: local.IP, Zone: local.Zone})
	if err != nil {
		return errors.Join(fmt.Errorf("associate: %w", err), replySOCKS(c, socksGeneral, netip.AddrPort{}))
	}
	defer near.Close()
	far, err := p.dialer.ListenUDP()
	if err != nil {
		return errors.Join(fmt.Errorf("associate: %w", err), replySOCKS(c, socksReplies[classify(err)], netip.AddrPort{}))
	}
	defer far.Close()
	bound := near.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := replySOCKS(c, socksOK, netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())); err != nil {
		return fmt.Errorf("answer request: %w", err)
	}
	a := &association{
		dialer: p.dialer, near: near, far: far, program: remote.AddrPort().Addr().Unmap(), port: want.port,
		names: make(map[string]resolved), sent: make(map[netip.AddrPort]struct{}),
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
	program netip.Addr // where the program connected from
	port    uint16     // what it announced, 0 for any
	from    atomic.Pointer[netip.AddrPort]

	names map[string]resolved // of outward alone

	mu   sync.Mutex
	sent map[netip.AddrPort]struct{}
}

type resolved struct {
	addr netip.Addr // invalid: it has none
	at   time.Time
}

// outward carries the program's datagrams into the tunnel until near is closed.
func (a *association) outward(ctx context.Context) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
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
		to, ok := a.resolve(ctx, dst)
		if !ok {
			continue
		}
		a.mu.Lock()
		if len(a.sent) >= socksDestinations {
			clear(a.sent)
		}
		a.sent[to] = struct{}{}
		a.mu.Unlock()
		// A datagram that the tunnel does not take is lost, as datagrams are.
		_, _ = a.far.WriteTo(data, net.UDPAddrFromAddrPort(to))
	}
}

// own says whether a datagram comes from the program. The first one fixes the port.
func (a *association) own(from netip.AddrPort) bool {
	if known := a.from.Load(); known != nil {
		return from == *known
	}
	if from.Addr() != a.program || a.port != 0 && from.Port() != a.port {
		return false
	}
	a.from.Store(&from)
	return true
}

// resolve asks for names at most once a minute.
func (a *association) resolve(ctx context.Context, dst socksAddr) (netip.AddrPort, bool) {
	if dst.name == "" {
		return netip.AddrPortFrom(dst.addr, dst.port), true
	}
	known, ok := a.names[dst.name]
	if !ok || time.Since(known.at) > socksNameAge {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		known = resolved{at: time.Now()}
		if addrs, err := a.dialer.Resolve(ctx, dst.name); err == nil && len(addrs) > 0 {
			known.addr = addrs[0]
		}
		if len(a.names) >= socksDestinations {
			clear(a.names)
		}
		a.names[dst.name] = known
	}
	return netip.AddrPortFrom(known.addr, dst.port), known.addr.IsValid()
}

// inward carries answers back until far is closed.
func (a *association) inward() {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	const room = 3 + 1 + 16 + 2 // the longest header
	for {
		n, addr, err := a.far.ReadFrom(buf[room:])
		if err != nil {
			if a.closed() {
				return
			}
			// An ICMP error about an earlier datagram; reading goes on. The pause bounds a socket that only fails.
			time.Sleep(time.Millisecond)
			continue
		}
		ua, ok := addr.(*net.UDPAddr)
		to := a.from.Load()
		if !ok || to == nil {
			continue
		}
		from := netip.AddrPortFrom(ua.AddrPort().Addr().Unmap(), uint16(ua.Port))
		a.mu.Lock()
		_, asked := a.sent[from]
		a.mu.Unlock()
		if !asked {
			continue
		}
		head := appendSOCKSAddr([]byte{0, 0, 0}, from)
		start := room - len(head)
		copy(buf[start:], head)
		_, _ = a.near.WriteToUDPAddrPort(buf[start:room+n], *to)
	}
}

// closed tells whether the association is over: near is closed with it.
func (a *association) closed() bool {
	return errors.Is(a.near.SetReadDeadline(time.Time{}), net.ErrClosed)
}

// parseSOCKSDatagram splits a datagram of a program. Fragments are not taken.
func parseSOCKSDatagram(b []byte) (socksAddr, []byte, error) {
	if len(b) < 4 || b[0] != 0 || b[1] != 0 {
		return socksAddr{}, nil, errors.New("not a socks datagram")
	}
	if b[2] != 0 {
		return socksAddr{}, nil, errors.New("fragmented socks datagram")
	}
	r := &sliceReader{b[3:]}
	dst, err := readSOCKSAddr(r)
	if err != nil {
		return socksAddr{}, nil, fmt.Errorf("socks datagram: %w", err)
	}
	return dst, r.b, nil
}

// sliceReader reads a slice and keeps the rest in reach.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

package tunnel

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"byway/tunnel/netstack"
)

// echoAge is how long an answer is waited for.
const echoAge = 10 * time.Second

// maxEchoes bounds the requests that wait for an answer, for all sessions.
const maxEchoes = 4096

// echoRelay forwards echo requests through one socket a family. The host's sequence numbers are ours: each names a
// request that waits, so that no consumer sees another's answers.
type echoRelay struct {
	exit *Exit

	mu      sync.Mutex
	socks   map[bool]*echoSocket // by "is IPv6"
	waiting map[echoKey]echoWait
	next    uint16
	closed  bool
}

type echoKey struct {
	six bool
	seq uint16
}

type echoWait struct {
	request netstack.Echo // without its data
	until   time.Time
}

// echoSocket is a host socket for echo requests; nil conn where the host permits none.
type echoSocket struct {
	conn *icmp.PacketConn
	raw  bool
	id   int
}

func newEchoRelay(e *Exit) *echoRelay {
	return &echoRelay{exit: e, socks: make(map[bool]*echoSocket), waiting: make(map[echoKey]echoWait)}
}

// request takes the echo requests of sessions. The exit's own inner addresses are left to the stack to answer.
func (r *echoRelay) request(e netstack.Echo) bool {
	v4, v6 := r.exit.nets.Addrs(exitIndex)
	if e.Dst == v4 || e.Dst == v6 {
		return false
	}
	s := r.exit.session(e.Src)
	if s == nil {
		return true
	}
	src, dst := netip.AddrPortFrom(e.Src, e.ID), netip.AddrPortFrom(e.Dst, 0)
	proto := uint8(ICMP)
	if e.Src.Is6() {
		proto = uint8(icmp6)
	}
	if err := r.exit.check(ICMP, dst); err != nil {
		r.exit.net.Refuse(proto, src, dst, uint32(e.Seq), netstack.UnreachableDenied)
		return true
	}
	if s.rate.Allow() {
		r.exit.dialing(ICMP, dst)
		r.forward(e)
	}
	return true
}

// icmp6 is the protocol number of ICMP for IPv6; policies know one ICMP.
const icmp6 Proto = 58

// forward sends a request to its destination. Whatever fails is a lost packet.
func (r *echoRelay) forward(e netstack.Echo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	six := e.Dst.Is6() && !e.Dst.Is4In6()
	sock := r.socketLocked(six)
	if sock == nil || sock.conn == nil {
		return
	}
	now := time.Now()
	if len(r.waiting) >= maxEchoes {
		for key, w := range r.waiting {
			if now.After(w.until) {
				delete(r.waiting, key)
			}
		}
		if len(r.waiting) >= maxEchoes {
			return
		}
	}
	r.next++
	key := echoKey{six, r.next}
	msg := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: sock.id, Seq: int(r.next), Data: e.Data}}
	if six {
		msg.Type = ipv6.ICMPTypeEchoRequest // the kernel fills in the checksum
	}
	packet, err := msg.Marshal(nil)
	if err != nil {
		return
	}
	e.Data = nil
	r.waiting[key] = echoWait{request: e, until: now.Add(echoAge)}
	var to net.Addr = &net.UDPAddr{IP: e.Dst.Unmap().AsSlice()}
	if sock.raw {
		to = &net.IPAddr{IP: e.Dst.Unmap().AsSlice()}
	}
	if _, err := sock.conn.WriteTo(packet, to); err != nil {
		delete(r.waiting, key)
	}
}

// socketLocked opens the socket of a family when it is first needed: an unprivileged one where the host has them
// (net.ipv4.ping_group_range), else a raw one.
func (r *echoRelay) socketLocked(six bool) *echoSocket {
	if s := r.socks[six]; s != nil || r.closed {
		return s
	}
	dgram, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if six {
		dgram, raw, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	s := new(echoSocket)
	conn, err := icmp.ListenPacket(dgram, any)
	if err != nil {
		if conn, err = icmp.ListenPacket(raw, any); err == nil {
			s.raw, s.id = true, int(r.exit.Port())
		}
	}
	if err != nil {
		r.exit.log.Warn("exit forwards no echo requests: the host permits no socket for them", "error", err)
	} else if r.exit.enter() {
		s.conn = conn
		go func() {
			defer r.exit.wg.Done()
			r.answers(s, six)
		}()
	} else {
		conn.Close()
	}
	r.socks[six] = s
	return s
}

// answers carries echo replies back until the socket is closed.
func (r *echoRelay) answers(s *echoSocket, six bool) {
	proto := int(ICMP)
	if six {
		proto = int(icmp6)
	}
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := icmp.ParseMessage(proto, buf[:n])
		if err != nil || msg.Type != ipv4.ICMPTypeEchoReply && msg.Type != ipv6.ICMPTypeEchoReply {
			continue
		}
		echo, ok := msg.Body.(*icmp.Echo)
		if !ok || s.raw && echo.ID != s.id {
			continue
		}
		var addr netip.Addr
		switch from := from.(type) {
		case *net.UDPAddr:
			addr, _ = netip.AddrFromSlice(from.IP)
		case *net.IPAddr:
			addr, _ = netip.AddrFromSlice(from.IP)
		}
		key := echoKey{six, uint16(echo.Seq)}
		r.mu.Lock()
		w, ok := r.waiting[key]
		ok = ok && w.request.Dst.Unmap() == addr.Unmap() && time.Now().Before(w.until)
		if ok {
			delete(r.waiting, key)
		}
		r.mu.Unlock()
		if ok && r.exit.session(w.request.Src) != nil {
			w.request.Data = echo.Data
			r.exit.net.Reply(w.request)
		}
	}
}

func (r *echoRelay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, s := range r.socks {
		if s.conn != nil {
			s.conn.Close()
		}
	}
}

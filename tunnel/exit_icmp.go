package tunnel

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"byway/tunnel/netstack"
	"byway/tunnel/packet"
	"byway/tunnel/turnstile"
)

// echoAge is how long an answer is waited for.
const echoAge = 10 * time.Second

// How many requests wait for an answer: of all sessions together, and of each. Where one more comes, the oldest goes: of
// its own session, or, when all are taken, of the session that has the most.
const (
	maxEchoes        = 4096
	maxSessionEchoes = 256
)

// echoRelay forwards echo requests through one socket a family. The host's sequence numbers are ours: each names a
// request that waits, so that no consumer sees another's answers.
type echoRelay struct {
	exit *Exit

	mu      sync.Mutex
	socks   map[bool]*echoSocket // by "is IPv6"
	waiting map[echoKey]echoWait
	queues  map[*Session][]echoKey // of waiting, the oldest first; answered ones are passed over
	next    uint16
	closed  bool
}

type echoKey struct {
	six bool
	seq uint16
}

type echoWait struct {
	session *Session
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
	return &echoRelay{exit: e, socks: make(map[bool]*echoSocket), waiting: make(map[echoKey]echoWait),
		queues: make(map[*Session][]echoKey)}
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
	proto := uint8(packet.ICMP)
	if e.Src.Is6() {
		proto = packet.ICMP6 // policies know one ICMP
	}
	if err := r.exit.check(packet.ICMP, dst); err != nil {
		r.exit.net.Refuse(proto, src, dst, uint32(e.Seq), netstack.UnreachableDenied)
		return true
	}
	if s.turns.Try() {
		r.exit.dialing(packet.ICMP, dst)
		r.forward(s, e)
		return true
	}
	if s.turns.Full(turnstile.LaneEcho) || !r.exit.enter() {
		s.turns.Refuse()
		return true
	}
	e.Data = bytes.Clone(e.Data)
	go func() {
		defer r.exit.wg.Done()
		ctx, cancel := context.WithTimeout(r.exit.ctx, echoAge)
		defer cancel()
		if s.turns.Wait(ctx, turnstile.LaneEcho) == nil {
			r.exit.dialing(packet.ICMP, dst)
			r.forward(s, e)
		}
	}()
	return true
}

// forward sends a request to its destination. Whatever fails is a lost packet.
func (r *echoRelay) forward(s *Session, e netstack.Echo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.over() {
		return
	}
	six := e.Dst.Is6() && !e.Dst.Is4In6()
	sock := r.socketLocked(six)
	if sock == nil || sock.conn == nil {
		return
	}
	now := time.Now()
	r.makeRoomLocked(s, now)
	for {
		r.next++
		if _, taken := r.waiting[echoKey{six, r.next}]; !taken {
			break
		}
	}
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
	r.waiting[key] = echoWait{session: s, request: e, until: now.Add(echoAge)}
	r.queues[s] = append(r.queues[s], key)
	s.echoes.Add(1)
	var to net.Addr = &net.UDPAddr{IP: e.Dst.Unmap().AsSlice()}
	if sock.raw {
		to = &net.IPAddr{IP: e.Dst.Unmap().AsSlice()}
	}
	if _, err := sock.conn.WriteTo(packet, to); err != nil {
		r.dropLocked(key)
	}
}

// makeRoomLocked lets a session have one more request that waits.
func (r *echoRelay) makeRoomLocked(s *Session, now time.Time) {
	r.trimLocked(s, now)
	if s.echoes.Load() >= maxSessionEchoes {
		r.dropOldestLocked(s)
	}
	if len(r.waiting) < maxEchoes {
		return
	}
	richest := s
	for other := range r.queues {
		if r.trimLocked(other, now); other.echoes.Load() > richest.echoes.Load() {
			richest = other
		}
	}
	if len(r.waiting) >= maxEchoes {
		r.dropOldestLocked(richest)
	}
}

// trimLocked forgets the requests of a session that were answered or have waited for too long.
func (r *echoRelay) trimLocked(s *Session, now time.Time) {
	queue := r.queues[s]
	for len(queue) > 0 {
		w, waits := r.waiting[queue[0]]
		if waits && w.session == s && now.Before(w.until) {
			break
		}
		if waits && w.session == s {
			r.dropLocked(queue[0])
		}
		queue = queue[1:]
	}
	if r.queues[s] = queue; len(queue) == 0 {
		delete(r.queues, s)
	}
}

// dropOldestLocked forgets the request of a session that has waited longest.
func (r *echoRelay) dropOldestLocked(s *Session) {
	for queue := r.queues[s]; len(queue) > 0; queue = queue[1:] {
		r.queues[s] = queue[1:]
		if w, waits := r.waiting[queue[0]]; waits && w.session == s {
			r.dropLocked(queue[0])
			return
		}
	}
}

func (r *echoRelay) dropLocked(key echoKey) {
	if w, waits := r.waiting[key]; waits {
		w.session.echoes.Add(-1)
		delete(r.waiting, key)
	}
}

// leave forgets what a session has waiting.
func (r *echoRelay) leave(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range r.queues[s] {
		if w, waits := r.waiting[key]; waits && w.session == s {
			r.dropLocked(key)
		}
	}
	delete(r.queues, s)
}

// count is how many requests wait for an answer.
func (r *echoRelay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
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
	if turnstile.IsShortage(err) {
		r.exit.short.say(r.exit.log, err)
		return nil // and try again with the next request
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
	proto := int(packet.ICMP)
	if six {
		proto = packet.ICMP6
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
			r.dropLocked(key)
		}
		r.mu.Unlock()
		if ok && r.exit.session(w.request.Src) == w.session {
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

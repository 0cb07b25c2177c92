package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"byway/tunnel/nameserver"
	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
)

const (
	queriesMost = 256 // for one session
	dnsWait     = 3 * time.Second
	// queriesPerFlow is how many queries a session may make a second for each new flow that it may open: a program asks
	// for two or three types of record a name, and again when a datagram is lost.
	queriesPerFlow = 4
	dnsIdle        = 10 * time.Second
	dnsConns       = 16 // TCP connections of one session; the one that rested longest goes for a new one
	dnsPipeline    = 16 // queries of one TCP connection that are being asked (RFC 7766)
)

// dnsRelay answers DNS on the exit's inner addresses by asking the upstream resolvers. What it asks and passes on is
// decided by its filter.
type dnsRelay struct {
	exit      *Exit
	resolvers *nameserver.Resolvers
	host      func() (servers []netip.AddrPort, local []string, err error) // of resolvers, save where tests say others
	ask       nameserver.Upstreams
}

func newDNSRelay(e *Exit, fixed []netip.AddrPort) *dnsRelay {
	r := nameserver.NewResolvers(fixed)
	return &dnsRelay{exit: e, resolvers: r, host: r.Host}
}

// at reports whether dst is the service.
func (d *dnsRelay) at(dst netip.AddrPort) bool {
	v4, v6 := d.exit.nets.Addrs(exitIndex)
	return dst.Port() == nameserver.Port && (dst.Addr() == v4 || dst.Addr() == v6)
}

// answer relays one query. It returns nil for what is not a query, or when the session has ended or too many wait.
func (d *dnsRelay) answer(ctx context.Context, s *Session, raw []byte, network string) []byte {
	servers, local, err := d.host()
	filter := nameserver.Filter{Policy: d.exit.policy, Nets: d.exit.nets, Local: local}
	query, reply := filter.Admit(raw)
	if query == nil && reply == nil {
		return nil
	}
	if reply == nil {
		var got *dns.Msg
		if err == nil {
			got, err = d.relay(ctx, s, servers, filter.Outgoing(query), network)
		}
		if errors.Is(err, turnstile.ErrBusy) || errors.Is(err, turnstile.ErrEnded) {
			d.exit.held(err)
			return nil
		}
		if err != nil {
			d.exit.log.Debug("dns relay", "error", err)
			reply = nameserver.AnswerWith(query, dns.RcodeServerFailure)
		} else {
			reply = filter.Clean(query, got)
		}
	}
	if network == "udp" {
		reply.Truncate(query.Room())
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// relay asks when the session's turn has come and one of the slots is free.
func (d *dnsRelay) relay(
	ctx context.Context, s *Session, servers []netip.AddrPort, query *dns.Msg, network string,
) (*dns.Msg, error) {
	wait, stop := context.WithTimeout(ctx, dnsWait)
	defer stop()
	if err := s.queryTurns.Wait(wait, turnstile.LaneDNS); err != nil {
		return nil, err
	}
	f, err := s.queries.Take(wait, 0)
	if err != nil {
		return nil, err
	}
	defer f.End()
	ctx, cancel := context.WithTimeout(ctx, nameserver.AskTime)
	defer cancel()
	if !f.OnStop(cancel) {
		return nil, turnstile.ErrEnded
	}
	reply, err := d.ask.Exchange(ctx, servers, query, network)
	if turnstile.IsShortage(err) {
		d.exit.short.say(d.exit.log, err)
	}
	return reply, err
}

// serveUDP answers one datagram in a goroutine of its own, or drops it when too many wait.
func (d *dnsRelay) serveUDP(s *Session, query []byte, send func(reply []byte) error) {
	if s.queryTurns.Full(turnstile.LaneDNS) {
		s.queryTurns.Refuse()
		d.exit.held(turnstile.ErrBusy)
		return
	}
	if !d.exit.enter() {
		return
	}
	go func() {
		defer d.exit.wg.Done()
		reply := d.answer(d.exit.ctx, s, query, "udp")
		if reply == nil || s.over() {
			return
		}
		if err := send(reply); err != nil {
			d.exit.log.Debug("dns reply", "error", err)
		}
	}()
}

// nameConn is one TCP connection to the DNS.
type nameConn struct {
	net.Conn
	last time.Time // of the latest query; the session's lock guards it
}

// addName counts a connection to the DNS. The one that has rested longest makes room.
func (s *Session) addName(c *nameConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.names) >= dnsConns {
		oldest := slices.MinFunc(s.names, func(a, b *nameConn) int { return a.last.Compare(b.last) })
		s.names = slices.DeleteFunc(s.names, func(o *nameConn) bool { return o == oldest })
		relay.Reset(oldest.Conn)
	}
	s.names = append(s.names, c)
	return true
}

func (s *Session) dropName(c *nameConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = slices.DeleteFunc(s.names, func(o *nameConn) bool { return o == c })
}

// closeNames ends the connections to the DNS. It reports whether there were any.
func (s *Session) closeNames() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.names
	s.names = nil
	for _, c := range names {
		relay.Reset(c.Conn)
	}
	return len(names) > 0
}

// serveTCP answers the queries of one connection as their answers come, some at a time (RFC 7766: two bytes of length
// before each message).
func (d *dnsRelay) serveTCP(s *Session, conn net.Conn) {
	c := &nameConn{Conn: conn, last: time.Now()}
	if !s.addName(c) {
		relay.Reset(conn)
		return
	}
	var asked sync.WaitGroup
	defer conn.Close()
	defer asked.Wait()
	defer s.dropName(c)
	ctx, cancel := context.WithCancel(d.exit.ctx)
	defer cancel()
	slots := make(chan struct{}, dnsPipeline)
	var writing sync.Mutex
	for {
		if err := conn.SetReadDeadline(time.Now().Add(dnsIdle)); err != nil {
			return
		}
		query, err := nameserver.ReadFrame(conn)
		if errors.Is(err, io.EOF) {
			// The consumer has asked all that it wants to; what is being asked is still answered.
			asked.Wait()
			return
		}
		if err != nil {
			return
		}
		s.mu.Lock()
		c.last = time.Now()
		s.mu.Unlock()
		slots <- struct{}{}
		asked.Go(func() {
			defer func() { <-slots }()
			reply := d.answer(ctx, s, query, "tcp")
			if reply == nil {
				return
			}
			frame := binary.BigEndian.AppendUint16(nil, uint16(len(reply)))
			writing.Lock()
			defer writing.Unlock()
			// An answer that the consumer does not take ends the connection.
			err := conn.SetWriteDeadline(time.Now().Add(dnsIdle))
			if err == nil {
				_, err = conn.Write(append(frame, reply...))
			}
			if err != nil {
				cancel()
				relay.Reset(conn)
			}
		})
	}
}

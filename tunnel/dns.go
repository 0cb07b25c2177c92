package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsPort     = 53
	dnsQueries  = 1024 // being asked at a time, for all sessions
	queriesMost = 256  // for one session
	dnsWait     = 3 * time.Second
	// queriesPerFlow is how many queries a session may make a second for each new flow that it may open: a program asks
	// for two or three types of record a name, and again when a datagram is lost.
	queriesPerFlow = 4
	dnsIdle        = 10 * time.Second
	dnsConns       = 16 // TCP connections of one session; the one that rested longest goes for a new one
	dnsPipeline    = 16 // queries of one TCP connection that are being asked (RFC 7766)
	resolvConf     = "/etc/resolv.conf"
	resolvConfAge  = 10 * time.Second
)

// dnsRelay answers DNS on the exit's inner addresses by asking the upstream resolvers. What it asks and passes on is
// decided by its filter.
type dnsRelay struct {
	exit  *Exit
	fixed []netip.AddrPort
	ask   upstreams

	mu     sync.Mutex
	system []netip.AddrPort // from resolv.conf
	local  []string         // the provider's search domains, as lower-case names with a dot at the end
	read   time.Time
	err    error
}

func newDNSRelay(e *Exit, fixed []netip.AddrPort) *dnsRelay {
	return &dnsRelay{exit: e, fixed: slices.Clone(fixed)}
}

// at reports whether dst is the service.
func (d *dnsRelay) at(dst netip.AddrPort) bool {
	v4, v6 := d.exit.nets.Addrs(exitIndex)
	return dst.Port() == dnsPort && (dst.Addr() == v4 || dst.Addr() == v6)
}

// host are the resolvers to ask, in order, and the domains that are the provider's own.
func (d *dnsRelay) host() (servers []netip.AddrPort, local []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.read) >= resolvConfAge {
		d.read = time.Now()
		d.readLocked()
	}
	if len(d.fixed) > 0 {
		return d.fixed, d.local, nil
	}
	return d.system, d.local, d.err
}

func (d *dnsRelay) readLocked() {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		// What was read before stays in force, the domains above all.
		d.err = fmt.Errorf("read upstream resolvers: %w", err)
		return
	}
	d.system, d.local, d.err = nil, ownDomains(conf.Search), nil
	for _, server := range conf.Servers {
		if a, err := netip.ParseAddr(server); err == nil {
			d.system = append(d.system, netip.AddrPortFrom(a, dnsPort))
		}
	}
	if len(d.system) == 0 {
		d.err = fmt.Errorf("read upstream resolvers: %s names none", resolvConf)
	}
}

// ownDomains are the domains that only the provider's own resolver knows: those that it searches, and its name.
func ownDomains(search []string) []string {
	var list []string
	for _, name := range search {
		if name = dns.CanonicalName(name); name != "." {
			list = append(list, name)
		}
	}
	if name, err := os.Hostname(); err == nil {
		if name = dns.CanonicalName(name); dns.CountLabel(name) > 1 {
			list = append(list, name)
		}
	}
	return list
}

// answer relays one query. It returns nil for what is not a query, or when the session has ended or too many wait.
func (d *dnsRelay) answer(ctx context.Context, s *Session, raw []byte, network string) []byte {
	servers, local, err := d.host()
	filter := dnsFilter{policy: d.exit.policy, nets: d.exit.nets, local: local}
	query, reply := filter.admit(raw)
	if query == nil && reply == nil {
		return nil
	}
	if reply == nil {
		var got *dns.Msg
		if err == nil {
			got, err = d.relay(ctx, s, servers, filter.outgoing(query), network)
		}
		if errors.Is(err, errBusy) || errors.Is(err, errSessionEnded) {
			d.exit.held(err)
			return nil
		}
		if err != nil {
			d.exit.log.Debug("dns relay", "error", err)
			reply = answerWith(query, dns.RcodeServerFailure)
		} else {
			reply = filter.clean(query, got)
		}
	}
	if network == "udp" {
		size := dns.MinMsgSize
		if query != nil && query.size > 0 {
			size = max(size, min(query.size, dnsAnswerMost))
		}
		reply.Truncate(size)
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// dnsAnswerMost bounds an answer over UDP, whatever a query offers to take.
const dnsAnswerMost = 4096

// relay asks when the session's turn has come and one of the slots is free.
func (d *dnsRelay) relay(
	ctx context.Context, s *Session, servers []netip.AddrPort, query *dns.Msg, network string,
) (*dns.Msg, error) {
	wait, stop := context.WithTimeout(ctx, dnsWait)
	defer stop()
	if err := s.queryTurns.wait(wait, laneDNS); err != nil {
		return nil, err
	}
	f, err := s.queries.take(wait, 0)
	if err != nil {
		return nil, err
	}
	defer f.end()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if !f.onStop(cancel) {
		return nil, errSessionEnded
	}
	reply, err := d.ask.exchange(ctx, servers, query, network)
	if isShortage(err) {
		d.exit.short.say(d.exit.log, err)
	}
	return reply, err
}

// serveUDP answers one datagram in a goroutine of its own, or drops it when too many wait.
func (d *dnsRelay) serveUDP(s *Session, query []byte, send func(reply []byte) error) {
	if s.queryTurns.full(laneDNS) {
		s.queryTurns.dropped.Add(1)
		d.exit.held(errBusy)
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
		reset(oldest.Conn)
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
		reset(c.Conn)
	}
	return len(names) > 0
}

// serveTCP answers the queries of one connection as their answers come, some at a time (RFC 7766: two bytes of length
// before each message).
func (d *dnsRelay) serveTCP(s *Session, conn net.Conn) {
	c := &nameConn{Conn: conn, last: time.Now()}
	if !s.addName(c) {
		reset(conn)
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
		query, err := readDNSFrame(conn)
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
				reset(conn)
			}
		})
	}
}

// readDNSFrame reads one message of a TCP stream. Sixteen bits of length bound it.
func readDNSFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(r, msg); err != nil {
		return nil, err
	}
	return msg, nil
}

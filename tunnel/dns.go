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
	dnsPort       = 53
	dnsQueries    = 1024            // being asked at a time, for all sessions
	dnsTimeout    = 3 * time.Second // of one upstream
	dnsIdle       = 10 * time.Second
	dnsPerConn    = 128 // queries over one TCP connection
	resolvConf    = "/etc/resolv.conf"
	resolvConfAge = 10 * time.Second
)

// dnsRelay answers DNS on the exit's inner addresses by asking the upstream resolvers.
type dnsRelay struct {
	exit  *Exit
	fixed []netip.AddrPort
	slots chan struct{}

	mu     sync.Mutex
	system []netip.AddrPort // from resolv.conf
	read   time.Time
}

func newDNSRelay(e *Exit, fixed []netip.AddrPort) *dnsRelay {
	return &dnsRelay{exit: e, fixed: slices.Clone(fixed), slots: make(chan struct{}, dnsQueries)}
}

// at reports whether dst is the service.
func (d *dnsRelay) at(dst netip.AddrPort) bool {
	v4, v6 := d.exit.nets.Addrs(exitIndex)
	return dst.Port() == dnsPort && (dst.Addr() == v4 || dst.Addr() == v6)
}

// upstreams are the resolvers to ask, in order.
func (d *dnsRelay) upstreams() ([]netip.AddrPort, error) {
	if len(d.fixed) > 0 {
		return d.fixed, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.read) < resolvConfAge {
		return d.system, nil
	}
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("read upstream resolvers: %w", err)
	}
	d.system, d.read = nil, time.Now()
	for _, server := range conf.Servers {
		if a, err := netip.ParseAddr(server); err == nil {
			d.system = append(d.system, netip.AddrPortFrom(a, dnsPort))
		}
	}
	if len(d.system) == 0 {
		return nil, fmt.Errorf("read upstream resolvers: %s names none", resolvConf)
	}
	return d.system, nil
}

// answer relays one query. It returns nil for what is not a query.
func (d *dnsRelay) answer(ctx context.Context, raw []byte, network string) []byte {
	var query dns.Msg
	if err := query.Unpack(raw); err != nil || query.Response || len(query.Question) != 1 {
		return nil
	}
	reply, err := d.ask(ctx, &query, network)
	if err != nil {
		d.exit.log.Debug("dns relay", "error", err)
		reply = new(dns.Msg).SetRcode(&query, dns.RcodeServerFailure)
	}
	reply.Id = query.Id
	if network == "udp" {
		size := dns.MinMsgSize
		if opt := query.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
		reply.Truncate(size)
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// ask tries the upstreams in turn, under an identifier of our own.
func (d *dnsRelay) ask(ctx context.Context, query *dns.Msg, network string) (*dns.Msg, error) {
	servers, err := d.upstreams()
	if err != nil {
		return nil, err
	}
	out := query.Copy()
	client := dns.Client{Net: network, Timeout: dnsTimeout}
	var failed []error
	for _, server := range servers {
		out.Id = dns.Id()
		reply, _, err := client.ExchangeContext(ctx, out, server.String())
		if err == nil && (len(reply.Question) != 1 || reply.Question[0] != query.Question[0]) {
			err = errors.New("answer to another question")
		}
		if err == nil {
			return reply, nil
		}
		failed = append(failed, fmt.Errorf("ask %v: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failed...)
}

// serveUDP answers one datagram in a goroutine of its own, or drops it when there are too many.
func (d *dnsRelay) serveUDP(s *Session, query []byte, send func(reply []byte) error) {
	f := s.open()
	if f == nil {
		return
	}
	select {
	case d.slots <- struct{}{}:
	default:
		f.end()
		return
	}
	if !d.exit.enter() {
		<-d.slots
		f.end()
		return
	}
	go func() {
		defer d.exit.wg.Done()
		defer f.end()
		defer func() { <-d.slots }()
		ctx, cancel := context.WithCancel(d.exit.ctx)
		defer cancel()
		if !f.onStop(cancel) {
			return
		}
		reply := d.answer(ctx, query, "udp")
		if reply == nil {
			return
		}
		if err := send(reply); err != nil {
			d.exit.log.Debug("dns reply", "error", err)
		}
	}()
}

// serveTCP answers the queries of one connection (RFC 7766: two bytes of length before each message).
func (d *dnsRelay) serveTCP(conn net.Conn) {
	defer conn.Close()
	for range dnsPerConn {
		if err := conn.SetDeadline(time.Now().Add(dnsIdle)); err != nil {
			return
		}
		query, err := readDNSFrame(conn)
		if err != nil {
			return
		}
		reply := d.answer(d.exit.ctx, query, "tcp")
		if reply == nil {
			return
		}
		frame := binary.BigEndian.AppendUint16(nil, uint16(len(reply)))
		if _, err := conn.Write(append(frame, reply...)); err != nil {
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
				d.exit.log.Debug("dns reply", "error", err)
			}
			return
		}
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

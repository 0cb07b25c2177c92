package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"byway/tunnel/turnstile"
)

const (
	AskTime    = 5 * time.Second // for one question, with all resolvers
	askNext    = time.Second     // after which the next resolver is asked too, while the first may still answer
	askSize    = 1232            // of an answer over UDP, which fits any path (DNS flag day 2020)
	silentMost = 3               // questions in a row that a resolver leaves without an answer before it comes last
	silentTime = 30 * time.Second
)

// Upstreams knows which resolvers lately did not answer, so that they are asked last. A resolver that is silent about
// the names that one session asks for costs other sessions nothing but its place in the order.
type Upstreams struct {
	mu     sync.Mutex
	silent map[netip.AddrPort]*noAnswer
}

type noAnswer struct {
	questions int
	since     time.Time // the latest of them
}

// Order puts resolvers that are silent behind the others.
func (u *Upstreams) Order(servers []netip.AddrPort) []netip.AddrPort {
	u.mu.Lock()
	defer u.mu.Unlock()
	for server, s := range u.silent {
		if time.Since(s.since) > silentTime {
			delete(u.silent, server)
		}
	}
	dead := func(a netip.AddrPort) int {
		if s := u.silent[a]; s != nil && s.questions >= silentMost {
			return 1
		}
		return 0
	}
	list := slices.Clone(servers)
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return dead(a) - dead(b) })
	return list
}

func (u *Upstreams) note(server netip.AddrPort, answered bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if answered {
		delete(u.silent, server)
		return
	}
	if u.silent == nil {
		u.silent = make(map[netip.AddrPort]*noAnswer)
	}
	s := u.silent[server]
	if s == nil {
		s = new(noAnswer)
		u.silent[server] = s
	}
	s.questions++
	s.since = time.Now()
}

// Exchange asks the resolvers one after another, without giving up on those asked before, and takes the first answer.
func (u *Upstreams) Exchange(ctx context.Context, servers []netip.AddrPort, query *dns.Msg, network string) (*dns.Msg, error) {
	servers = u.Order(servers)
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		reply *dns.Msg
		err   error
	}
	results := make(chan result, len(servers))
	next, open := 0, 0
	ask := func() {
		server := servers[next]
		next++
		open++
		began := time.Now()
		out := query.Copy()
		out.Id = dns.Id()
		go func() {
			reply, err := askOne(asking, server, out, network)
			// An attempt that another answer cut short counts only when it had its time.
			if err == nil {
				u.note(server, true)
			} else if time.Since(began) >= askNext || asking.Err() == nil {
				u.note(server, false)
			}
			if err != nil {
				err = fmt.Errorf("ask %v: %w", server, err)
			}
			results <- result{reply, err}
		}()
	}
	ask()
	hedge := time.NewTicker(askNext)
	defer hedge.Stop()
	var failed []error
	var refused *dns.Msg // an answer that says the resolver could not help
	for {
		select {
		case r := <-results:
			open--
			switch {
			case r.err != nil:
				failed = append(failed, r.err)
			case r.reply.Rcode == dns.RcodeSuccess || r.reply.Rcode == dns.RcodeNameError:
				return r.reply, nil
			default:
				refused = r.reply
			}
			if next < len(servers) {
				ask()
			} else if open == 0 {
				if refused != nil {
					return refused, nil
				}
				return nil, errors.Join(failed...)
			}
		case <-hedge.C:
			if next < len(servers) {
				ask()
			}
		case <-ctx.Done():
			if refused != nil {
				return refused, nil
			}
			return nil, errors.Join(append(failed, ctx.Err())...)
		}
	}
}

// askOne asks one resolver, over UDP, and over TCP where the answer is for a stream and too long for a datagram.
func askOne(ctx context.Context, server netip.AddrPort, query *dns.Msg, network string) (*dns.Msg, error) {
	reply, err := askOver(ctx, "udp", server, query)
	if err == nil && reply.Truncated && network == "tcp" {
		return askOver(ctx, "tcp", server, query)
	}
	return reply, err
}

func askOver(ctx context.Context, network string, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	for turnstile.IsShortage(err) {
		select {
		case <-ctx.Done():
			return nil, errors.Join(turnstile.ErrShort, err)
		case <-time.After(50 * time.Millisecond):
			conn, err = dialer.DialContext(ctx, network, server.String())
		}
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	dc := &dns.Conn{Conn: conn, UDPSize: answerMost}
	if err := dc.WriteMsg(query); err != nil {
		return nil, err
	}
	if network == "udp" {
		// A datagram may be lost, this one or the answer.
		for _, after := range []time.Duration{askNext, 3 * askNext} {
			again := query.Copy()
			defer time.AfterFunc(after, func() { _ = dc.WriteMsg(again) }).Stop()
		}
	}
	for {
		reply, err := dc.ReadMsg()
		switch {
		case reply == nil && err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case reply == nil && err != nil:
			return nil, err
		case err != nil && reply.Id == query.Id && reply.Response:
			return nil, fmt.Errorf("answer that cannot be read: %w", err)
		case err != nil:
			continue
		}
		if isAnswer(query, reply) {
			return reply, nil
		}
		// An answer to another question, or somebody else's: the right one may still come.
	}
}

// isAnswer reports whether a message is an answer to the query.
func isAnswer(query, reply *dns.Msg) bool {
	return reply.Response && reply.Id == query.Id && reply.Opcode == dns.OpcodeQuery && len(reply.Question) == 1 &&
		reply.Question[0].Qtype == query.Question[0].Qtype && reply.Question[0].Qclass == query.Question[0].Qclass &&
		strings.EqualFold(reply.Question[0].Name, query.Question[0].Name)
}

// ReadFrame reads one message of a TCP stream. Sixteen bits of length bound it.
func ReadFrame(r io.Reader) ([]byte, error) {
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

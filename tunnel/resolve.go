package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

const (
	resolveTry   = 2 * time.Second // of one datagram
	resolveTries = 3
	resolveSize  = 1232 // of an answer over UDP, which fits any path (DNS flag day 2020)
)

var errNoDNS = errors.New("the provider offers no DNS")

// Resolve asks the provider's DNS for the addresses of host, IPv4 before IPv6. It never asks anyone else. Address
// literals are returned as they are.
func (c *Client) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return nil, &net.DNSError{Err: "address with a zone", Name: host}
		}
		return []netip.Addr{a.Unmap()}, nil
	}
	if !c.dns.IsValid() {
		return nil, &net.DNSError{Err: errNoDNS.Error(), Name: host}
	}
	if _, ok := dns.IsDomainName(host); !ok || host == "" {
		return nil, &net.DNSError{Err: "not a domain name", Name: host, IsNotFound: true}
	}
	var v4, v6 []netip.Addr
	var g errgroup.Group
	g.Go(func() (err error) { v4, err = c.lookup(ctx, host, dns.TypeA); return })
	g.Go(func() (err error) { v6, err = c.lookup(ctx, host, dns.TypeAAAA); return })
	err := g.Wait()
	addrs := append(v4, v6...)
	if len(addrs) > 0 {
		return addrs, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, Server: c.dns.String(), IsNotFound: true}
}

// lookup asks one question. No answer of the type is not an error.
func (c *Client) lookup(ctx context.Context, host string, qtype uint16) ([]netip.Addr, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(host), qtype).SetEdns0(resolveSize, false)
	reply, err := c.query(ctx, query)
	if err != nil {
		de := &net.DNSError{Err: err.Error(), Name: host, Server: c.dns.String(), IsTemporary: true}
		var timeout net.Error
		de.IsTimeout = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
		return nil, de
	}
	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return nil, &net.DNSError{
			Err: "answer " + dns.RcodeToString[reply.Rcode], Name: host, Server: c.dns.String(), IsTemporary: true,
		}
	}
	var addrs []netip.Addr
	for _, rr := range reply.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs, nil
}

// query asks over UDP, again when nothing comes back, and over TCP when the answer is too long.
func (c *Client) query(ctx context.Context, query *dns.Msg) (*dns.Msg, error) {
	server := netip.AddrPortFrom(c.dns, dnsPort)
	var last error
	for range resolveTries {
		conn, err := c.net.DialUDP(server)
		if err != nil {
			return nil, err
		}
		reply, err := exchange(ctx, conn, query)
		if err == nil && !reply.Truncated {
			return reply, nil
		}
		if err == nil {
			stream, err := c.net.DialTCP(ctx, server)
			if err != nil {
				return nil, err
			}
			return exchange(ctx, stream, query)
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// exchange sends a query over conn, which it closes, and waits for its answer.
func exchange(ctx context.Context, conn net.Conn, query *dns.Msg) (*dns.Msg, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(resolveTry)); err != nil {
		return nil, err
	}
	dc := &dns.Conn{Conn: conn, UDPSize: resolveSize}
	if err := dc.WriteMsg(query); err != nil {
		return nil, fmt.Errorf("send query: %w", err)
	}
	for {
		reply, err := dc.ReadMsg()
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, fmt.Errorf("read answer: %w", err)
		}
		if reply.Id == query.Id && len(reply.Question) == 1 && reply.Question[0].Qtype == query.Question[0].Qtype &&
			strings.EqualFold(reply.Question[0].Name, query.Question[0].Name) {
			return reply, nil
		}
	}
}

// Package proxy offers a tunnel to programs as SOCKS5 and HTTP. It serves the users that it is told, by what the kernel says of
// a connection's other end, and whoever shows the password.
package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
)

// Dialer is where a proxy's flows go: a *Client, or anything that behaves like one. It must be safe for concurrent use.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// ListenUDP opens a socket that takes datagrams only from the addresses and ports that it has sent to.
	ListenUDP() (net.PacketConn, error)
	Resolve(ctx context.Context, host string) ([]netip.Addr, error)
}

// Config describes a proxy.
type Config struct {
	// Dialer carries the flows. Required.
	Dialer Dialer
	// Users are served without a password: the numbers of this machine's users whose programs may connect, on loopback. The
	// kernel says whose a connection is; where it does not, nobody is served without a password.
	Users []uint32
	// Password, where set, admits whoever shows it. A listener that is not on loopback needs one.
	Password *Password
	// MaxConns bounds connections that are in use; 0 means 1,024, and it is less where the process may have few descriptors.
	// A program above it is told so. Connections that have asked for nothing don't count: they are bounded by user.
	MaxConns int
	// Log may be nil.
	Log *slog.Logger

	files int // the process's descriptors; 0: as the system says
}

// Use says how much a proxy is used.
type Use struct {
	Used  int `json:"used"`  // connections and associations in use
	Limit int `json:"limit"` // the most of them
	// Silent connections have asked for nothing, or for nothing more.
	Silent int `json:"silent"`
	// Refused counts connections of users who are not admitted, and wrong passwords.
	Refused uint64 `json:"refused"`
	// Full counts requests that were turned away since the limit was reached.
	Full uint64 `json:"full"`
}

const (
	proxyDialTimeout  = 20 * time.Second
	proxyGreetTimeout = 10 * time.Second // from the connection to the whole of its first request
	proxyLingerTime   = 500 * time.Millisecond
	proxyWrongDelay   = time.Second // after a wrong password
)

// Proxy offers a tunnel to programs as SOCKS5 (RFC 1928: CONNECT and UDP ASSOCIATE) and as an HTTP proxy (CONNECT, and
// plain http:// requests). Both speak on one listener; the first byte tells them apart.
type Proxy struct {
	cfg      Config
	dialer   Dialer
	users    []uint32
	password *Password
	owners   *owners
	silent   *silents
	slots    chan struct{}
	refused  atomic.Uint64
	full     atomic.Uint64
	log      *slog.Logger

	identify func(net.Conn) caller
}

// New makes a proxy, which works once Serve is given a listener.
func New(cfg Config) *Proxy {
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 1024
	}
	if cfg.files == 0 {
		cfg.files = turnstile.ThisProcess().Files
	}
	files := turnstile.FilesFor(cfg.files)
	cfg.MaxConns = min(cfg.MaxConns, files*3/4) // some are left for the silent, so that each can be told
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{
		cfg: cfg, dialer: cfg.Dialer, users: cfg.Users, password: cfg.Password, owners: newOwners(),
		silent: newSilents(files),
		slots:  make(chan struct{}, cfg.MaxConns), log: cfg.Log,
	}
	p.identify = p.caller
	return p
}

// Use tells how much the proxy is used.
func (p *Proxy) Use() Use {
	return Use{
		Used: len(p.slots), Limit: cap(p.slots), Silent: p.silent.count(), Refused: p.refused.Load(), Full: p.full.Load(),
	}
}

// Serve accepts connections until ctx ends or the listener fails. It closes the listener and every connection before
// it returns; the end of ctx is not an error. What Check refuses is not served.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if err := p.cfg.Check(l); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	web := newWebProxy(p)
	wg.Go(func() { web.serve(ctx) })
	// Cancelled first, awaited then.
	defer p.owners.close()
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	for p.silent.admit(ctx) {
		conn, err := l.Accept()
		if err != nil {
			p.silent.missed()
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
				p.log.Warn("proxy can't accept", "error", err)
				if !p.silent.makeRoom() {
					time.Sleep(100 * time.Millisecond)
				}
				continue
			}
			return fmt.Errorf("proxy on %v: %w", l.Addr(), err)
		}
		wg.Go(func() { p.serveConn(ctx, conn, web) })
	}
	return nil
}

// serveConn serves one program's connection and closes it.
func (p *Proxy) serveConn(ctx context.Context, conn net.Conn, web *webProxy) {
	stop := context.AfterFunc(ctx, func() { relay.Reset(conn) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(proxyGreetTimeout))
	client := &greeting{Conn: conn, r: bufio.NewReader(conn), who: p.identify(conn)}
	client.silence = &silence{key: client.who.key, drop: func() { relay.Reset(conn) }}
	p.silent.enter(client.silence)
	defer p.silent.gone(client.silence)
	first, err := client.r.Peek(1)
	if err != nil {
		conn.Close()
		return
	}
	served := client.who.admitted || p.password != nil
	if !served {
		p.refused.Add(1)
	}
	switch {
	case first[0] == socks4Version:
		// SOCKS4 knows neither passwords nor IPv6, and only its variant 4a knows names.
		_, err = conn.Write(socks4Reject)
	case first[0] == socksVersion && !served:
		_, err = conn.Write([]byte{socksVersion, socksNoMethod})
	case first[0] == socksVersion:
		err = p.serveSOCKS(ctx, client)
	case !served:
		_, err = io.WriteString(conn, webStranger)
	default:
		web.hand(ctx, client)
		return
	}
	if err != nil {
		p.log.Debug("socks", "error", err)
	}
	p.part(client)
}

// part closes a connection so that the last answer arrives, which a reset would overtake where the program has sent more
// than was read.
func (p *Proxy) part(c *greeting) {
	defer c.Close()
	if c.CloseWrite() != nil {
		return
	}
	if !p.silent.enter(c.silence) {
		return
	}
	_ = c.SetDeadline(time.Now().Add(proxyLingerTime))
	_, _ = io.CopyN(io.Discard, c, 64<<10)
}

// take gives a connection whose program has asked for something one of the slots. It says whether one was free.
func (p *Proxy) take(c *greeting) bool {
	select {
	case p.slots <- struct{}{}:
		if p.silent.leave(c.silence) {
			return true
		}
		<-p.slots // it was closed meanwhile, and nobody hears the answer
		return false
	default:
		p.full.Add(1)
		return false
	}
}

// give takes the slot back.
func (p *Proxy) give() { <-p.slots }

// wrong counts a wrong password, and waits before it is answered.
func (p *Proxy) wrong(ctx context.Context) {
	p.refused.Add(1)
	select {
	case <-ctx.Done():
	case <-time.After(proxyWrongDelay):
	}
}

// greeting is a connection some of which has been read ahead.
type greeting struct {
	net.Conn
	r       *bufio.Reader
	who     caller
	silence *silence
}

// Read implements net.Conn. Once what was read ahead is used up, it reads past the buffer.
func (g *greeting) Read(b []byte) (int, error) {
	if g.r.Buffered() > 0 {
		return g.r.Read(b)
	}
	return g.Conn.Read(b)
}

// CloseWrite ends one direction.
func (g *greeting) CloseWrite() error {
	if c, ok := g.Conn.(relay.Conn); ok {
		return c.CloseWrite()
	}
	return g.Conn.Close()
}

// SetLinger lets reset send a reset.
func (g *greeting) SetLinger(sec int) error {
	if c, ok := g.Conn.(interface{ SetLinger(int) error }); ok {
		return c.SetLinger(sec)
	}
	return nil
}

// dial connects for a program.
func (p *Proxy) dial(ctx context.Context, address string) (relay.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyDialTimeout)
	defer cancel()
	conn, err := p.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	cw, ok := conn.(relay.Conn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("dialled a %T, which can't close one direction", conn)
	}
	return cw, nil
}

package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Dialer is where a proxy's flows go: a *Client, or anything that behaves like one. It must be safe for concurrent use.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	ListenUDP() (net.PacketConn, error)
	Resolve(ctx context.Context, host string) ([]netip.Addr, error)
}

// ProxyConfig describes a proxy.
type ProxyConfig struct {
	// Dialer carries the flows. Required.
	Dialer Dialer
	// AllowRemote lets Serve take listeners that are not on loopback. The proxy asks nobody for a password.
	AllowRemote bool
	// MaxConns bounds open connections; 0 means 1,024. More wait to be accepted.
	MaxConns int
	// Log may be nil.
	Log *slog.Logger
}

const (
	proxyDialTimeout  = 20 * time.Second
	proxyGreetTimeout = 15 * time.Second
)

// Proxy offers a tunnel to programs as SOCKS5 (RFC 1928: CONNECT and UDP ASSOCIATE) and as an HTTP proxy (CONNECT, and
// plain http:// requests). Both speak on one listener; the first byte tells them apart.
type Proxy struct {
	dialer Dialer
	remote bool
	slots  chan struct{}
	log    *slog.Logger
}

// NewProxy makes a proxy, which works once Serve is given a listener.
func NewProxy(cfg ProxyConfig) *Proxy {
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 1024
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Proxy{
		dialer: cfg.Dialer, remote: cfg.AllowRemote, slots: make(chan struct{}, cfg.MaxConns), log: cfg.Log,
	}
}

// Serve accepts connections until ctx ends or the listener fails. It closes the listener and every connection before
// it returns; the end of ctx is not an error.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if ta, ok := l.Addr().(*net.TCPAddr); !p.remote && (!ok || !ta.IP.IsLoopback()) {
		return fmt.Errorf("proxy on %v: only loopback addresses are served unless remote ones are allowed", l.Addr())
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	web := newWebProxy(p.dialer, p.log)
	wg.Go(func() { web.serve(ctx) })
	// Cancelled first, awaited then.
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	for {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-p.slots
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
				p.log.Warn("proxy can't accept", "error", err)
				time.Sleep(100 * time.Millisecond)
				continue
			}
			return fmt.Errorf("proxy on %v: %w", l.Addr(), err)
		}
		wg.Go(func() {
			defer func() { <-p.slots }()
			p.serveConn(ctx, conn, web)
		})
	}
}

// serveConn serves one program's connection and closes it.
func (p *Proxy) serveConn(ctx context.Context, conn net.Conn, web *webProxy) {
	stop := context.AfterFunc(ctx, func() { reset(conn) })
	defer stop()
	client := &greeted{Conn: conn, r: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(proxyGreetTimeout))
	first, err := client.r.Peek(1)
	if err != nil {
		conn.Close()
		return
	}
	if first[0] != socksVersion {
		_ = conn.SetDeadline(time.Time{})
		web.hand(ctx, client)
		return
	}
	defer conn.Close()
	if err := p.serveSOCKS(ctx, client); err != nil {
		p.log.Debug("socks", "error", err)
	}
}

// greeted is a connection some of which has been read ahead.
type greeted struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn. Once what was read ahead is used up, it reads past the buffer.
func (g *greeted) Read(b []byte) (int, error) {
	if g.r.Buffered() > 0 {
		return g.r.Read(b)
	}
	return g.Conn.Read(b)
}

// CloseWrite ends one direction.
func (g *greeted) CloseWrite() error {
	if c, ok := g.Conn.(closeWriter); ok {
		return c.CloseWrite()
	}
	return g.Conn.Close()
}

// SetLinger lets reset send a reset.
func (g *greeted) SetLinger(sec int) error {
	if c, ok := g.Conn.(interface{ SetLinger(int) error }); ok {
		return c.SetLinger(sec)
	}
	return nil
}

// dial connects for a program.
func (p *Proxy) dial(ctx context.Context, address string) (closeWriter, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyDialTimeout)
	defer cancel()
	conn, err := p.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	cw, ok := conn.(closeWriter)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("dialled a %T, which can't close one direction", conn)
	}
	return cw, nil
}

// failure sorts what can go wrong with a dial into what proxies can tell.
type failure int

const (
	failGeneral failure = iota
	failDenied
	failRefused
	failHost
	failNet
	failTimeout
	failName
)

func classify(err error) failure {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrDenied):
		return failDenied
	case errors.Is(err, syscall.ECONNREFUSED):
		return failRefused
	case errors.As(err, &name):
		if name.IsTimeout {
			return failTimeout
		}
		return failName
	case errors.Is(err, syscall.EHOSTUNREACH):
		return failHost
	case errors.Is(err, syscall.ENETUNREACH):
		return failNet
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &timeout) && timeout.Timeout():
		return failTimeout
	}
	return failGeneral
}

package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"byway/tunnel/dialer"
	"byway/tunnel/relay"
)

// webProxy is the HTTP side of a Proxy: CONNECT, and requests with an absolute http:// address.
type webProxy struct {
	proxy  *Proxy
	dialer Dialer
	log    *slog.Logger
	conns  chan net.Conn
	server *http.Server
	plain  *httputil.ReverseProxy
	base   *http.Transport

	tunnels sync.WaitGroup
}

// webStranger answers users who are not admitted, before anything of theirs is read.
const webStranger = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
	"Content-Length: 42\r\n\r\nthis proxy serves another user's programs\n"

// webCaller is the key of a request's *greeted in its context.
type webCaller struct{}

func newWebProxy(p *Proxy) *webProxy {
	d, log := p.dialer, p.log
	w := &webProxy{proxy: p, dialer: d, log: log, conns: make(chan net.Conn)}
	w.base = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, proxyDialTimeout)
			defer cancel()
			return d.DialContext(ctx, network, address)
		},
		DisableCompression:     true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  5 * time.Minute,
		MaxResponseHeaderBytes: 256 << 10,
	}
	w.plain = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.Header.Del("Proxy-Authorization") },
		Transport:    w.base,
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) { w.refuse(rw, err) },
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BufferPool:   copyPool{},
	}
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: proxyGreetTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, webCaller{}, c.(*watchedConn).greeting)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			// Between its requests a connection is one of the silent again. Its next request may take its time to come,
			// and once begun has the time that a first one has.
			if state == http.StateIdle && !w.proxy.silent.enter(c.(*watchedConn).silence) {
				c.Close()
			}
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return w
}

// copyPool lends the relays' buffers to the reverse proxy.
type copyPool struct{}

func (copyPool) Get() []byte  { return relay.CopyBuffers.Get().(*[relay.CopySize]byte)[:] }
func (copyPool) Put(b []byte) { relay.CopyBuffers.Put((*[relay.CopySize]byte)(b)) }

// serve runs until ctx ends.
func (w *webProxy) serve(ctx context.Context) {
	l := &handover{conns: w.conns, done: ctx.Done()}
	stop := context.AfterFunc(ctx, func() { w.server.Close() })
	defer stop()
	// It ends when ctx does, and says no more than that.
	_ = w.server.Serve(l)
	w.tunnels.Wait()
	w.base.CloseIdleConnections()
}

// hand gives a connection to the server and waits until it is closed.
func (w *webProxy) hand(ctx context.Context, c *greeting) {
	// The server sets how long it reads a header, and never how long it writes: without this, every answer would end when the
	// time for the greeting does, be it the middle of a download.
	_ = c.SetDeadline(time.Time{})
	watched := &watchedConn{greeting: c, closed: make(chan struct{})}
	select {
	case w.conns <- watched:
		<-watched.closed
	case <-ctx.Done():
		c.Close()
	}
}

// watchedConn tells when it is closed.
type watchedConn struct {
	*greeting
	once   sync.Once
	closed chan struct{}
}

func (c *watchedConn) Close() error {
	// It is closed by the server, which knows nothing of silence. Its descriptor is free before it is counted out.
	err := c.greeting.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

// handover is a listener whose connections come from hand.
type handover struct {
	conns <-chan net.Conn
	done  <-chan struct{}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error   { return nil }
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// ServeHTTP implements http.Handler.
func (w *webProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	client := req.Context().Value(webCaller{}).(*greeting)
	if !client.who.admitted && !w.authorized(rw, req) {
		return
	}
	tunnel := req.Method == http.MethodConnect
	if !tunnel && (req.URL.Scheme != "http" || req.URL.Host == "") {
		// A browser that was lured here by a name speaks like this; a program that wants a proxy does not.
		http.Error(rw, "this is a proxy: send CONNECT, an absolute http:// address, or SOCKS5", http.StatusBadRequest)
		return
	}
	if !w.proxy.take(client) {
		rw.Header().Set("Retry-After", "1")
		rw.Header().Set("Connection", "close")
		http.Error(rw, fmt.Sprintf("all %d connections of this proxy are in use: end some of them", cap(w.proxy.slots)),
			http.StatusServiceUnavailable)
		return
	}
	defer w.proxy.give()
	if tunnel {
		w.connect(rw, req)
		return
	}
	w.plain.ServeHTTP(rw, req)
}

// authorized asks for user and password where they are not there or wrong.
func (w *webProxy) authorized(rw http.ResponseWriter, req *http.Request) bool {
	user, password, ok := basic(req.Header.Get("Proxy-Authorization"))
	if ok && w.proxy.password.matches(user, password) {
		return true
	}
	if ok {
		w.proxy.wrong(req.Context())
	}
	rw.Header().Set("Proxy-Authenticate", `Basic realm="byway", charset="UTF-8"`)
	http.Error(rw, "this proxy asks for a user and password", http.StatusProxyAuthRequired)
	return false
}

// connect serves CONNECT.
func (w *webProxy) connect(rw http.ResponseWriter, req *http.Request) {
	if _, _, err := net.SplitHostPort(req.Host); err != nil {
		http.Error(rw, "CONNECT needs host:port", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), proxyDialTimeout)
	defer cancel()
	host, err := w.dialer.DialContext(ctx, "tcp", req.Host)
	if err != nil {
		w.refuse(rw, err)
		return
	}
	far, ok := host.(relay.Conn)
	if !ok {
		host.Close()
		http.Error(rw, "no stream", http.StatusBadGateway)
		return
	}
	w.tunnels.Add(1)
	defer w.tunnels.Done()
	conn, ahead, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		far.Close()
		http.Error(rw, "can't take over the connection", http.StatusInternalServerError)
		return
	}
	near := &greeting{Conn: conn, r: ahead.Reader}
	_ = conn.SetDeadline(time.Time{})
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		relay.Reset(far)
		conn.Close()
		return
	}
	relay.Run(near, far, nil)
}

// refuse says why a destination is not reached.
func (w *webProxy) refuse(rw http.ResponseWriter, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.log.Debug("http proxy", "error", err)
	status, text := http.StatusBadGateway, "the destination could not be reached"
	switch dialer.Classify(err) {
	case dialer.FailDenied:
		status, text = http.StatusForbidden, dialer.ErrDenied.Error()
	case dialer.FailRefused:
		text = "the destination refused the connection"
	case dialer.FailHost:
		text = "the destination is unreachable"
	case dialer.FailNet:
		text = "the destination's network is unreachable"
	case dialer.FailTimeout:
		status, text = http.StatusGatewayTimeout, "the destination did not answer in time"
	case dialer.FailName:
		text = "the name has no address"
	}
	http.Error(rw, text, status)
}

package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// webProxy is the HTTP side of a Proxy: CONNECT, and requests with an absolute http:// address.
type webProxy struct {
	dialer Dialer
	log    *slog.Logger
	conns  chan net.Conn
	server *http.Server
	plain  *httputil.ReverseProxy
	base   *http.Transport

	tunnels sync.WaitGroup
}

func newWebProxy(d Dialer, log *slog.Logger) *webProxy {
	w := &webProxy{dialer: d, log: log, conns: make(chan net.Conn)}
	w.base = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, proxyDialTimeout)
			defer cancel()
			return d.DialContext(ctx, network, address)
		},
		DisableCompression:    true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: 5 * time.Minute,
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
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return w
}

// copyPool lends the relays' buffers to the reverse proxy.
type copyPool struct{}

func (copyPool) Get() []byte  { return copyBuffers.Get().(*[copySize]byte)[:] }
func (copyPool) Put(b []byte) { copyBuffers.Put((*[copySize]byte)(b)) }

// serve runs until ctx ends.
func (w *webProxy) serve(ctx context.Context) {
	l := &handed{conns: w.conns, done: ctx.Done()}
	stop := context.AfterFunc(ctx, func() { w.server.Close() })
	defer stop()
	// It ends when ctx does, and says no more than that.
	_ = w.server.Serve(l)
	w.tunnels.Wait()
	w.base.CloseIdleConnections()
}

// hand gives a connection to the server and waits until it is closed.
func (w *webProxy) hand(ctx context.Context, c *greeted) {
	watched := &watchedConn{greeted: c, closed: make(chan struct{})}
	select {
	case w.conns <- watched:
		<-watched.closed
	case <-ctx.Done():
		c.Close()
	}
}

// watchedConn tells when it is closed.
type watchedConn struct {
	*greeted
	once   sync.Once
	closed chan struct{}
}

func (c *watchedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.greeted.Close()
}

// handed is a listener whose connections come from hand.
type handed struct {
	conns <-chan net.Conn
	done  <-chan struct{}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error   { return nil }
func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }

// ServeHTTP implements http.Handler.
func (w *webProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	switch {
	case req.Method == http.MethodConnect:
		w.connect(rw, req)
	case req.URL.Scheme == "http" && req.URL.Host != "":
		w.plain.ServeHTTP(rw, req)
	default:
		// A browser that was lured here by a name speaks like this; a program that wants a proxy does not.
		http.Error(rw, "this is a proxy: send CONNECT, an absolute http:// address, or SOCKS5", http.StatusBadRequest)
	}
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
	far, ok := host.(closeWriter)
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
	near := &greeted{Conn: conn, r: ahead.Reader}
	_ = conn.SetDeadline(time.Time{})
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		reset(far)
		conn.Close()
		return
	}
	relay(near, far, nil)
}

// refuse says why a destination is not reached.
func (w *webProxy) refuse(rw http.ResponseWriter, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.log.Debug("http proxy", "error", err)
	status, text := http.StatusBadGateway, "the destination could not be reached"
	switch classify(err) {
	case failDenied:
		status, text = http.StatusForbidden, ErrDenied.Error()
	case failRefused:
		text = "the destination refused the connection"
	case failHost:
		text = "the destination is unreachable"
	case failNet:
		text = "the destination's network is unreachable"
	case failTimeout:
		status, text = http.StatusGatewayTimeout, "the destination did not answer in time"
	case failName:
		text = "the name has no address"
	}
	http.Error(rw, text, status)
}

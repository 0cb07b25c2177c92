package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

const (
	// maxBody bounds an endpoint's answer; the largest that is asked for, a full page of logs, is far below.
	maxBody = 64 << 20
	// maxRetryAfter bounds how long an endpoint can send us away for.
	maxRetryAfter = 2 * time.Minute
)

// endpoint is one JSON-RPC server and what is known of its health.
type endpoint struct {
	name      string // scheme and host: the rest of the URL may hold an access key
	url       string
	chainID   atomic.Uint64 // 0: not asked yet
	rpc       *rpc.Client
	eth       *ethclient.Client
	http      *http.Client
	webSocket websocket.Dialer

	mu         sync.Mutex
	pause      *backoff.ExponentialBackOff
	failures   int
	until      time.Time // not to be preferred before
	retryAfter time.Duration
	head       uint64 // the highest block that it has named
	lagging    bool
	err        error // of the last failure
}

// EndpointError says which endpoint failed. It never carries the URL's path or query.
type EndpointError struct {
	URL string
	Err error
}

// Error implements error.
func (e *EndpointError) Error() string { return fmt.Sprintf("endpoint %s: %v", e.URL, e.Err) }

// Unwrap returns the cause.
func (e *EndpointError) Unwrap() error { return e.Err }

func newEndpoint(raw string, dialer *net.Dialer) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("endpoint URL %.60q is not a URL such as https://host:port", raw)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, fmt.Errorf("endpoint %s://%s: the scheme must be http, https, ws or wss", u.Scheme, u.Host)
	}
	e := &endpoint{name: u.Scheme + "://" + u.Host, url: raw, pause: backoff.NewExponentialBackOff()}
	e.pause.InitialInterval, e.pause.MaxInterval = 100*time.Millisecond, 30*time.Second
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	e.webSocket = websocket.Dialer{Proxy: http.ProxyFromEnvironment}
	if dialer != nil {
		transport.DialContext, e.webSocket.NetDialContext = dialer.DialContext, dialer.DialContext
	}
	e.http = &http.Client{
		Transport: &guard{transport, e},
		// A request must not wander off to where nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// guard limits what an endpoint may send and hears it say when to come back.
type guard struct {
	next *http.Transport
	e    *endpoint
}

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			g.e.mu.Lock()
			g.e.retryAfter = min(time.Duration(s)*time.Second, maxRetryAfter)
			g.e.mu.Unlock()
		}
	}
	limit := int64(maxBody)
	if resp.StatusCode/100 != 2 {
		limit = 4 << 10 // an error page is quoted in the error
	}
	resp.Body = &limitedBody{resp.Body, limit}
	return resp, nil
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] through to the transport.
func (g *guard) CloseIdleConnections() { g.next.CloseIdleConnections() }

var errTooLarge = errors.New("the answer is too large")

type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// connect opens the connection where there is none. HTTP connects by itself with each request.
func (e *endpoint) connect(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rpc != nil {
		return nil
	}
	client, err := rpc.DialOptions(ctx, e.url, rpc.WithHTTPClient(e.http), rpc.WithWebsocketMessageSizeLimit(maxBody),
		rpc.WithWebsocketDialer(e.webSocket))
	if err != nil {
		return fmt.Errorf("connect: %w", redact(err))
	}
	e.rpc, e.eth = client, ethclient.NewClient(client)
	return nil
}

func (e *endpoint) identify(ctx context.Context) error {
	if err := e.connect(ctx); err != nil {
		return &EndpointError{e.name, err}
	}
	id, err := e.eth.ChainID(ctx)
	if err != nil {
		return &EndpointError{e.name, fmt.Errorf("ask for the chain id: %w", redact(err))}
	}
	if !id.IsUint64() || id.Sign() == 0 {
		return &EndpointError{e.name, fmt.Errorf("chain id %s is out of range", id)}
	}
	e.chainID.Store(id.Uint64())
	return nil
}

// ready makes sure that e serves that chain before anything it says is believed.
func (e *endpoint) ready(ctx context.Context, want uint64) error {
	if e.chainID.Load() == 0 {
		if err := e.identify(ctx); err != nil {
			return err
		}
	}
	if got := e.chainID.Load(); got != want {
		return &ChainIDError{URL: e.name, Got: got, Want: want}
	}
	return nil
}

func (e *endpoint) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rpc != nil {
		e.rpc.Close()
	}
	e.http.CloseIdleConnections()
}

func (e *endpoint) succeeded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures, e.until, e.retryAfter = 0, time.Time{}, 0
	e.pause.Reset()
}

// failed notes a failure and reports whether it is the first after a success.
func (e *endpoint) failed(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
	e.failures++
	e.until = time.Now().Add(max(e.pause.NextBackOff(), e.retryAfter))
	e.retryAfter = 0
	return e.failures == 1
}

// isAnswer reports whether err is what the chain has to say rather than the failure of an endpoint to say it.
func isAnswer(err error) bool {
	if errors.Is(err, errReorganised) {
		return true
	}
	var e rpc.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.ErrorCode() {
	case -32005, -32016, -32029, 429, -32601, -32603, -32700, -32002, -32097: // limits, methods, internal errors, timeouts
		var data rpc.DataError
		return errors.As(err, &data) && e.ErrorCode() == -32603 && strings.Contains(err.Error(), "revert")
	}
	m := strings.ToLower(err.Error())
	for _, s := range []string{"rate limit", "too many requests", "limit exceeded", "timeout", "timed out"} {
		if strings.Contains(m, s) {
			return false
		}
	}
	return true
}

// isMissing reports whether err says that the endpoint doesn't have what was asked for, which may only be for now.
func isMissing(err error) bool {
	if errors.Is(err, ethereum.NotFound) {
		return true
	}
	var e rpc.Error
	if !errors.As(err, &e) {
		return false
	}
	m := strings.ToLower(err.Error())
	for _, s := range []string{"header not found", "unknown block", "block not found", "missing trie node",
		"indexing is in progress", "header for hash not found"} {
		if strings.Contains(m, s) {
			return true
		}
	}
	return false
}

// redact strips URLs from the errors of the HTTP client, which quote the whole of them, access key included, and makes
// an error page short and printable.
func redact(err error) error {
	var page rpc.HTTPError
	if errors.As(err, &page) {
		body := printable(strings.TrimSpace(string(page.Body[:min(len(page.Body), 120)])))
		if body == "" {
			return fmt.Errorf("HTTP status %s", printable(page.Status))
		}
		return fmt.Errorf("HTTP status %s: %q", printable(page.Status), body)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

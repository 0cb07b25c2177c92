package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
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

	"byway/contracts/text"
)

// maxQuote bounds what is quoted of an endpoint's words, in bytes.
const maxQuote = 240

// endpoint is one JSON-RPC server and what is known of its health.
type endpoint struct {
	name      string // scheme and host: the rest of the URL may hold an access key
	url       string
	secrets   []string      // parts of the URL that its answers may repeat and nobody else shall
	chainID   atomic.Uint64 // 0: not asked yet
	rpc       *rpc.Client
	eth       *ethclient.Client
	http      *http.Client
	webSocket websocket.Dialer
	sockets   sockets
	quirks    quirks
	trust     trust

	connecting sync.Mutex // held while the connection is opened

	mu         sync.Mutex
	pause      *backoff.ExponentialBackOff
	failures   int
	failing    time.Time // since when
	until      time.Time // not to be preferred before
	retryAfter time.Duration
	newest     Block     // the head that it named last; of number 0: none yet
	moved      time.Time // when that was first named
	lagging    bool
	slow       bool  // others answer sooner
	err        error // of the last failure
}

// endpointError says which endpoint failed. It never carries the URL's path or query.
type endpointError struct {
	URL string
	Err error
}

// Error implements error.
func (e *endpointError) Error() string { return fmt.Sprintf("endpoint %s: %v", e.URL, e.Err) }

// Unwrap returns the cause.
func (e *endpointError) Unwrap() error { return e.Err }

func newEndpoint(raw string, dialer *net.Dialer) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		// Whatever stands behind the host may be a secret, and before an @ too.
		shown, _, _ := strings.Cut(raw, "?")
		if strings.Contains(raw, "@") {
			shown = ""
		}
		return nil, fmt.Errorf("endpoint URL %.20q is not a URL such as https://host:port", shown)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, fmt.Errorf("endpoint %s://%s: the scheme must be http, https, ws or wss", u.Scheme, u.Host)
	}
	e := &endpoint{
		name: u.Scheme + "://" + u.Host, url: raw, secrets: secretsOf(u), pause: backoff.NewExponentialBackOff(),
		trust: trust{busy: make(chan struct{}, 1)},
	}
	e.pause.InitialInterval, e.pause.MaxInterval = 100*time.Millisecond, 30*time.Second
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	if dialer != nil {
		transport.DialContext = dialer.DialContext
	} else {
		dialer = new(net.Dialer)
	}
	e.webSocket = websocket.Dialer{Proxy: http.ProxyFromEnvironment, NetDialContext: e.sockets.dialer(dialer)}
	e.http = &http.Client{
		Transport: &guard{transport, e},
		// A request must not wander off to where nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// retryAfter reads the header of that name, in either of its forms (RFC 9110, 10.2.3), and bounds it.
func retryAfter(header string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(strings.TrimSpace(header), 10, 64); err == nil {
		return time.Duration(min(s, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// secretsOf are the parts of a URL that may be an access key: user, password, path and query.
func secretsOf(u *url.URL) (secrets []string) {
	add := func(s string) {
		if len(s) >= 5 {
			secrets = append(secrets, s)
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.Username())
		add(password)
		add(u.User.String())
	}
	add(u.RawQuery)
	for _, values := range u.Query() {
		for _, v := range values {
			add(v)
			add(url.QueryEscape(v))
		}
	}
	for _, part := range strings.Split(u.Path, "/") {
		add(part)
		add(url.PathEscape(part))
	}
	// The longest first, so that no rest of one is left where another is a part of it.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// connect opens the connection where there is none. HTTP connects by itself with each request.
func (e *endpoint) connect(ctx context.Context) error {
	e.connecting.Lock()
	defer e.connecting.Unlock()
	e.mu.Lock()
	there := e.rpc != nil
	e.mu.Unlock()
	if there {
		return nil
	}
	client, err := rpc.DialOptions(ctx, e.url, rpc.WithHTTPClient(e.http), rpc.WithWebsocketMessageSizeLimit(bulkBody),
		rpc.WithWebsocketDialer(e.webSocket))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rpc, e.eth = client, ethclient.NewClient(client)
	return nil
}

func (e *endpoint) close() {
	e.sockets.closeAll() // also the one that is being opened
	e.connecting.Lock()
	defer e.connecting.Unlock()
	if e.rpc != nil {
		e.rpc.Close()
	}
	e.http.CloseIdleConnections()
}

func (e *endpoint) succeeded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures, e.failing, e.until, e.retryAfter = 0, time.Time{}, time.Time{}, 0
	e.pause.Reset()
}

// failed notes a failure and reports whether it is the first after a success.
func (e *endpoint) failed(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
	if e.failures++; e.failures == 1 {
		e.failing = time.Now()
	}
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
	if !errors.As(err, &e) || isMissing(err) {
		return false
	}
	m := strings.ToLower(err.Error())
	if strings.Contains(m, "revert") {
		var data rpc.DataError
		return e.ErrorCode() != -32603 || errors.As(err, &data)
	}
	switch e.ErrorCode() {
	case -32005, -32016, -32029, 429, -32601, -32603, -32700, -32002, -32097: // limits, methods, internal errors, timeouts
		return false
	}
	return !containsAny(m, refusals) && !containsAny(m, []string{"timeout", "timed out"})
}

// refusals are words by which endpoints say that they do not want to answer, now or this client.
var refusals = []string{
	"rate limit", "rate-limit", "ratelimit", "too many requests", "limit exceeded", "request limit", "request count",
	"quota", "throttl", "per second", "per day", "daily", "monthly", "capacity", "compute units", "credits", "upgrade your",
	"api key", "apikey", "unauthorized", "unauthorised", "forbidden", "overloaded", "try again", "unavailable",
}

// isRefusal reports whether an endpoint says that it was asked too often or by the wrong one, whatever was asked.
func isRefusal(err error) bool {
	var page rpc.HTTPError
	if errors.As(err, &page) {
		switch page.StatusCode {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusUnauthorized, http.StatusForbidden,
			http.StatusPaymentRequired:
			return true
		}
		return containsAny(strings.ToLower(string(page.Body)), refusals)
	}
	var e rpc.Error
	return errors.As(err, &e) && containsAny(strings.ToLower(err.Error()), refusals)
}

// lasting are words by which endpoints say that they will not answer this client soon.
var lasting = []string{
	"quota", "daily", "per day", "monthly", "per month", "credits", "upgrade", "api key", "apikey", "unauthorized",
	"unauthorised", "forbidden",
}

// isBusy reports whether an endpoint says that it was asked too often just now: it may answer in a moment.
func isBusy(err error) bool {
	var page rpc.HTTPError
	if errors.As(err, &page) && page.StatusCode != http.StatusTooManyRequests {
		return false
	}
	return isRefusal(err) && !containsAny(strings.ToLower(err.Error()), lasting)
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// isMissing reports whether err says that the endpoint doesn't have what was asked for, which may only be for now.
func isMissing(err error) bool {
	if errors.Is(err, ethereum.NotFound) {
		return true
	}
	var e rpc.Error
	return errors.As(err, &e) && containsAny(strings.ToLower(err.Error()), []string{
		"header not found", "unknown block", "block not found", "missing trie node", "indexing is in progress",
		"header for hash not found", "could not find block", "block is not available", "blockoutofrange",
		"block out of range",
	})
}

// quote is an error whose text is fit to be shown: short, printable, and without the endpoint's access key.
type quote struct {
	text string
	err  error
}

func (q *quote) Error() string { return q.text }
func (q *quote) Unwrap() error { return q.err }

// quote makes an error of e's fit to be shown. What an endpoint says is a stranger's text of any length, and the errors
// of the HTTP client quote its URL, access key included.
func (e *endpoint) quote(err error) error {
	if err == nil {
		return nil
	}
	switch err.(type) { //nolint:errorlint // what has been through here itself; what wraps it has not
	case *quote, *endpointError, *chainIDError, *LeftOutError:
		return err
	}
	var text string
	var page rpc.HTTPError
	var u *url.Error
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	var malformed *malformedError
	switch {
	case errors.As(err, &page):
		text = "HTTP status " + page.Status
		if body := strings.Join(strings.Fields(string(page.Body)), " "); body != "" {
			text += ": " + body
		}
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time"
	case errors.As(err, &malformed):
		text = notJSONRPC(malformed.error)
	case errors.As(err, &u): // of the connection; its text would name all of the URL
		text = u.Err.Error()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			text = "it cut the connection"
		}
	case errors.As(err, &syntax), errors.As(err, &mistyped), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		text = notJSONRPC(err)
	default:
		text = err.Error()
	}
	return &quote{e.clean(text), err}
}

func notJSONRPC(err error) string {
	return fmt.Sprintf("what it answers is not JSON-RPC (%v): is that the URL of a JSON-RPC endpoint?", err)
}

// clean removes access keys, bounds the text and makes it safe to show.
func (e *endpoint) clean(s string) string {
	const most = 64 << 10
	if len(s) > most {
		s = s[:most]
		if len(e.secrets) > 0 { // half a key may stand at the end
			s = s[:most-min(most, len(e.secrets[0]))]
		}
	}
	for _, secret := range e.secrets {
		s = strings.ReplaceAll(s, secret, "…")
	}
	return text.Cut(s, maxQuote)
}

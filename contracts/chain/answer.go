package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// What an endpoint sends is a stranger's: an answer is read whole, up to a bound that follows from what was asked, and held
// against the question before anything is made of it.

const (
	// maxBody bounds an endpoint's answer in bytes, and bulkBody one to a question for logs or for a block with all its
	// transactions. The largest that are asked for, a page of the registry and a full page of logs, are far below.
	maxBody, bulkBody = 4 << 20, 32 << 20
	// maxPage bounds how much is read of a page that is no answer: it is quoted in the error.
	maxPage = 4 << 10
	// maxRetryAfter bounds how long an endpoint can send us away for.
	maxRetryAfter = 2 * time.Minute
)

// guard limits what an endpoint may send, holds its answers against the questions and hears it say when to come back.
type guard struct {
	next *http.Transport
	e    *endpoint
}

// question is what was asked over HTTP.
type question struct {
	Method string            `json:"method"`
	ID     json.RawMessage   `json:"id"`
	Params []json.RawMessage `json:"params"`
}

// questionOf reads a request's body. It is none of ours where it can't be read, and then nothing is held against it.
func questionOf(r *http.Request) (q question) {
	if r.GetBody == nil {
		return q
	}
	body, err := r.GetBody()
	if err != nil {
		return q
	}
	defer body.Close()
	if json.NewDecoder(body).Decode(&q) != nil {
		return question{}
	}
	return q
}

// limit is how large an answer may be.
func (q question) limit() int64 {
	whole := strings.HasPrefix(q.Method, "eth_getBlockBy") && len(q.Params) == 2 && string(q.Params[1]) == "true"
	if q.Method == "eth_getLogs" || whole {
		return bulkBody
	}
	return maxBody
}

// busyPause is how soon an endpoint that says that it was asked too often is asked again, at first, and busyPatience for how
// long it is insisted on: no longer than one request may take. Another endpoint is asked meanwhile, where there is one.
const (
	busyPause, busyPauseMost = 200 * time.Millisecond, 2 * time.Second
	busyPatience             = 8 * time.Second
)

// RoundTrip implements [http.RoundTripper]. It insists on a question that the endpoint is too busy for, so that what takes
// several questions gets on where only some of them are answered.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := questionOf(r)
	until := time.Now().Add(busyPatience)
	if deadline, ok := r.Context().Deadline(); ok {
		// In time for whoever waits to be told what the endpoint says.
		if last := deadline.Add(-time.Until(deadline) / 10); last.Before(until) {
			until = last
		}
	}
	pause := newPoll(busyPause, busyPauseMost)
	for {
		resp, busy, err := g.once(r, asked)
		if err != nil || !busy || r.GetBody == nil {
			return resp, err
		}
		wait := pause.step()
		g.e.mu.Lock()
		wait = max(wait, g.e.retryAfter)
		g.e.mu.Unlock()
		if time.Now().Add(wait).After(until) {
			return resp, nil
		}
		body, err := r.GetBody()
		if err != nil {
			return resp, nil //nolint:nilerr // then the refusal is the answer
		}
		resp.Body.Close() // it is not wanted
		if err := sleep(r.Context(), wait); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = body
	}
}

// once asks once, and reports whether the endpoint is too busy to answer.
func (g *guard) once(r *http.Request, asked question) (resp *http.Response, busy bool, err error) {
	if resp, err = g.next.RoundTrip(r); err != nil {
		return nil, false, err
	}
	var wait time.Duration
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		busy = wait > 0 || resp.StatusCode == http.StatusTooManyRequests
	}
	g.e.mu.Lock()
	g.e.retryAfter = wait
	g.e.mu.Unlock()
	if resp.StatusCode/100 != 2 {
		resp.Body = &limitedBody{resp.Body, maxPage}
		return resp, busy, nil
	}
	body, err := io.ReadAll(&limitedBody{resp.Body, asked.limit()})
	resp.Body.Close() // it is read to its end, or not wanted
	if err != nil {
		return nil, false, err
	}
	refusal, err := asked.heldAgainst(body)
	if err != nil {
		return nil, false, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	// A refusal of logs may be about how many were asked for, whatever it sounds like.
	busy = asked.Method != "eth_getLogs" && containsAny(refusal, refusals) && !containsAny(refusal, lasting)
	return resp, busy, nil
}

// heldAgainst makes sure that a body is one answer, and to this question. It returns the message of an error, in lower case.
func (q question) heldAgainst(body []byte) (refusal string, err error) {
	if q.Method == "" {
		return "", nil
	}
	var a struct {
		ID    json.RawMessage `json:"id"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return "", &malformedError{err}
	}
	if a.Error != nil {
		refusal = strings.ToLower(a.Error.Message)
		if len(a.ID) == 0 || string(a.ID) == "null" {
			return refusal, nil // whoever refuses without reading names no question
		}
	}
	if got := bytes.Trim(a.ID, `"`); !bytes.Equal(got, bytes.Trim(q.ID, `"`)) {
		return "", &malformedError{fmt.Errorf("question %s was asked and question %.20q answered", q.ID, got)}
	}
	return refusal, nil
}

// malformedError says that what came is no answer.
type malformedError struct{ error }

// Unwrap returns what is wrong with it.
func (e *malformedError) Unwrap() error { return e.error }

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

// sockets are the open connections of an endpoint's WebSockets. The library that opens them looks at no context once it
// waits for the server's word: closing the connection is what ends that.
type sockets struct {
	mu     sync.Mutex
	open   map[*socket]bool
	closed bool
}

// socket is a connection that is forgotten when it is closed.
type socket struct {
	net.Conn
	of *sockets
}

// Close implements [net.Conn].
func (s *socket) Close() error {
	s.of.mu.Lock()
	delete(s.of.open, s)
	s.of.mu.Unlock()
	return s.Conn.Close()
}

// dialer opens connections with d.
func (s *sockets) dialer(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			conn.Close() // nothing was said on it
			return nil, errClosed
		}
		if s.open == nil {
			s.open = make(map[*socket]bool)
		}
		of := &socket{conn, s}
		s.open[of] = true
		return of, nil
	}
}

// closeAll closes every connection, and those that are opened later at once.
func (s *sockets) closeAll() {
	s.mu.Lock()
	open := s.open
	s.open, s.closed = nil, true
	s.mu.Unlock()
	for conn := range open {
		conn.Conn.Close() // it is not used any more
	}
}

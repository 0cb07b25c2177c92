package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"byway/contracts/text"
	"byway/node/api/spec"
	"byway/node/home"
)

// Client is a client of the local API of the daemon on a home. Each request of the API is a method of the client's; an
// answer that is an error is returned as an [*Error], and where there is none the answer's JSON200 or JSON202 is set.
// It can be used by several goroutines.
type Client struct {
	*spec.ClientWithResponses

	dir  string
	http http.Client
}

// Dial finds the daemon that runs on a home: [ErrNotRunning] where there is none, and [ErrForbidden] where it is another
// user's.
func Dial(folder home.Home) (*Client, error) { return DialDir(folder.Dir()) }

// DialDir is [Dial] for a home that this user may not be able to read: an absolute path is all that is needed.
func DialDir(dir string) (*Client, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("home %s: not an absolute path", dir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queuePatience)
	defer cancel()
	conn, err := dialSocket(ctx, dir, dialPlaces(dir))
	if err != nil {
		return nil, err
	}
	conn.Close()
	return newClient(dir, func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, dir, dialPlaces(dir)) })
}

func newClient(dir string, dial func(context.Context) (net.Conn, error)) (*Client, error) {
	c := &Client{dir: dir}
	c.http = http.Client{
		Transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			IdleConnTimeout: 10 * time.Second, MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	inner, err := spec.NewClientWithResponses("http://byway", spec.WithHTTPClient(doer{c}))
	c.ClientWithResponses = inner
	return c, err
}

// Close gives the client's connections back.
func (c *Client) Close() error { c.http.CloseIdleConnections(); return nil }

// doer makes errors of answers that are.
type doer struct{ c *Client }

// Do implements [spec.HttpRequestDoer].
func (d doer) Do(r *http.Request) (*http.Response, error) { return d.c.do(r) }

func (c *Client) do(r *http.Request) (*http.Response, error) {
	if !peersTold {
		token, err := os.ReadFile(filepath.Join(c.dir, tokenFile))
		if err != nil {
			return nil, ErrForbidden.Errorf("the daemon's token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	response, err := c.http.Do(r)
	if err != nil {
		var said *Error
		var kind Kind
		switch {
		case errors.As(err, &said):
			return nil, said
		case errors.As(err, &kind):
			return nil, fmt.Errorf("%s: %w", c.dir, kind)
		case r.Context().Err() != nil:
			return nil, r.Context().Err()
		}
		return nil, fmt.Errorf("local API: %w", err)
	}
	response.Body = &bounded{response.Body, maxResponse}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	return nil, decodeError(body, response.StatusCode)
}

// decodeError is what an answer that is an error says.
func decodeError(body []byte, status int) *Error {
	var p spec.Problem
	if err := home.DecodeJSON(body, &p); err != nil || p.Code == "" || len(p.Code) > 64 {
		return &Error{
			Code: ErrInternal, Status: status,
			Message: fmt.Sprintf("local API: %d %s: %s", status, http.StatusText(status), text.Line(string(body))),
		}
	}
	return errorOf(&p, status)
}

// bounded fails where there is more to read than either side takes.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrLarge.Errorf("the daemon's answer has more than %d bytes", maxResponse)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Wait follows an operation to its end, and returns its result. step is called with each step that it tells. The end of ctx
// ends the waiting and not the operation.
func Wait[T any](ctx context.Context, c *Client, op *spec.Operation, step func(text string)) (result T, err error) {
	told := 0
	for {
		for ; told < len(op.Steps); told++ {
			step(op.Steps[told].Text)
		}
		switch op.State {
		case spec.OperationStateDone:
			if len(op.Result) == 0 {
				return result, nil
			}
			if err := home.DecodeJSON(op.Result, &result); err != nil {
				return result, fmt.Errorf("the result of %s: %w", op.Kind, err)
			}
			return result, nil
		case spec.OperationStateFailed:
			if op.Error == nil {
				return result, ErrInternal.Errorf("%s has failed, and does not say why", op.Kind)
			}
			return result, errorOf(op.Error, 0)
		}
		now, err := c.GetOperationWithResponse(ctx, op.ID, &spec.GetOperationParams{After: op.Version, WaitSeconds: 20})
		if err != nil {
			return result, err
		}
		if now.JSON200 == nil {
			return result, ErrInternal.Errorf("the daemon does not say how %s stands", op.Kind)
		}
		op = now.JSON200
	}
}

// Follow calls each for every event behind the one of that id, or for those that come from now on where it is empty, until that
// fails, ctx ends or the daemon does. An event "lost" says that some are forgotten.
func (c *Client) Follow(ctx context.Context, after string, each func(Event) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://byway/v2/events", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	response, err := c.do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	stream := response.Body.(*bounded).ReadCloser // each event is bounded, not all of them
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("local API: events came as %s", text.Line(kind))
	}
	err = readEvents(stream, each)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// OpenDoor has the daemon open its door for browsers, and returns the page that one enters by.
func (c *Client) OpenDoor(ctx context.Context) (door spec.Door, err error) {
	return door, c.Post(ctx, "/v2/door", &door)
}

// Get asks the daemon and decodes its answer into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, out)
}

// Post tells the daemon to do something and decodes its answer into out.
func (c *Client) Post(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodPost, path, out)
}

func (c *Client) call(ctx context.Context, method, path string, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://byway"+path, nil)
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	response, err := c.do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	return json.Unmarshal(body, out)
}

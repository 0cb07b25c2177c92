package connection

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"byway/tunnel"
)

// ErrNoSession says that a connection had no session to open a flow through, for as long as a flow waits for one.
var ErrNoSession = errors.New("the connection has no session at the moment")

// dialPatience is how long a new flow waits for a session.
const dialPatience = 10 * time.Second

// steady opens flows through whatever session a connection has. A flow that is being opened when the session is replaced is
// opened through the next one: nothing of it has been sent yet.
type steady struct {
	mu       sync.Mutex
	client   *tunnel.Client // nil: there is none
	replaced chan struct{}  // closed when client is another one
	over     bool
}

func newSteady() *steady { return &steady{replaced: make(chan struct{})} }

// use has new flows go through another tunnel; nil: they wait.
func (d *steady) use(client *tunnel.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == client {
		return
	}
	d.client = client
	close(d.replaced)
	d.replaced = make(chan struct{})
}

// end has flows wait no more.
func (d *steady) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.over, d.client = true, nil
	close(d.replaced)
	d.replaced = make(chan struct{})
}

func (d *steady) current() (client *tunnel.Client, replaced <-chan struct{}, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.client, d.replaced, d.over
}

// wait returns the tunnel that there is, or comes in time.
func (d *steady) wait(ctx context.Context) (*tunnel.Client, <-chan struct{}, error) {
	patience := time.NewTimer(dialPatience)
	defer patience.Stop()
	for {
		client, replaced, over := d.current()
		switch {
		case over:
			return nil, nil, net.ErrClosed
		case client != nil:
			return client, replaced, nil
		}
		select {
		case <-replaced:
		case <-patience.C:
			return nil, nil, ErrNoSession
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// through does something with the tunnel that there is, and again with the next one where it was replaced meanwhile.
func through[T any](
	ctx context.Context, d *steady, do func(context.Context, *tunnel.Client) (T, error),
) (result T, err error) {
	for {
		client, replaced, err := d.wait(ctx)
		if err != nil {
			return result, err
		}
		trying, cancel := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() { // ends with the try
			defer close(watched)
			select {
			case <-replaced:
				cancel()
			case <-trying.Done():
			}
		}()
		result, err = do(trying, client)
		cancel()
		<-watched
		if err == nil || ctx.Err() != nil {
			return result, err
		}
		select {
		case <-replaced:
		default:
			if !ended(client) {
				return result, err
			}
			// A session whose tunnel has ended is replaced in a moment.
			if err := d.awaitOther(ctx, client); err != nil {
				return result, err
			}
		}
	}
}

func ended(client *tunnel.Client) bool {
	select {
	case <-client.Ended():
		return true
	default:
		return false
	}
}

func (d *steady) awaitOther(ctx context.Context, client *tunnel.Client) error {
	patience := time.NewTimer(dialPatience)
	defer patience.Stop()
	for {
		now, replaced, over := d.current()
		switch {
		case over:
			return net.ErrClosed
		case now != client:
			return nil
		}
		select {
		case <-replaced:
		case <-patience.C:
			return ErrNoSession
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// DialContext implements [proxy.Dialer].
func (d *steady) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return through(ctx, d, func(ctx context.Context, c *tunnel.Client) (net.Conn, error) {
		return c.DialContext(ctx, network, address)
	})
}

// Resolve implements [proxy.Dialer].
func (d *steady) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return through(ctx, d, func(ctx context.Context, c *tunnel.Client) ([]netip.Addr, error) {
		return c.Resolve(ctx, host)
	})
}

// ListenUDP implements [proxy.Dialer]. The socket ends with its session.
func (d *steady) ListenUDP() (net.PacketConn, error) {
	client, _, err := d.wait(context.Background())
	if err != nil {
		return nil, err
	}
	return client.ListenUDP()
}

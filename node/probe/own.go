package probe

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"byway/node/home"
)

// Own keeps the addresses at which others see this machine without any exit.
type Own struct {
	mu    sync.Mutex
	known bool
	addrs []netip.Addr
}

// Ask asks the network's echo servers once, over both families. An exit that shows one of these addresses sends the
// traffic back out of our own line.
func (o *Own) Ask(ctx context.Context, n home.Network) []netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known || len(n.Probe.Echo) == 0 {
		return o.addrs
	}
	dialer := n.Dialer
	if dialer == nil {
		dialer = &net.Dialer{}
	}
	seen := make(chan netip.Addr, 2*len(n.Probe.Echo))
	var asking sync.WaitGroup
	for _, family := range []string{"tcp4", "tcp6"} {
		transport := &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, family, address)
			},
		}
		client := &http.Client{Transport: transport, Timeout: probeStep}
		for _, url := range n.Probe.Echo {
			asking.Go(func() {
				if a, err := askEcho(ctx, client, url); err == nil {
					seen <- a
				}
			})
		}
	}
	asking.Wait()
	close(seen)
	for a := range seen {
		if !slices.Contains(o.addrs, a) {
			o.addrs = append(o.addrs, a)
		}
	}
	o.known = len(o.addrs) > 0
	return o.addrs
}

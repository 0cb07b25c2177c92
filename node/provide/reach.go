package provide

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"byway/ipfs/fence"
	"byway/node/home"
)

// UnreachableError says that nobody who is to be served could reach a provider where it is to listen.
type UnreachableError struct {
	Listen string // the UDP address of WireGuard, or the libp2p multiaddr
	Host   bool   // it is the libp2p host's
	Why    string
}

func (e *UnreachableError) Error() string {
	what := "WireGuard"
	if e.Host {
		what = "the libp2p host"
	}
	return fmt.Sprintf("%s would listen on %s alone: %s", what, e.Listen, e.Why)
}

// checkListen refuses an exit that listens on loopback alone, or is told of to consumers there alone, where the network has
// a part on another machine.
func (cfg Config) checkListen(n home.Network) error {
	far := elsewhere(n)
	if far == "" {
		return nil
	}
	for _, text := range cfg.Endpoints {
		if at, err := netip.ParseAddrPort(text); err != nil || !at.Addr().Unmap().IsLoopback() {
			return nil
		}
	}
	listen := cfg.Listen.String()
	if len(cfg.Endpoints) > 0 {
		listen = strings.Join(cfg.Endpoints, ", ")
	} else if !cfg.Listen.Addr().Unmap().IsLoopback() {
		return nil
	}
	return &UnreachableError{Listen: listen, Why: far}
}

// CheckHostListen refuses addresses for the libp2p host that no node of the network would dial: each of the list, which is
// ipfs's default where it is empty. What a router may translate is let pass.
func CheckHostListen(n home.Network, list []string) error {
	bootstrap := make([]peer.AddrInfo, 0, len(n.Bootstrap))
	for _, text := range n.Bootstrap {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return fmt.Errorf("bootstrap node %q: %w", text, err)
		}
		bootstrap = append(bootstrap, *info)
	}
	local := len(list) > 0 || n.Private
	for _, text := range list {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return fmt.Errorf("listen address %q: %w", text, err)
		}
		ip, ok := fence.IPOf(a)
		if !ok {
			return &UnreachableError{text, true, "it starts with no IP address to listen on"}
		}
		local = local && ip.IsLoopback()
		gate := fence.Public(bootstrap)
		if n.Private {
			gate = fence.Private([]multiaddr.Multiaddr{a}, bootstrap)
		}
		switch {
		case ip.IsUnspecified(), gate.InterceptAddrDial("", a):
		case !n.Private && (ip.IsPrivate() || sharedSpace.Contains(ip)) && fence.CheckDial(a, true) == nil:
		case n.Private:
			return &UnreachableError{text, true, "the network is a private one, whose nodes dial no such address"}
		default:
			return &UnreachableError{text, true, "no node of the public network dials such an address"}
		}
	}
	if far := elsewhere(n); local && far != "" {
		listen := "loopback"
		if len(list) > 0 {
			listen = strings.Join(list, ", ")
		}
		return &UnreachableError{listen, true, far}
	}
	return nil
}

// sharedSpace is what carriers translate (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// elsewhere says why a network has a part on another machine; empty where all of it is on this one.
func elsewhere(n home.Network) string {
	if !n.Private {
		return "the network is a public one, whose consumers are on other machines"
	}
	for _, text := range n.Bootstrap {
		if info, err := peer.AddrInfoFromString(text); err == nil {
			for _, a := range info.Addrs {
				if ip, ok := fence.IPOf(a); !ok || !ip.IsLoopback() {
					return fmt.Sprintf("the network's bootstrap node is on another machine, at %s", a)
				}
			}
		}
	}
	for _, text := range n.RPC {
		if host := rpcHost(text); host != "" {
			return "the network's chain is on another machine, at " + host
		}
	}
	return ""
}

// rpcHost is the host of an endpoint that is not on this machine; empty where it is.
func rpcHost(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" { // a socket's path
		return ""
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified()) {
		return ""
	}
	return host
}

// cameWithin is for how long a consumer from outside shows that others can come.
const cameWithin = time.Hour

// Reach says whether consumers reach the provider, as far as that is known.
type Reach struct {
	Reachable string     `json:"reachable"` // yes, no, unknown
	Why       string     `json:"why"`
	At        *time.Time `json:"at"` // when that was seen; null where nothing was
}

// heard is what libp2p last found of its own reachability.
type heard struct {
	is network.Reachability
	at time.Time
}

// Reach derives it from what was seen: a session that came from a public address within the hour, else what other nodes
// told libp2p that dialled it back.
func (p *Provider) Reach() Reach {
	p.mu.Lock()
	heard := p.heard
	p.mu.Unlock()
	return reachOf(p.server.Counts().Outside, heard, time.Now())
}

func reachOf(came time.Time, h heard, now time.Time) Reach {
	switch {
	case !came.IsZero() && now.Sub(came) < cameWithin:
		return Reach{"yes", "a consumer came in from a public address", &came}
	case h.is == network.ReachabilityPublic:
		return Reach{"yes", "other nodes could dial back (AutoNAT)", &h.at}
	case h.is == network.ReachabilityPrivate:
		return Reach{"no", "other nodes could not dial back (AutoNAT): forward the ports, or name endpoints that are", &h.at}
	case !came.IsZero():
		return Reach{"unknown", "no consumer has come from a public address for more than an hour", &came}
	}
	return Reach{"unknown", "nobody has come yet", nil}
}

// followReach hears what libp2p finds of its reachability, until ctx ends. AutoNAT v2 tells of addresses, and counts where it
// has told anything of them; AutoNAT v1 of the node.
func (p *Provider) followReach(ctx context.Context) error {
	events, err := p.IPFS.Host().EventBus().Subscribe([]any{
		new(event.EvtHostReachableAddrsChanged), new(event.EvtLocalReachabilityChanged),
	})
	if err != nil {
		return fmt.Errorf("follow the host's reachability: %w", err)
	}
	defer events.Close()
	addrs, node := network.ReachabilityUnknown, network.ReachabilityUnknown
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events.Out():
			switch e := e.(type) {
			case event.EvtHostReachableAddrsChanged:
				addrs = addrsReach(e)
			case event.EvtLocalReachabilityChanged:
				node = e.Reachability
			default:
				continue
			}
			h := heard{addrs, time.Now()}
			if addrs == network.ReachabilityUnknown {
				h.is = node
			}
			if p.Network.Private { // which is told to libp2p, and not found out
				h.is = network.ReachabilityUnknown
			}
			p.mu.Lock()
			p.heard = h
			p.mu.Unlock()
		}
	}
}

// addrsReach is what AutoNAT v2 says of all addresses: one that is reached is enough.
func addrsReach(e event.EvtHostReachableAddrsChanged) network.Reachability {
	switch {
	case len(e.Reachable) > 0:
		return network.ReachabilityPublic
	case len(e.Unreachable) > 0 && len(e.Unknown) == 0:
		return network.ReachabilityPrivate
	}
	return network.ReachabilityUnknown
}

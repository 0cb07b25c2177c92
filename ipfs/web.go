package ipfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"byway/ipfs/store"
)

// The web fall-backs of the public network. A router answers who has a block (IPFS delegated routing, /routing/v1), a
// gateway gives the block itself (IPFS trustless gateway, format=raw). Neither is trusted: a block from a gateway is
// checked by its hash as one from a peer is, and a provider that a router names is a peer like any other.
const (
	webAfter    = 2 * time.Second // without a block for so long, gateways are asked
	webWorkers  = 8               // blocks of one session that are asked for at a time
	webTimeout  = 10 * time.Second
	webBackoff  = 5 * time.Second // first pause of a failing endpoint, doubling up to webBackoffMax
	maxRoutes   = 64 << 10        // bytes of a router's answer
	maxRecords  = 20              // records of it that are used
	maxRecAddrs = 16              // addresses of one record that are used
)

var (
	defaultRouters  = []string{"https://delegated-ipfs.dev"}
	defaultGateways = []string{"https://trustless-gateway.link", "https://ipfs.io"}
)

// web asks routers and gateways over HTTP.
type web struct {
	client   *http.Client
	routers  []*endpoint
	gateways []*endpoint
}

// endpoint is one server, which is left alone for a growing while after each failure.
type endpoint struct {
	base  string
	pause backoff
}

// newWeb checks the endpoints and fills in the public network's.
func newWeb(cfg Config) (*web, error) {
	routers, gateways := cfg.Network.Routers, cfg.Network.Gateways
	if !cfg.Network.Private {
		if routers == nil {
			routers = defaultRouters
		}
		if gateways == nil {
			gateways = defaultGateways
		}
	}
	transport := cfg.HTTP
	if transport == nil {
		// One of our own, so that nothing of it outlives the node. A proxy is the caller's to configure.
		own := &http.Transport{ForceAttemptHTTP2: true}
		if cfg.Dialer != nil {
			own.DialContext = cfg.Dialer.DialContext
		}
		transport = own
	}
	w := &web{client: &http.Client{
		Transport: transport,
		Timeout:   webTimeout,
		// An answer is on the spot or not at all; a redirect could lead anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	if w.routers, err = parseEndpoints("router", routers); err != nil {
		return nil, err
	}
	if w.gateways, err = parseEndpoints("gateway", gateways); err != nil {
		return nil, err
	}
	return w, nil
}

func parseEndpoints(kind string, urls []string) ([]*endpoint, error) {
	var out []*endpoint
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", kind, s, err)
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%s %q: want an http or https address without a query", kind, s)
		}
		out = append(out, &endpoint{base: strings.TrimRight(s, "/"), pause: backoff{first: webBackoff, most: webBackoffMax}})
	}
	return out, nil
}

const webBackoffMax = 10 * time.Minute

// errAbsent says that a server answered that it does not have what it was asked for, which is no fault of it.
var errAbsent = errors.New("not there")

// get asks one endpoint and reads at most limit bytes; a longer answer is an error.
func (w *web) get(ctx context.Context, e *endpoint, path, accept string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, webTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "byway")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, errAbsent
	default:
		return nil, fmt.Errorf("%s answers %s", e.base, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s answers more than %d bytes", e.base, limit)
	}
	return body, nil
}

// providers asks all routers who has a block, and gives what they answer.
func (w *web) providers(ctx context.Context, c cid.Cid, found func(peer.AddrInfo)) {
	var wg sync.WaitGroup
	for _, e := range w.routers {
		if !e.pause.ready() {
			continue
		}
		wg.Go(func() {
			body, err := w.get(ctx, e, "/routing/v1/providers/"+c.String(), "application/json", maxRoutes)
			var infos []peer.AddrInfo
			if err == nil {
				infos, err = decodeProviders(body)
			}
			e.settle(ctx, err)
			for _, info := range infos {
				found(info)
			}
		})
	}
	wg.Wait()
}

// settle records how a request went, unless it was we who ended it.
func (e *endpoint) settle(ctx context.Context, err error) {
	switch {
	case err == nil, errors.Is(err, errAbsent):
		e.pause.succeed()
	case ctx.Err() == nil:
		e.pause.fail()
	}
}

// decodeProviders reads a router's answer (IPIP-337, as JSON). Records of unknown schemas and addresses that cannot be
// read are passed over, as the specification asks.
func decodeProviders(body []byte) ([]peer.AddrInfo, error) {
	var answer struct{ Providers []json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("decode providers: %w", err)
	}
	var infos []peer.AddrInfo
	for _, raw := range answer.Providers {
		if len(infos) == maxRecords {
			break
		}
		var record struct {
			Schema string
			ID     string
			Addrs  []string
		}
		if json.Unmarshal(raw, &record) != nil || record.Schema != "peer" && record.Schema != "bitswap" {
			continue
		}
		id, err := peer.Decode(record.ID)
		if err != nil {
			continue
		}
		info := peer.AddrInfo{ID: id}
		for _, s := range record.Addrs[:min(len(record.Addrs), maxRecAddrs)] {
			if a, err := ma.NewMultiaddr(s); err == nil {
				info.Addrs = append(info.Addrs, a)
			}
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// fetchWeb asks the gateways for what is missing once no blocks have come for a while. It ends with ctx.
func (n *Node) fetchWeb(ctx context.Context, p *part) {
	if len(n.web.gateways) == 0 {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(findAgain):
		}
		if p.idle() < min(webAfter, n.cfg.Timeout/3) {
			continue
		}
		var group errgroup.Group
		group.SetLimit(webWorkers)
		for _, c := range p.missing() {
			group.Go(func() error {
				n.fetchGateway(ctx, p.batch, c)
				return nil
			})
		}
		_ = group.Wait() // what a gateway lacks stays missing
	}
}

// fetchGateway asks one gateway after the other for a block until one gives the right bytes.
func (n *Node) fetchGateway(ctx context.Context, b *batch, c cid.Cid) {
	for _, e := range n.web.gateways {
		if ctx.Err() != nil || !b.wants(c) {
			return
		}
		if !e.pause.ready() {
			continue
		}
		block, err := n.web.get(ctx, e, "/ipfs/"+c.String()+"?format=raw", "application/vnd.ipld.raw", store.MaxBlock)
		if err == nil {
			err = n.accept(ctx, b, c, block)
		}
		e.settle(ctx, err)
		if err == nil {
			return
		}
		n.log.Debug("gateway gave no block", "gateway", e.base, "cid", c, "error", err)
	}
}

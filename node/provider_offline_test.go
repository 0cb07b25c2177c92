package node_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byway/contracts/chain"
	"byway/node"
	"byway/node/account"
	"byway/node/vault"
	"byway/payments/payee"
)

// rpcCut stands before a chain's endpoint and drops what comes in while it is cut.
type rpcCut struct{ cut atomic.Bool }

func (c *rpcCut) before(t *testing.T) func(string) string {
	return func(to string) string {
		upstream, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(upstream)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.cut.Load() {
				panic(http.ErrAbortHandler)
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
}

// again starts a provider with what it was started with before.
func (m *world) again(cfg node.ProviderConfig) *node.Provider {
	m.t.Helper()
	p, err := node.OpenProvider(m.ctx, cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	m.stop = func() error { stop(); m.stop = func() error { return nil }; return <-ended }
	m.t.Cleanup(func() { check(m.t, m.stop()) })
	_, err = p.Publish(m.ctx)
	go func() { ended <- p.Run(running) }()
	if err != nil {
		m.t.Fatal(err)
	}
	m.provider = p
	return p
}

// A provider is started again, twice, while the chain is down; the payer announced its exit as it went, from elsewhere.
// What is set aside is served all the same, nothing else is, and all of it is claimed once the chain is back.
func TestAdversaryProviderStartedWithoutTheChainIsPaidInFull(t *testing.T) {
	t.Parallel()
	var rpc rpcCut
	m := startMarketFor(t, marketConfig{deposit: "0", exit: 24 * time.Hour, rpc: rpc.before(t)}, 4*time.Minute)
	check(t, m.stop())
	var cfg node.ProviderConfig
	m.startProviderWith(func(c *node.ProviderConfig) {
		c.Claims.Interval = time.Second
		c.NoTrust = true
		cfg = *c
	})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.5")); err != nil {
		t.Fatal(err)
	}
	visit := m.connect()
	check(t, m.download(visit.Tunnel(), 6<<20))
	first := m.settled(visit)
	check(t, m.consumer.Close())
	offer := m.offer()
	buyer := m.cfg
	m.startConsumer(tokens("1"))
	if _, err := m.consumer.Fund(m.ctx, offer.Offer, tokens("0.5")); err != nil {
		t.Fatal(err)
	}
	check(t, m.consumer.Close())
	stranger := m.cfg
	m.cfg = buyer
	cfg.HostListen = offer.Offer.Host.Addrs
	check(t, m.stop())

	rpc.cut.Store(true)
	// The payer leaves by an endpoint of its own.
	own := m.Network
	own.RPC = []string{m.Chain.URL()}
	funds := filepath.Join(m.cfg.Home.Dir(), "funds.json")
	before, err := os.ReadFile(funds)
	check(t, err)
	w, err := vault.Open(m.ctx, vault.Config{
		Home: m.cfg.Home, Network: own, Owner: m.cfg.Key.Address(), Session: m.cfg.Session.Address(), Key: m.cfg.Key,
	})
	check(t, err)
	if _, err := w.StartExit(m.ctx, offer.Offer.Payee); err != nil {
		t.Fatal(err)
	}
	check(t, w.Close())
	// And it forgets that it does: what its home knows is what was before.
	check(t, os.WriteFile(funds, before, 0o600))

	began := time.Now()
	served := first.Paid
	for restart := range 2 {
		p := m.again(cfg)
		if p.Unpublished() == nil || p.Offer().CID != offer.CID {
			t.Fatalf("restart %d: sells %s, want %s; unpublished: %v", restart, p.Offer().CID, offer.CID, p.Unpublished())
		}
		m.openConsumer()
		s := m.connect()
		if err := m.download(s.Tunnel(), 2<<20); err != nil {
			t.Fatal(err)
		}
		status, err := p.Status(m.ctx)
		if err != nil || status.Unpublished == "" || len(status.Sessions) != 1 {
			t.Fatalf("%+v, %v", status, err)
		}
		left := time.Until(status.Sessions[0].ServeUntil)
		if blind := payee.BlindTime(24 * time.Hour); left > blind || left < blind-10*time.Minute {
			t.Errorf("restart %d: status says that it serves for %s more, want nearly %s", restart, left, blind)
		}
		served = sum(t, served, m.settled(s).Paid)
		check(t, m.consumer.Close())
		if restart == 0 {
			check(t, m.stop())
		}
	}
	took := time.Since(began)
	// A stranger, whose channel was never read, is refused.
	m.cfg = stranger
	m.openConsumer()
	if s, err := m.consumer.Connect(m.ctx, offer); err == nil {
		s.Close(m.ctx)
		t.Error("a stranger was served although nobody can see its deposit")
	}

	rpc.cut.Store(false)
	eventually(t, time.Minute, "the offer is published once the chain answers", func() bool { return m.provider.Unpublished() == nil })
	var settled account.Earnings
	eventually(t, time.Minute, "the exit is claimed", func() bool {
		settled, err = m.provider.Earnings(m.ctx)
		check(t, err)
		return settled.Settled == served
	})
	t.Logf("adversary: exit announced as the provider loses the chain, which is started twice without it | bound: served %s, all "+
		"claimed, a stranger refused | seen: %s claimed, two starts and sessions in %s", served, settled.Settled, took.Round(time.Millisecond))
	if settled.Promised != served {
		t.Errorf("promised %s, want %s", settled.Promised, served)
	}
}

// A provider that would have to publish something else first waits for the chain, and is told so.
func TestProviderWithOtherTermsWaitsForTheChain(t *testing.T) {
	t.Parallel()
	var rpc rpcCut
	m := startMarketFor(t, marketConfig{deposit: "0", rpc: rpc.before(t)}, 3*time.Minute)
	check(t, m.stop())
	var cfg node.ProviderConfig
	m.startProviderWith(func(c *node.ProviderConfig) { cfg = *c })
	cfg.HostListen = m.offer().Offer.Host.Addrs
	check(t, m.stop())
	cfg.Terms.Price = tokens("0.3")
	rpc.cut.Store(true)
	p, err := node.OpenProvider(m.ctx, cfg)
	check(t, err)
	ended, stop := context.WithCancel(context.Background())
	defer func() { stop(); check(t, p.Run(ended)) }()
	if _, err = p.Publish(m.ctx); !chain.IsOutage(err) || !strings.Contains(err.Error(), strings.TrimPrefix(m.Network.RPC[0], "http://")) {
		t.Fatalf("publishing other terms without the chain: %v", err)
	}
	rpc.cut.Store(false)
	eventually(t, time.Minute, "the offer is published", func() bool { _, err := p.Publish(m.ctx); return err == nil })
	if p.Unpublished() != nil || p.Offer().Offer.PricePerGiB != tokens("0.3") {
		t.Errorf("sells %+v, %v", p.Offer().Offer, p.Unpublished())
	}
}

package node_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/provide"
	"byway/node/wire"
	"byway/registry"
)

// A provider stops at its quota: the session is paid to the byte and told why, newcomers are sent elsewhere, and no restart
// gives the quota back.
func TestQuotaEndsSessionsInOrderAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	var cfg node.ProviderConfig
	m.startProviderWith(func(c *node.ProviderConfig) {
		c.Quota = 3 << 20
		cfg = *c
	})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	s := m.connect()
	for err := error(nil); err == nil; err = m.download(s.Tunnel(), 1<<20) { // until it is ended
		if m.ctx.Err() != nil {
			t.Fatal("the session goes on beyond the quota")
		}
	}
	select {
	case <-s.Done():
	case <-m.ctx.Done():
		t.Fatal("the session does not end")
	}
	var closed *wire.ClosedError
	if err := s.Err(); !errors.As(err, &closed) || closed.Code != wire.ClosedStopping || !strings.Contains(closed.Reason, "quota") {
		t.Errorf("the consumer heard %v", err)
	}
	receipt, _ := s.Close(m.ctx)
	m.paidExactly(receipt, s.ID())
	refused := func() {
		t.Helper()
		_, err := m.consumer.Connect(m.ctx, m.offer())
		var refused *wire.RefusalError
		if !errors.As(err, &refused) || refused.Code != wire.RefusedBusy || !strings.Contains(refused.Reason, "quota") {
			t.Errorf("a newcomer: %v", err)
		}
	}
	refused()
	check(t, m.stop())

	for _, step := range []struct {
		quota  uint64
		closed bool
	}{{cfg.Quota, true}, {1 << 40, false}} {
		cfg.Quota = step.quota
		again, err := node.OpenProvider(m.ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(m.ctx)
		done := make(chan error, 1)
		go func() { done <- again.Run(ctx) }()
		select {
		case <-again.Ready():
		case err := <-done:
			t.Fatal(err)
		}
		if why := again.Closed(); (why != "") != step.closed {
			t.Errorf("started again with a quota of %d it says %q", step.quota, why)
		}
		stop()
		check(t, <-done)
	}
}

// Outside its hours a provider serves nobody, and says so.
func TestHoursSendNewcomersElsewhere(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	now := time.Now()
	minute := now.Hour()*60 + now.Minute()
	m.startProviderWith(func(c *node.ProviderConfig) {
		c.Hours = provide.Hours{From: (minute + 6*60) % (24 * 60), To: (minute + 7*60) % (24 * 60)}
	})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	_, err := m.consumer.Connect(m.ctx, m.offer())
	var refused *wire.RefusalError
	if !errors.As(err, &refused) || refused.Code != wire.RefusedBusy || !strings.Contains(refused.Reason, "serves from") {
		t.Errorf("a newcomer: %v", err)
	}
}

// A provider that nobody could reach is refused before anything is opened.
func TestUnreachableProviderOpensNothing(t *testing.T) {
	t.Parallel()
	key, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folder, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	network := home.Network{Name: "far", Private: true, RPC: []string{"http://10.0.0.5:8545"}}
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} { // the host listens on loopback in both
		_, err := node.OpenProvider(t.Context(), node.ProviderConfig{
			Home: folder, Network: network, Key: key,
			Config: provide.Config{Terms: registry.DefaultDraft(), Listen: netip.MustParseAddrPort(listen)},
		})
		var unreachable *provide.UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Host != (listen == "0.0.0.0:0") {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("the home has %d entries, had %d, %v", len(after), len(before), err)
	}
}

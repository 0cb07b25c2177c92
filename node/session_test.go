package node_test

import (
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"byway/contracts"
	"byway/node"
	"byway/node/market"
	"byway/node/path"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payer"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/wireguard"
)

func TestSessionsOfBothDirectionsArePaidToTheLastUnit(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	var sum contracts.Amount
	for _, transfer := range []func(*tunnel.Client) error{
		func(c *tunnel.Client) error { return m.download(c, 16<<20) },
		func(c *tunnel.Client) error { return m.web.upload(m.ctx, c, 16<<20) },
		func(c *tunnel.Client) error { return m.download(c, 100) }, // less than a tick
	} {
		s := m.connect()
		if err := transfer(s.Tunnel()); err != nil {
			t.Fatal(err)
		}
		receipt := m.settled(s)
		var err error
		if sum, err = sum.Add(receipt.Paid); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := sum.Add(m.unused()); err != nil || m.claimed() != got {
		t.Errorf("three sessions paid %s, with what is left of a tick %s, and something else was claimed, %v", sum, got, err)
	}
	if again := m.claimed(); !again.IsZero() {
		t.Errorf("a second claim brought %s more", again)
	}
}

func TestConcurrentSessionsOfOneChannelAddUp(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	const n = 4
	var sessions [n]*path.Session
	for i := range sessions {
		sessions[i] = m.connect()
	}
	var wait sync.WaitGroup
	for _, s := range sessions {
		wait.Go(func() {
			if err := m.download(s.Tunnel(), 6<<20); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	var sum contracts.Amount
	for _, s := range sessions {
		var err error
		if sum, err = sum.Add(m.settled(s).Paid); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := sum.Add(m.unused()); err != nil || m.claimed() != got {
		t.Errorf("%d sessions paid %s, with what is left of a tick %s, and something else was claimed, %v", n, sum, got, err)
	}
}

func TestProviderStopsForwardingOneWindowAfterLastPromise(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Tunnel.Close()
	done := make(chan error, 1)
	go func() { done <- m.download(f.Tunnel, 32<<20) }()
	// The gate shuts, and then not one byte more passes, however long the consumer keeps asking.
	eventually(t, time.Minute, "the gate shuts", func() bool {
		_, _, state := m.provider.Counted(f.ID)
		return state == wire.StateHeld
	})
	offer := m.offer().Offer
	// One prepaid tick and one window; the tolerance for loss is two per cent of what is paid.
	bound := offer.Tick + offer.Window + offer.Tick/50
	for range 20 {
		total, allowed, _ := m.provider.Counted(f.ID)
		if total > allowed || allowed > bound {
			t.Fatalf("the provider forwarded %d bytes of %d allowed; one tick and one window are %d", total, allowed, bound)
		}
		time.Sleep(20 * time.Millisecond)
	}
	total, allowed, _ := m.provider.Counted(f.ID)
	t.Logf("forwarded %d bytes unpaid and prepaid together, gate at %d, bound %d", total, allowed, bound)
	if own := f.Tunnel.Counters().Total(); own < offer.Tick {
		t.Errorf("the consumer got only %d bytes for its prepaid tick of %d", own, offer.Tick)
	}
	// A promise opens the gate at once.
	if err := f.PayFor(m.ctx, payments.Usage{Rx: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the download did not go on after the payment: %v", err)
	}
	f.Stream.Reset()
}

func TestProviderThatStopsMidDownloadIsPaidExactlyAndTheConsumerIsTold(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	moving := make(chan struct{})
	go func() {
		for s.Receipt().Rx < 2<<20 && m.ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		close(moving)
	}()
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // until it breaks
			err = m.download(s.Tunnel(), 32<<20)
		}
		failed <- err
	}()
	<-moving
	began := time.Now()
	if err := m.stop(); err != nil {
		t.Fatalf("provider: %v", err)
	}
	<-s.Done()
	var closed *wire.ClosedError
	if err := s.Err(); !errors.As(err, &closed) || closed.Code != wire.ClosedStopping || !strings.Contains(err.Error(), "the provider stops") {
		t.Errorf("the session ended with %v", err)
	}
	select {
	case err := <-failed:
		if errors.Is(err, errContent) {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Error("the download still hangs")
	}
	receipt, _ := s.Close(m.ctx)
	t.Logf("told and settled after %s: %d bytes, %s", time.Since(began), receipt.Rx+receipt.Tx, receipt.Paid)
	price, err := payments.Cost(receipt.Price, receipt.Rx+receipt.Tx)
	if err != nil || price != receipt.Paid {
		t.Errorf("%d bytes cost %s, %v; paid were %s", receipt.Rx+receipt.Tx, price, err, receipt.Paid)
	}
}

func TestProviderThatVanishesLeavesNoHangingSession(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	// A host that is gone answers nothing: neither the stream nor a new connection.
	m.provider.Host().RemoveStreamHandler(wire.SessionProtocol)
	if err := m.provider.Host().Network().ClosePeer(m.consumer.Host().ID()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(40 * time.Second):
		t.Fatal("the session still waits")
	}
	if err := s.Err(); !errors.Is(err, path.ErrProviderGone) {
		t.Errorf("the session ended with %v, want %v", err, path.ErrProviderGone)
	}
	if err := m.download(s.Tunnel(), 100); err == nil {
		t.Error("traffic still flows through a dead session")
	}
}

func TestSessionSurvivesABrokenStream(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	for range 3 {
		if err := m.download(s.Tunnel(), 3<<20); err != nil {
			t.Fatal(err)
		}
		if err := m.consumer.Host().Network().ClosePeer(m.provider.Host().ID()); err != nil {
			t.Fatal(err)
		}
	}
	// More than a window: without payments over a new stream the gate would shut.
	if err := m.download(s.Tunnel(), 16<<20); err != nil {
		t.Fatal(err)
	}
	if n := len(m.provider.Sessions()); n != 1 {
		t.Errorf("the provider serves %d sessions, want the one", n)
	}
	m.settled(s)
}

func TestConsumerThatLostItsDiskRecoversItsTotal(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 4<<20); err != nil {
		t.Fatal(err)
	}
	first := m.settled(s)
	if err := m.consumer.Close(); err != nil {
		t.Fatal(err)
	}
	lost, err := filepath.Glob(filepath.Join(m.cfg.Home.Dir(), "ledger.db*"))
	if err != nil || len(lost) == 0 {
		t.Fatalf("no ledger to lose: %v", err)
	}
	for _, file := range lost {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	m.openConsumer()
	s = m.connect()
	if err := m.download(s.Tunnel(), 4<<20); err != nil {
		t.Fatal(err)
	}
	second := m.settled(s)
	sum, err := first.Paid.Add(second.Paid)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.claimed(); got != sum {
		t.Errorf("paid %s and %s, claimed %s", first.Paid, second.Paid, got)
	}
}

func TestSpendCapEndsTheSessionAndIsNeverExceeded(t *testing.T) {
	t.Parallel()
	spend := "0.0005" // 5 MiB at 0.1 for 2^30 bytes
	m := startMarket(t, marketConfig{spendCap: spend})
	s := m.connect()
	if err := m.download(s.Tunnel(), 32<<20); err == nil {
		t.Error("the whole file came through, far beyond the cap")
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
	}
	receipt, err := s.Close(m.ctx)
	if !errors.Is(err, payer.ErrSpendCap) {
		t.Errorf("the session ended with %v, want %v", err, payer.ErrSpendCap)
	}
	if tokens(spend).Less(receipt.Paid) {
		t.Errorf("paid %s of a cap of %s", receipt.Paid, tokens(spend))
	}
}

func TestConnectRefusesWhatItCannotPayFor(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0", spendCap: "0.00001"})
	_, err := m.consumer.Connect(m.ctx, m.offer())
	if !errors.Is(err, payer.ErrSpendCap) {
		t.Errorf("connect gave %v, want %v: a tick costs more than the cap", err, payer.ErrSpendCap)
	}
	var none *directory.NoOfferError
	_, err = directory.Choose([]directory.Listing{{SignedOffer: m.offer()}}, directory.Criteria{MaxPricePerGiB: tokens("0.09")})
	if !errors.As(err, &none) {
		t.Errorf("choosing below every price gave %v", err)
	}
	if n := len(m.provider.Sessions()); n != 0 {
		t.Errorf("the provider serves %d sessions", n)
	}
}

// greeting is a Hello as an honest consumer would send it, its promise signed by key.
func (m *world) greeting(t *testing.T, sign contracts.Signer, change func(*payments.Promise)) node.Greeting {
	t.Helper()
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	wg, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	offer := m.offer()
	tick, err := payments.Cost(offer.Offer.PricePerGiB, offer.Offer.Tick)
	if err != nil {
		t.Fatal(err)
	}
	p := payments.Promise{Channel: m.consumer.Channel(offer.Offer), Cumulative: tick, Share: tick}
	if change != nil {
		change(&p)
	}
	signed, err := m.consumer.Domain.Sign(p, sign)
	if err != nil {
		// A promise that this key may not sign: the signature of another channel stands in for it.
		own := p
		own.Signer = sign.Address()
		if signed, err = m.consumer.Domain.Sign(own, sign); err != nil {
			t.Fatal(err)
		}
		signed.Signer = p.Signer
	}
	return node.Greeting{
		Hello: wire.Hello{
			Versions: wire.Spoken(), Session: payments.NewSessionID(), Offer: offer.CID.Bytes(), WireGuard: wg.Public(),
			KEM: kem.EncapsulationKey().Bytes(), Time: uint64(time.Now().Unix()),
		},
		Promise: signed, Sign: sign,
	}
}

func TestProviderRefusesBadHellosWithTheirReason(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	stranger, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	offer := m.offer().Offer
	used := m.greeting(t, m.cfg.Session, nil)
	if err := m.consumer.Greet(m.ctx, offer, used); err != nil {
		t.Fatalf("an honest hello: %v", err)
	}
	for name, c := range map[string]struct {
		hello node.Greeting
		code  wire.RefusalCode
	}{
		"signed by another key": {m.greeting(t, stranger, nil), wire.RefusedPromise},
		"nothing deposited":     {m.greeting(t, stranger, func(p *payments.Promise) { p.Signer = stranger.Address() }), wire.RefusedUnfunded},
		"above the funds":       {m.greeting(t, m.cfg.Session, func(p *payments.Promise) { p.Cumulative = tokens("2") }), wire.RefusedUnfunded},
		"less than a tick": {m.greeting(t, m.cfg.Session, func(p *payments.Promise) {
			p.Cumulative = p.Cumulative.SubFloor(contracts.NewAmount(1))
		}), wire.RefusedStale},
		"another token":              {m.greeting(t, m.cfg.Session, func(p *payments.Promise) { p.Token = stranger.Address() }), wire.RefusedOffer},
		"an offer not sold":          {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Offer[10] ^= 1 }), wire.RefusedOffer},
		"an offer that is no CID":    {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Offer = []byte{1} }), wire.RefusedOffer},
		"a Hello that nobody signed": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Sign = nil }), wire.RefusedPromise},
		"a Hello that a stranger signed": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Sign = stranger }),
			wire.RefusedPromise},
		"a promise that a stranger signed": {spoil(m.greeting(t, stranger, nil), func(g *node.Greeting) { g.Sign = m.cfg.Session }),
			wire.RefusedPromise},
		"of eleven minutes ago": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Time -= 11 * 60 }), wire.RefusedClock},
		"of the end of time":    {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Time = math.MaxUint64 }), wire.RefusedClock},
		"of a later program": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Versions = wire.Versions{From: 3, To: 4} }),
			wire.RefusedVersion},
		"with a critical extension": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) {
			g.Extensions = wire.Extensions{{Kind: 1, Critical: true}}
		}), wire.RefusedProtocol},
		"of a session that there was": {spoil(m.greeting(t, m.cfg.Session, nil), func(g *node.Greeting) { g.Session = used.Session }),
			wire.RefusedSession},
		"a short ML-KEM key": {spoil(m.greeting(t, m.cfg.Session, func(p *payments.Promise) {
			p.Cumulative, p.Share = tokens("0.01"), contracts.Amount{}
		}),
			func(g *node.Greeting) { g.KEM = g.KEM[:100] }), wire.RefusedProtocol},
	} {
		err := m.consumer.Greet(m.ctx, offer, c.hello)
		var refused *wire.RefusalError
		if !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%s: got %v, want code %d", name, err, c.code)
			continue
		}
		if refused.Reason == "" || refused.Reason == "internal error" {
			t.Errorf("%s: the reason is %q", name, refused.Reason)
		}
		t.Logf("%s: %s", name, refused.Reason)
	}
}

func spoil(g node.Greeting, change func(*node.Greeting)) node.Greeting {
	change(&g)
	return g
}

func TestBadPromisesInASessionEndItAndCountForNothing(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	stranger, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	sign := func(p payments.Promise) payments.Promise {
		signed, err := m.consumer.Domain.Sign(p, m.cfg.Session)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for name, spoil := range map[string]func(last payments.Promise) payments.Promise{
		"bad signature": func(p payments.Promise) payments.Promise {
			p.Cumulative = tokens("0.01")
			return p // with the signature of another amount
		},
		"above the funds": func(p payments.Promise) payments.Promise {
			p.Cumulative = tokens("3")
			return sign(p)
		},
		"of another payee": func(p payments.Promise) payments.Promise {
			last := p
			p.Payee = stranger.Address()
			p.Cumulative = tokens("0.01")
			p = sign(p)
			p.Payee = last.Payee
			return p
		},
	} {
		f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		paid := func() contracts.Amount {
			r, err := m.provider.Ledger.Session(m.ctx, f.ID, true)
			if err != nil {
				t.Fatal(err)
			}
			return r.Amount
		}
		before := paid()
		if err := f.SendPromise(spoil(f.Last())); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, name+" ends the session", func() bool {
			_, _, state := m.provider.Counted(f.ID)
			return state == wire.StateClosed
		})
		if after := paid(); after != before {
			t.Errorf("%s: the ledger went from %s to %s", name, before, after)
		}
		f.Tunnel.Close()
		f.Stream.Reset()
	}
}

// One that was overtaken, or is said again, is none of those: the session goes on and nothing changes.
func TestPromisesThatBringNothingChangeNothing(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
	check(t, err)
	defer f.Stream.Reset()
	defer f.Tunnel.Close()
	last := f.Last()
	old := last
	old.Cumulative = old.Cumulative.SubFloor(contracts.NewAmount(1))
	old, err = m.consumer.Domain.Sign(old, m.cfg.Session)
	check(t, err)
	for range 100 {
		check(t, f.SendPromise(old))
		check(t, f.SendPromise(last))
	}
	check(t, f.PayFor(m.ctx, payments.Usage{Rx: 2 << 20}))
	paid, err := payments.Cost(m.offer().Offer.PricePerGiB, 2<<20)
	check(t, err)
	eventually(t, time.Minute, "the promise behind them counts", func() bool {
		r, err := m.provider.Ledger.Session(m.ctx, f.ID, true)
		check(t, err)
		return r.Amount == paid
	})
	if _, _, state := m.provider.Counted(f.ID); state != wire.StateOpen {
		t.Errorf("the session is %s", state)
	}
}

// After its end a session may say a last promise, however little that brings, but not any number of them.
func TestAdversaryPromisesOfAUnitAfterTheEnd(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
	check(t, err)
	defer f.Stream.Reset()
	defer f.Tunnel.Close()
	total := func() contracts.Amount {
		a, found, err := m.provider.Ledger.Account(m.ctx, ledger.Payee, payments.Domain(m.consumer.Domain),
			m.consumer.Channel(m.offer().Offer))
		check(t, err)
		if !found {
			t.Fatal("the provider has no account for the channel")
		}
		return a.Total
	}
	before := total()
	check(t, wire.NewStream(f.Stream).Send(&wire.Close{}))
	const times, most = 1000, 64
	promise := f.Last()
	for range times {
		promise.Cumulative, err = promise.Cumulative.Add(contracts.NewAmount(1))
		check(t, err)
		promise, err = m.consumer.Domain.Sign(promise, m.cfg.Session)
		check(t, err)
		if f.SendPromise(promise) != nil {
			break // it hears no more
		}
	}
	eventually(t, time.Minute, "the session ends", func() bool {
		r, err := m.provider.Ledger.Session(m.ctx, f.ID, true)
		return errors.Is(err, payments.ErrUnknownSession) || err == nil && !r.Closed.IsZero()
	})
	stored := total().SubFloor(before)
	if contracts.NewAmount(most).Less(stored) {
		t.Errorf("%s promises of a unit were stored", stored)
	}
	m.held(fmt.Sprintf("%d promises of a unit each after a session's Close", times), fmt.Sprintf("%d are looked at", most),
		fmt.Sprintf("%s stored", stored))
}

func TestGarbageOnTheSessionStreamHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	host, err := m.offer().Offer.Host.AddrInfo()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		stream, err := m.consumer.Host().NewStream(m.ctx, host.ID, wire.SessionProtocol)
		if err != nil {
			t.Fatal(err)
		}
		garbage := make([]byte, 1+i*50)
		rand.Read(garbage)
		if i%3 == 0 { // a believable length before it
			garbage = append([]byte{0, 0, byte(len(garbage) >> 8), byte(len(garbage))}, garbage...)
		}
		stream.Write(garbage) // the provider may hang up in the middle of it
		stream.CloseWrite()   // likewise
		stream.SetReadDeadline(time.Now().Add(15 * time.Second))
		if answer, err := io.ReadAll(io.LimitReader(stream, 1<<16)); err == nil && len(answer) > wire.MaxFrame {
			t.Errorf("garbage was answered with %d bytes", len(answer))
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the provider keeps a stream of garbage open")
		}
		stream.Reset()
	}
	if err := m.download(s.Tunnel(), 8<<20); err != nil {
		t.Errorf("an honest session suffers: %v", err)
	}
	m.settled(s)
}

func TestProviderReusesItsOfferAfterARestart(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	first := m.offer()
	receipt, err := m.provider.Publish(m.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !receipt.Already || m.offer().CID != first.CID {
		t.Errorf("publishing unchanged terms again gave %+v and offer %s, want %s", receipt, m.offer().CID, first.CID)
	}
}

func TestOffersAreListedFromAnotherHomeThroughChainAndIPFS(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	browser, err := market.Open(m.ctx, market.Config{Network: m.Network})
	if err != nil {
		t.Fatal(err)
	}
	defer browser.Close()
	n := 0
	for l, err := range browser.Offers(m.ctx) {
		if err != nil {
			t.Error(err)
			continue
		}
		if l.CID != m.offer().CID {
			t.Errorf("listed %s, want %s", l.CID, m.offer().CID)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d offers were listed, want 1", n)
	}
}

func TestConsumerClosedTwiceAndAfterFailureAnswersBothTimes(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	first := m.settled(s)
	again, err := s.Close(m.ctx)
	if err != nil || again != first {
		t.Errorf("closing again gave %+v, %v; the first time %+v", again, err, first)
	}
	ctx, cancel := context.WithCancel(m.ctx)
	cancel()
	if _, err := m.connect().Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("closing with an ended context gave %v", err)
	}
}

func TestMetricsShowTheLedgersNumbers(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	receipt := m.settled(s)
	registry := prometheus.NewRegistry()
	if err := registry.Register(m.provider.Collector()); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want, err := strconv.ParseFloat(receipt.Paid.Tokens(18), 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "byway_earnings_tokens" && metric.GetLabel()[0].GetValue() == "unsettled" {
				if got := metric.GetGauge().GetValue(); got != want {
					t.Errorf("unsettled earnings are %v in the metrics, %v on the receipt", got, want)
				}
				return
			}
		}
	}
	t.Error("no earnings among the metrics")
}

// TestSessionKeepsTheRateThatItsOfferNames: what an offer says of a session's limits is what the exit does.
func TestSessionKeepsTheRateThatItsOfferNames(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	const rate = 16_000_000 // bit/s
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Terms.Exit.Rate = rate })
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	if exit := m.offer().Offer.Exit; exit.Rate != rate || exit.Connections == 0 || exit.NewPerSecond == 0 {
		t.Errorf("the offer says %+v", exit)
	}
	s := m.connect()
	began := time.Now()
	const size = 4 << 20
	if err := m.download(s.Tunnel(), size); err != nil {
		t.Fatal(err)
	}
	// A burst of half a second passes at once.
	if took, least := time.Since(began), time.Duration(size*8*1e9/rate)-time.Second/2; took < least {
		t.Errorf("%d bytes took %s, at %d bit/s they take %s", size, took, rate, least)
	}
	m.settled(s)
}

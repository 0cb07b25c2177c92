package payee

import (
	"context"
	"errors"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
)

func TestBlindTimeLeavesAMarginForClaims(t *testing.T) {
	t.Parallel()
	for delay, want := range map[time.Duration]time.Duration{
		24 * time.Hour:   18 * time.Hour,
		time.Hour:        45 * time.Minute,
		40 * time.Minute: 30 * time.Minute,
		30 * time.Minute: 20 * time.Minute,
		15 * time.Minute: 450 * time.Second,
		20 * time.Second: 10 * time.Second,
		time.Second:      500 * time.Millisecond,
	} {
		if got := BlindTime(delay); got != want {
			t.Errorf("exit delay of %s: blind for %s, want %s", delay, got, want)
		}
	}
}

// blindPayee serves one channel whose chain can be taken away, with exits of a day.
type blindPayee struct {
	*Payee
	chain  *fakeChain
	key    contracts.Key
	terms  payments.Terms
	signed contracts.Amount
}

const dayDelay = 24 * time.Hour

func newBlindPayee(t *testing.T, l *ledger.Ledger, s chainview.State) *blindPayee {
	t.Helper()
	c, key := testChannel(1)
	chain := &fakeChain{any: &s}
	p := must(New(Config{
		Domain: testDomain, Ledger: l, Chain: chain, Payee: testPayee, Token: testToken, ExitDelay: dayDelay,
	}))(t)
	b := &blindPayee{Payee: p, chain: chain, key: key, terms: testTerms(c)}
	must(b.again(t, p, b.terms))(t)
	return b
}

// again opens a session on the channel at the payee or at another one. Nothing of what was promised is ever billed here,
// so that from the second on the latest promise opens them.
func (b *blindPayee) again(t *testing.T, p *Payee, terms payments.Terms) (Opening, error) {
	t.Helper()
	b.signed = b.signed.Max(cost(testPrice, pace.MinTick))
	return p.Open(t.Context(), terms, signed(t, terms.Channel, b.key, b.signed), nil)
}

func (b *blindPayee) cut() {
	b.chain.mu.Lock()
	defer b.chain.mu.Unlock()
	b.chain.err = errOutOfReach
}

// later lets time go by since the last reading.
func (b *blindPayee) later(by time.Duration) {
	ch := b.channels[b.terms.Channel]
	ch.readAt, ch.triedAt = ch.readAt.Add(-by), ch.triedAt.Add(-by)
	ch.state.Time, ch.state.Since = ch.state.Time.Add(-by), ch.state.Since.Add(-by)
	ch.until = b.secureUntil(ch.state, ch.readAt, ch.slow)
	b.Payee.downAt = b.Payee.downAt.Add(-by)
}

// pay promises another MiB.
func (b *blindPayee) pay(t *testing.T) error {
	t.Helper()
	sum := must(b.signed.Add(cost(testPrice, mib)))(t)
	_, err := b.Accept(t.Context(), b.terms.Session, signed(t, b.terms.Channel, b.key, sum), false)
	if err == nil {
		b.signed = sum
	}
	return err
}

func blocks(ceiling contracts.Amount, at time.Time) chainview.State {
	return chainview.State{Ceiling: ceiling, Block: 1, Time: at, Since: at}
}

func TestAdversaryChainOutOfReachEndsNoReservedSession(t *testing.T) {
	t.Parallel()
	state := blocks(cost(testPrice, 5*mib), time.Now().Truncate(time.Second))
	state.Free = testPrice
	b := newBlindPayee(t, newLedger(t), state)
	b.cut()
	began := time.Now()
	for _, by := range []time.Duration{61 * time.Second, time.Hour, 16 * time.Hour} {
		b.later(by)
		if err := b.pay(t); err != nil {
			t.Fatalf("after %s more without the chain: %v", by, err)
		}
	}
	// A new session on the channel, too.
	again := testTerms(b.terms.Channel)
	if _, err := b.again(t, b.Payee, again); err != nil {
		t.Fatalf("a new session: %v", err)
	}
	if err := b.pay(t); err != nil { // the fifth tick, up to the ceiling
		t.Fatal(err)
	}
	var unfunded *payments.UnfundedError
	if err := b.pay(t); !errors.As(err, &unfunded) || unfunded.Blind == nil {
		t.Fatalf("the free balance counts though nobody has seen it for hours: %v", err)
	}
	until := b.ServeUntil(b.terms.Session)
	bound := BlindTime(dayDelay)
	seen := until.Sub(b.channels[b.terms.Channel].state.Time)
	t.Logf("adversary: no RPC for 17 h | bound: money under the ceiling serves %s after the last block, free balance %s | "+
		"seen: served for 17 h, status says %s", bound, stateMaxAge, seen)
	if seen > bound || seen < bound-2*time.Second {
		t.Fatalf("serves %s after the last block, want %s", seen, bound)
	}
	b.later(time.Hour + time.Since(began))
	if err := b.pay(t); !errors.Is(err, errOutOfReach) {
		t.Fatalf("served after the blind time: %v", err)
	}
	if _, err := b.again(t, b.Payee, testTerms(b.terms.Channel)); !errors.Is(err, errOutOfReach) {
		t.Fatalf("a session opened after the blind time: %v", err)
	}
}

func TestAdversaryClocksBuyNoBlindTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	bound := BlindTime(dayDelay)
	for name, test := range map[string]struct {
		state chainview.State
		want  time.Duration // after the reading
	}{
		"clocks agree":              {blocks(testPrice, now), bound},
		"block is an hour old":      {blocks(testPrice, now.Add(-time.Hour)), bound - time.Hour},
		"chain is an hour ahead":    {blocks(testPrice, now.Add(time.Hour)), bound},
		"chain is in the year 3000": {blocks(testPrice, time.Unix(1<<35, 0)), bound},
		"deep block, chain ahead":   {chainview.State{Ceiling: testPrice, Block: 9, Time: now.Add(time.Hour), Since: now}, bound - time.Hour},
		"deep block of the future":  {chainview.State{Ceiling: testPrice, Block: 9, Time: now, Since: now.Add(dayDelay)}, bound},
	} {
		p := &Payee{cfg: Config{ExitDelay: dayDelay}}
		got := p.secureUntil(test.state, now, 0).Sub(now.Round(0))
		t.Logf("adversary: %s | bound: blind for %s at most | seen: %s", name, test.want, got)
		if got > test.want || got < test.want-time.Second {
			t.Errorf("%s: blind for %s, want %s", name, got, test.want)
		}
		ch := &payeeChannel{state: test.state, readAt: now}
		if !p.securedLocked(ch, now.Add(test.want-time.Minute)) || p.securedLocked(ch, now.Add(test.want+time.Second)) {
			t.Errorf("%s: the bound does not hold", name)
		}
		// A clock that was set back: the reading is of the future.
		if p.securedLocked(ch, now.Add(-time.Minute)) {
			t.Errorf("%s: counted before it was read", name)
		}
	}
	// An endpoint that stands still is no answer: else its last block would serve for ever.
	b := newBlindPayee(t, newLedger(t), blocks(testPrice, now))
	old := blocks(testPrice, now.Add(-bound-time.Minute))
	b.chain.any = &old
	b.later(bound + time.Minute)
	err := b.pay(t)
	t.Logf("adversary: an endpoint that stands still | bound: refused after %s | seen: %v", bound, err)
	if err == nil {
		t.Fatal("served on a block that is older than the blind time")
	}
}

func TestAdversaryRestartWithoutTheChainServesKnownChannelsAlone(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	state := blocks(cost(testPrice, 4*mib), time.Now())
	state.Free = testPrice
	b := newBlindPayee(t, l, state)
	if err := b.pay(t); err != nil {
		t.Fatal(err)
	}
	restart := func() *Payee {
		return must(New(Config{
			Domain: testDomain, Ledger: l, Chain: &fakeChain{err: errOutOfReach}, Payee: testPayee, Token: testToken,
			ExitDelay: dayDelay,
		}))(t)
	}
	if _, err := b.again(t, restart(), testTerms(b.terms.Channel)); err != nil {
		t.Fatalf("a channel that this payee has read: %v", err)
	}
	stranger, key := testChannel(2)
	_, err := restart().Open(t.Context(), testTerms(stranger), signed(t, stranger, key, cost(testPrice, pace.MinTick)), nil)
	t.Logf("adversary: started while the chain is down | bound: only what was set aside when it was last read | seen: a "+
		"stranger gets %v", err)
	if !errors.Is(err, errOutOfReach) {
		t.Fatalf("a stranger's channel: %v", err)
	}
	// What was read long ago counts no more, and what was released never.
	alter(t, fileOf(l), "UPDATE reading SET read_at = read_at - 86400000, time = time - 86400000, since = since - 86400000")
	if _, err := b.again(t, restart(), testTerms(b.terms.Channel)); !errors.Is(err, errOutOfReach) {
		t.Fatalf("a reading of yesterday: %v", err)
	}
}

func TestAdversaryReleaseCountsAtOnceAndUntilTheChainSaysSo(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	key := testKey(99)
	c, signer := testChannel(1)
	c.Payee = key.Address()
	now := time.Now()
	chain := &fakeChain{any: &chainview.State{Ceiling: testPrice, Block: 1, Time: now, Since: now}}
	open := func(c chainview.Chain) *Payee {
		return must(New(Config{
			Domain: testDomain, Ledger: l, Chain: c, Payee: key.Address(), Token: testToken, ExitDelay: dayDelay, NoTrust: true,
		}))(t)
	}
	p := open(chain)
	terms := testTerms(c)
	must(p.Open(t.Context(), terms, signed(t, c, signer, cost(testPrice, mib)), nil))(t)
	if err := p.Close(t.Context(), terms.Session, payments.Usage{}); err != nil {
		t.Fatal(err)
	}
	r := must(p.Release(t.Context(), c, key, 15*time.Minute))(t)
	if got := time.Unix(int64(r.ValidUntil), 0).Sub(now); got < 14*time.Minute || got > 16*time.Minute {
		t.Errorf("the release is good for %s", got)
	}
	down := &fakeChain{err: errOutOfReach}
	var unfunded *payments.UnfundedError
	for name, p := range map[string]*Payee{"at once": p, "after a restart": open(chain), "with the chain down": open(down)} {
		_, err := p.Open(t.Context(), testTerms(c), signed(t, c, signer, cost(testPrice, 2*mib)), nil)
		t.Logf("adversary: a session on a reserve that was released, %s | bound: refused | seen: %v", name, err)
		if !errors.As(err, &unfunded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Our clock may say what it likes: while no block is past the release's time it can be used.
	ch := p.channels[c]
	if got := ch.released.floor(chainview.State{Ceiling: testPrice, Time: now.Add(15 * time.Minute)}); got == testPrice {
		t.Error("the release is over in the last second of its time")
	}
	if got := ch.released.floor(chainview.State{Ceiling: testPrice, Time: now.Add(17 * time.Minute)}); got != testPrice {
		t.Errorf("the release is not over after its time: %s", got)
	}
}

// A payer leaves at the moment at which its provider loses the chain, and the provider serves on for as long as it
// may: what it was promised is claimed before the exit is over.
func TestAdversaryExitDuringABlindTimeIsClaimedInFull(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	theirs := newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	sum := cost(testPrice, 8*mib)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), sum, sum))(t)
	view := &lyingChain{Chain: n.view}
	payee := must(New(Config{
		Domain: n.domain, Ledger: theirs, Chain: view, Payee: n.payee.Address(), Token: n.deployment.Token, NoTrust: true,
		ExitDelay: testExitDelay,
	}))(t)
	terms := testTerms(f.Channel(key.Address(), n.payee.Address()))
	must(payee.Open(t.Context(), terms, n.next(t, payments.Promise{Channel: terms.Channel}, key), nil))(t)
	view.tell(outOfReach)
	must(f.StartExit(t.Context(), "", key.Address(), n.payee.Address()))(t)

	accept := func(bytes uint64) error {
		p := must(n.domain.Sign(payments.Promise{Channel: terms.Channel, Cumulative: cost(testPrice, bytes)}, key))(t)
		_, err := payee.Accept(t.Context(), terms.Session, p, false)
		return err
	}
	back := func(by time.Duration) {
		ch := payee.channels[terms.Channel]
		ch.readAt, ch.triedAt = ch.readAt.Add(-by), ch.triedAt.Add(-by)
		ch.state.Time, ch.state.Since = ch.state.Time.Add(-by), ch.state.Since.Add(-by)
	}
	blind := BlindTime(testExitDelay)
	back(blind - time.Minute)
	if err := accept(8 * mib); err != nil {
		t.Fatalf("in the blind time: %v", err)
	}
	if err := n.chain.Advance(blind); err != nil { // and the chain is back
		t.Fatal(err)
	}
	view.tell(nil)
	claimer := must(claim.New(claim.Config{
		Ledger: theirs, Chain: view, Sender: n.payee, Deployment: n.deployment, Payee: n.payee.Address(),
	}))(t)
	done := must(claimer.Round(t.Context()))(t)
	t.Logf("adversary: an exit announced as the chain is lost | bound: all of %s claimed before it ends | seen: %s", sum,
		done.Total)
	wantAmount(t, "claimed", done.Total, sum)
	// The control: with the exit over before the claim nothing is left to be paid.
	if err := n.chain.Advance(testExitDelay); err != nil {
		t.Fatal(err)
	}
	must(f.FinishExit(t.Context(), "", key.Address(), n.payee.Address()))(t)
	if s := must(n.view.State(context.Background(), terms.Channel))(t); s.CanPay() != sum || s.Settled != sum {
		t.Fatalf("after the exit: %+v", s)
	}
}

package payee

import (
	"context"
	"errors"
	"testing"
	"time"

	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/pace"
)

// reads counts what the fake chain was asked.
func (f *fakeChain) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// A session that rests for hours is read again without a promise, so that an outage that begins then finds most of the
// blind time left; one that asks often costs nothing more.
func TestAdversaryOutageAfterALongRestFindsAFreshReading(t *testing.T) {
	t.Parallel()
	b := newBlindPayee(t, newLedger(t), blocks(cost(testPrice, 4*mib), time.Now()))
	if err := b.pay(t); err != nil {
		t.Fatal(err)
	}
	before := b.chain.asked()
	if err := b.reread(t.Context(), 10); err != nil || b.chain.asked() != before {
		t.Fatalf("a fresh reading was made again: %d, %v", b.chain.asked()-before, err)
	}
	blind := BlindTime(dayDelay)
	rest := func() { // 17 of the 18 hours, with what Run does meanwhile
		b.later(blind - time.Hour)
		fresh := blocks(cost(testPrice, 4*mib), time.Now())
		b.chain.mu.Lock()
		if b.chain.err == nil {
			b.chain.any = &fresh
		}
		b.chain.mu.Unlock()
		if err := b.reread(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	rest()
	left := time.Until(b.ServeUntil(b.terms.Session))
	t.Logf("adversary: the chain is lost after %s without a promise | bound: three quarters of %s are left | seen: %s",
		blind-time.Hour, blind, left.Round(time.Second))
	if left < blind*3/4 || left > blind {
		t.Errorf("%s of %s are left", left, blind)
	}
	b.cut()
	rest()
	if err := b.pay(t); err != nil {
		t.Errorf("%s without the chain: %v", blind-time.Hour, err)
	}
	if left := time.Until(b.ServeUntil(b.terms.Session)); left > time.Hour {
		t.Errorf("an outage bought time: %s are left", left)
	}
	// A session that has ended is not read.
	if err := b.Close(t.Context(), b.terms.Session, payments.Usage{}); err != nil {
		t.Fatal(err)
	}
	b.chain.err = nil
	before = b.chain.asked()
	rest()
	if n := b.chain.asked() - before; n != 0 {
		t.Errorf("%d readings for a session that has ended", n)
	}
}

// Thousands of sessions that rest are read a few at a time, the oldest first, and one reading asks a chain that is down.
func TestAdversaryManyRestingSessionsAskAFewQuestions(t *testing.T) {
	t.Parallel()
	const many, most = 40, 7
	chain := &fakeChain{}
	state := blocks(testPrice, time.Now())
	chain.any = &state
	p := must(New(Config{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, ExitDelay: dayDelay,
	}))(t)
	for i := range int64(many) {
		c, key := testChannel(i)
		open(t, p, c, key, cost(testPrice, pace.MinTick))
	}
	age := func(by time.Duration) {
		for _, ch := range p.channels {
			ch.readAt, ch.triedAt = ch.readAt.Add(-by), ch.triedAt.Add(-by)
		}
	}
	age(6 * time.Hour)
	rounds := 0
	for before := chain.asked(); chain.asked() < before+many; rounds++ {
		was := chain.asked()
		if err := p.reread(t.Context(), most); err != nil {
			t.Fatal(err)
		}
		if n := chain.asked() - was; n == 0 || n > most {
			t.Fatalf("round %d read %d channels, want 1 to %d", rounds, n, most)
		}
	}
	was := chain.asked()
	if err := p.reread(t.Context(), most); err != nil || chain.asked() != was {
		t.Errorf("all are fresh, and %d were read: %v", chain.asked()-was, err)
	}
	age(6 * time.Hour)
	chain.mu.Lock()
	chain.err = errOutOfReach
	chain.mu.Unlock()
	was = chain.asked()
	for range 5 {
		if err := p.reread(t.Context(), most); err != nil {
			t.Fatal(err)
		}
	}
	seen := chain.asked() - was
	t.Logf("adversary: %d sessions rest, then the chain is down | bound: %d readings a round, 1 of a chain that is down in %s | "+
		"seen: %d rounds, %d reading", many, most, statePatience, rounds, seen)
	if seen > 2 {
		t.Errorf("%d readings of a chain that is down", seen)
	}
}

// A machine whose clock is a day ahead serves by the chain's clock as soon as the chain has gone on once. A chain that
// stands still is told from it, however its blocks come.
func TestAdversaryClockADayAheadOfTheChain(t *testing.T) {
	t.Parallel()
	const off = 24 * time.Hour
	now := time.Now()
	ceiling := cost(testPrice, 4*mib)
	at := func(number uint64, age time.Duration) *chainview.State {
		s := blocks(ceiling, now.Add(-off-age))
		s.Block = number
		return &s
	}
	c, key := testChannel(1)
	chain := &fakeChain{any: at(1, 0)}
	p := must(New(Config{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, ExitDelay: dayDelay,
	}))(t)
	b := &blindPayee{Payee: p, chain: chain, key: key, terms: testTerms(c)}
	if _, err := b.again(t, p, b.terms); err == nil {
		t.Fatal("served on a block that may be a day old")
	}
	if _, err := b.again(t, p, b.terms); err == nil {
		t.Fatal("asking twice told whose clock is wrong")
	}
	chain.any = at(2, -12*time.Second)
	must(b.again(t, p, b.terms))(t)
	blind := BlindTime(dayDelay)
	left := time.Until(p.ServeUntil(b.terms.Session))
	t.Logf("adversary: this machine's clock is %s ahead of the chain's | bound: refused until a block has come, then served "+
		"for %s | seen: %s", off, blind, left.Round(time.Second))
	if left > blind || left < blind-time.Minute {
		t.Errorf("served for %s, want %s", left, blind)
	}
	if err := b.pay(t); err != nil {
		t.Fatal(err)
	}
	// The chain stops, and its endpoint goes on answering.
	for name, test := range map[string]struct {
		passes time.Duration
		next   *chainview.State
		serves bool
	}{
		"the same block for an hour":        {time.Hour, at(2, -12*time.Second), true},
		"the same block for a day":          {off, at(2, -12*time.Second), false},
		"a block each hour, an hour behind": {time.Hour, at(3, -12*time.Minute), true},
	} {
		s := p.sight
		s.at = s.at.Add(-test.passes)
		q := &Payee{cfg: p.cfg, log: p.log, sight: s, warned: true}
		_, err := q.ageOf(*test.next, now)
		if (err == nil) != test.serves {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One that replays the past, a day's blocks in an hour each, never counts as fresh.
	q := &Payee{cfg: p.cfg, log: p.log}
	for hour := range 40 {
		s := blocks(ceiling, now.Add(-40*24*time.Hour+time.Duration(hour)*time.Minute))
		s.Block = uint64(hour + 1)
		if _, err := q.ageOf(s, now.Add(time.Duration(hour)*time.Hour)); err == nil && hour > 20 {
			t.Fatalf("after %d hours an endpoint that makes a minute an hour is believed", hour)
		}
	}
	// What is left after a restart is this machine's clock, which dates nothing: served once the chain answers.
	if r, found, err := p.cfg.Ledger.Reading(t.Context(), p.channels[c].account.ID); err != nil || found {
		t.Errorf("a reading that can't be dated was kept: %+v, %v", r, err)
	}
}

// A release that a payee signs is good for its time by the chain's clock, whatever its own says.
func TestAdversaryReleaseIsTimedByTheChain(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-17 * time.Hour, -time.Hour, 0, time.Hour, 24 * time.Hour} {
		key := testKey(99)
		c, _ := testChannel(1)
		c.Payee = key.Address()
		state := blocks(testPrice, time.Now().Add(ahead))
		p := must(New(Config{
			Domain: testDomain, Ledger: newLedger(t), Chain: &fakeChain{any: &state}, Payee: key.Address(), Token: testToken,
			ExitDelay: dayDelay,
		}))(t)
		r := must(p.Release(t.Context(), c, key, 15*time.Minute))(t)
		got := time.Unix(int64(r.ValidUntil), 0).Sub(state.Time)
		t.Logf("adversary: the chain is %s ahead of the payee's clock | bound: a release for 15 min of the chain's time | seen: %s",
			ahead, got)
		if got < 15*time.Minute-2*time.Second || got > 16*time.Minute {
			t.Errorf("chain %s ahead: good for %s", ahead, got)
		}
		if f := p.channels[c].released.floor(state); f == testPrice {
			t.Errorf("chain %s ahead: the release does not count", ahead)
		}
	}
}

// Run ends with its context and, until then, reads anew what has grown old.
func TestPayeeKeepsOpenSessionsFresh(t *testing.T) {
	t.Parallel()
	chain := &fakeChain{}
	state := reserved(testPrice)
	chain.any = &state
	p := must(New(Config{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, ExitDelay: 2 * time.Second,
	}))(t)
	c, key := testChannel(1)
	open(t, p, c, key, cost(testPrice, pace.MinTick))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	before := chain.asked()
	for end := time.Now().Add(time.Minute); chain.asked() < before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was read")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

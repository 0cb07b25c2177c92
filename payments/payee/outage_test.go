package payee

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/devchain"
	"byway/payments"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

// fewSends lets so many transactions out.
type fewSends struct {
	payer.Sender
	left int
}

func (s *fewSends) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	if s.left == 0 {
		return chain.Result{}, errOutOfReach
	}
	s.left--
	return s.Sender.Send(ctx, i)
}

// outage is a provider with many channels that loses the chain.
type outage struct {
	*network
	t      *testing.T
	ledger *ledger.Ledger
	view   *lyingChain
	payee  *Payee
	lines  []*outageLine
}

// outageLine is one of its channels.
type outageLine struct {
	channel  contracts.Channel
	key      contracts.Key
	funding  *payer.Funding
	terms    payments.Terms
	promised contracts.Amount
}

// start makes the payee anew, as a restart does, and opens a session on each of the channels: with the price of a tick,
// which nothing is ever billed for here, so that the latest promise opens the next one.
func (o *outage) start(lines ...*outageLine) {
	o.t.Helper()
	o.payee = must(New(Config{
		Domain: o.domain, Ledger: o.ledger, Chain: o.view, Payee: o.network.payee.Address(), Token: o.deployment.Token,
		ExitDelay: testExitDelay,
	}))(o.t)
	for _, l := range lines {
		l.terms = testTerms(l.channel)
		l.promised = l.promised.Max(cost(testPrice, pace.MinTick))
		must(o.payee.Open(o.t.Context(), l.terms, o.promise(l, l.promised), nil))(o.t)
	}
}

func (o *outage) promise(l *outageLine, sum contracts.Amount) payments.Promise {
	o.t.Helper()
	return must(o.domain.Sign(payments.Promise{Channel: l.channel, Cumulative: sum}, l.key))(o.t)
}

// pay promises so many bytes more.
func (o *outage) pay(l *outageLine, bytes uint64) error {
	sum := must(l.promised.Add(cost(testPrice, bytes)))(o.t)
	_, err := o.payee.Accept(o.t.Context(), l.terms.Session, o.promise(l, sum), false)
	if err == nil {
		l.promised = sum
	}
	return err
}

// age lets time go by for what was read, here and on the disk.
func (o *outage) age(by time.Duration) {
	o.t.Helper()
	for _, ch := range o.payee.channels {
		ch.readAt, ch.triedAt = ch.readAt.Add(-by), ch.triedAt.Add(-by)
		ch.state.Time, ch.state.Since = ch.state.Time.Add(-by), ch.state.Since.Add(-by)
	}
	o.payee.downAt = o.payee.downAt.Add(-by)
	alter(o.t, fileOf(o.ledger), "UPDATE reading SET read_at = read_at - ?1, time = time - ?1, since = since - ?1",
		by.Milliseconds())
}

// Two payers and many channels: as the chain is lost both announce exits, one uses a release that the payee signed, and the
// payee starts anew in the middle. What was served by the rule is claimed to the last unit, exits first, and nobody got
// more than that.
func TestAdversaryOutageWithManyChannelsIsClaimedInFull(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	o := &outage{network: n, t: t, ledger: newLedger(t), view: &lyingChain{Chain: n.view}}
	other := n.sender(t, devchain.Account(2))
	n.mint(t, other.Address(), testPrice)
	set := cost(testPrice, 8*mib)
	const many = 10
	for i := range int64(many) {
		from := n.payer
		if i >= many/2 {
			from = other
		}
		key := testKey(i)
		f := n.funding(t, from)
		must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), set, set))(t)
		o.lines = append(o.lines, &outageLine{channel: f.Channel(key.Address(), n.payee.Address()), key: key, funding: f})
	}
	o.start(o.lines...)
	for _, l := range o.lines {
		if err := o.pay(l, mib); err != nil {
			t.Fatal(err)
		}
	}
	first, second, released, rich := o.lines[0], o.lines[many-1], o.lines[1], o.lines[2]
	must(rich.funding.Deposit(t.Context(), "", rich.key.Address(), set))(t) // free, which it can take away at once
	if err := o.payee.Close(t.Context(), released.terms.Session, payments.Usage{}); err != nil {
		t.Fatal(err)
	}
	release := must(o.payee.Release(t.Context(), released.channel, n.payeeKey, 15*time.Minute))(t)
	// What is read of the rich one now knows of the free balance.
	o.age(time.Minute)
	if err := o.pay(rich, mib); err != nil {
		t.Fatal(err)
	}

	o.view.tell(outOfReach)
	for _, l := range []*outageLine{first, second} {
		must(l.funding.StartExit(t.Context(), "", l.key.Address(), n.payee.Address()))(t)
	}
	last := o.promise(released, released.promised)
	must(released.funding.Close(t.Context(), "", &last, release, released.channel.Payer))(t)

	blind := BlindTime(testExitDelay)
	open := slices.Delete(slices.Clone(o.lines), 1, 2)
	serve := func(when string, bytes uint64) {
		t.Helper()
		for i, l := range open {
			if err := o.pay(l, bytes); err != nil {
				t.Fatalf("%s, channel %d: %v", when, i, err)
			}
		}
	}
	o.age(blind / 3)
	serve("after a third of the blind time", mib)
	o.start(open...) // the provider starts anew, with new sessions on known channels
	var unfunded *payments.UnfundedError
	more := n.next(t, last, released.key)
	if _, err := o.payee.Open(t.Context(), testTerms(released.channel), more, nil); !errors.As(err, &unfunded) {
		t.Fatalf("a session on what was released: %v", err)
	}
	o.age(blind / 3)
	serve("after two thirds, started anew", mib)
	// Above what is set aside there is nothing, however rich the vault was.
	for rich.promised.Less(set) {
		if err := o.pay(rich, mib); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.pay(rich, mib); !errors.As(err, &unfunded) || unfunded.Blind == nil {
		t.Fatalf("above the reserve: %v", err)
	}
	o.age(blind/3 - 2*time.Minute)
	open = slices.Delete(open, 1, 2) // all but the one that is spent
	serve("just before the end", mib)
	var until time.Time
	for _, l := range open {
		until = later(until, o.payee.ServeUntil(l.terms.Session))
	}
	o.age(3 * time.Minute)
	for i, l := range open {
		if err := o.pay(l, mib); !errors.Is(err, errOutOfReach) {
			t.Fatalf("after the blind time, channel %d: %v", i, err)
		}
	}

	// The chain is back when exits announced at the very beginning have a quarter of an hour left.
	if err := n.chain.Advance(blind); err != nil {
		t.Fatal(err)
	}
	o.view.tell(nil)
	var served contracts.Amount
	for _, l := range o.lines {
		served = must(served.Add(l.promised))(t)
	}
	sender := &fewSends{Sender: n.payee, left: 1}
	claim := func() *claim.Claimer {
		return must(claim.New(claim.Config{
			Ledger: o.ledger, Chain: o.view, Sender: sender, Deployment: n.deployment, Payee: n.payee.Address(),
			Policy: claim.Policy{GasFree: true, Batch: 2, MaxAge: time.Nanosecond},
		}))(t)
	}
	claimer := claim()
	if _, err := claimer.Round(t.Context()); !errors.Is(err, errOutOfReach) {
		t.Fatalf("one transaction went out: %v", err)
	}
	for _, l := range []*outageLine{first, second} {
		s := must(n.view.State(t.Context(), l.channel))(t)
		wantAmount(t, "an exit's, with the first transaction", s.Settled, l.promised)
	}
	sender.left = -1
	must(claim().Claim(t.Context(), false))(t)
	var settled contracts.Amount
	for i, l := range o.lines {
		s := must(n.view.State(t.Context(), l.channel))(t)
		settled = must(settled.Add(s.Settled))(t)
		if s.Settled != l.promised {
			t.Errorf("channel %d: settled %s of %s", i, s.Settled, l.promised)
		}
	}
	t.Logf("adversary: 2 payers, %d channels, 2 exits and a release as the chain is lost, a restart, all served for %s | "+
		"bound: all of %s claimed, exits in the first transaction | seen: %s claimed; served until %s", many, blind, served, settled,
		until.UTC().Format(time.TimeOnly))
	wantAmount(t, "claimed", settled, served)
}

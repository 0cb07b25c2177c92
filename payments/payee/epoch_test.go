package payee

import (
	"context"
	"errors"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

// A reserve that is posted ends its channel's epoch, and with it every other reserve and release of that epoch. The tests
// here are of who may be left with something that is worth nothing.

// far is a time, in Unix seconds, that no test comes to.
func far() uint64 { return uint64(time.Now().Add(1000 * time.Hour).Unix()) }

// careful is a payee that trusts nobody.
func (n *network) careful(t *testing.T, l *ledger.Ledger, view chainview.Chain) *Payee {
	t.Helper()
	return must(New(Config{
		Domain: n.domain, Ledger: l, Chain: view, Payee: n.payee.Address(), Token: n.deployment.Token, NoTrust: true,
	}))(t)
}

func (n *network) reserve(t *testing.T, c contracts.Channel, key contracts.Key, epoch uint32, ceiling contracts.Amount) payments.Reserve {
	t.Helper()
	return must(n.domain.SignReserve(payments.Reserve{Channel: c, Ceiling: ceiling, Epoch: epoch, ValidUntil: far()}, key))(t)
}

// The provider posts a reserve while a release that it signed is out: the release is dead, the payer asks for another one,
// and whatever comes first nobody loses anything.
func TestAdversaryReserveAndReleaseOfOneEpoch(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"reserve", "release"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			mine, theirs := newLedger(t), newLedger(t)
			f, posts := n.funding(t, n.payer), n.funding(t, n.payee)
			key := testKey(1)
			sum, half := cost(testPrice, payments.GiB), cost(testPrice, payments.GiB/2)
			before := must(f.Balance(t.Context(), n.payer.Address()))(t)
			must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), sum, half))(t)
			c := f.Channel(key.Address(), n.payee.Address())
			reserve := n.reserve(t, c, key, 0, sum)
			last := n.serve(t, mine, theirs, key, 5*mib, &reserve)
			next := n.next(t, last, key)
			payee := n.careful(t, theirs, n.view)
			release := must(payee.Release(t.Context(), c, n.payeeKey, time.Hour*1000))(t)
			var unfunded *payments.UnfundedError
			if _, err := payee.Open(t.Context(), testTerms(c), next, nil); !errors.As(err, &unfunded) {
				t.Fatalf("served on a reserve that is signed away: %v", err)
			}
			if first == "release" {
				must(f.Close(t.Context(), "", &last, release, n.payer.Address()))(t)
				must(posts.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{reserve}))(t)
				s := must(n.view.State(t.Context(), c))(t)
				t.Logf("adversary: a reserve after the release of its epoch | bound: nothing is set aside | seen: %+v", s)
				if s.Epoch != 1 || s.Ceiling != last.Cumulative || !s.Free.IsZero() {
					t.Fatalf("state: %+v", s)
				}
				if _, err := n.careful(t, theirs, n.view).Open(t.Context(), testTerms(c), next, nil); !errors.As(err, &unfunded) {
					t.Fatalf("served on nothing: %v", err)
				}
				wantErr(t, n.careful(t, theirs, n.view).CheckReserve(t.Context(), reserve), payments.ErrStaleReserve)
				return
			}
			must(posts.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{reserve}))(t)
			_, err := f.Close(t.Context(), "", &last, release, n.payer.Address())
			t.Logf("adversary: a release after the reserve of its epoch | bound: refused, and the payer told why | seen: %v", err)
			if !chain.Reverted(err, "WrongEpoch") {
				t.Fatal(err)
			}
			// What is out counts for nothing any more, so that all that is set aside counts.
			last = next
			for _, p := range []*Payee{payee, n.careful(t, theirs, n.view)} {
				terms := testTerms(c)
				must(p.Open(t.Context(), terms, last, nil))(t)
				if err := p.Close(t.Context(), terms.Session, payments.Usage{}); err != nil {
					t.Fatal(err)
				}
			}
			if release = must(payee.Release(t.Context(), c, n.payeeKey, time.Hour))(t); release.Epoch != 1 {
				t.Fatalf("released in epoch %d", release.Epoch)
			}
			must(f.Close(t.Context(), "", &last, release, n.payer.Address()))(t)
			wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
			wantAmount(t, "payer's balance", must(f.Balance(t.Context(), n.payer.Address()))(t), before.SubFloor(last.Cumulative))
		})
	}
}

// A release whose epoch is over in the newest block alone can be used after a reorganisation: it counts until the end of
// its epoch is as deep as everything else that the payee counts on.
func TestAdversaryReleaseComesBackInAReorganisation(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	theirs := newLedger(t)
	f, key := n.funding(t, n.payer), testKey(1)
	sum := cost(testPrice, payments.GiB)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), sum, sum))(t)
	c := f.Channel(key.Address(), n.payee.Address())
	if err := n.chain.Mine(10); err != nil {
		t.Fatal(err)
	}
	view := chainview.DepthView{View: n.view, Depth: 6, Above: contracts.NewAmount(1)}
	release := must(n.careful(t, theirs, view).Release(t.Context(), c, n.payeeKey, time.Hour*1000))(t)
	data := channels.NewChannels().PackRevoke(c.Token, c.Signer, c.Payee)
	must(n.payer.Send(t.Context(), chain.Intent{ID: "revoke", To: &n.deployment.Channels, Data: data}))(t)
	open := func() error {
		_, err := n.careful(t, theirs, view).Open(t.Context(), testTerms(c), n.next(t, payments.Promise{Channel: c}, key), nil)
		return err
	}
	var unfunded *payments.UnfundedError
	err := open()
	t.Logf("adversary: a release of an epoch that ended in the newest block | bound: counts until that is deep | seen: %v", err)
	if !errors.As(err, &unfunded) {
		t.Fatal(err)
	}
	if err := n.chain.Reorg(1, true); err != nil { // this is why
		t.Fatal(err)
	}
	if err := n.chain.Mine(1); err != nil {
		t.Fatal(err)
	}
	if s := must(n.view.State(t.Context(), c))(t); s.Epoch != release.Epoch {
		t.Fatalf("the reorganisation changed nothing: %+v", s)
	}
	if err := open(); !errors.As(err, &unfunded) {
		t.Fatalf("after the reorganisation: %v", err)
	}
	// The same where nothing is taken back.
	must(n.payer.Send(t.Context(), chain.Intent{ID: "revoke again", To: &n.deployment.Channels, Data: data}))(t)
	if err := open(); !errors.As(err, &unfunded) {
		t.Fatal(err)
	}
	if err := n.chain.Mine(7); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Fatalf("the end of the epoch is deep: %v", err)
	}
}

// The consumer signs two reserves for one epoch, and has the lower one posted, as anybody can: the higher one is dead. The
// provider has never counted on it, spends no gas on it and takes one of the next epoch.
func TestAdversaryTwoReservesOfOneEpoch(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f, key := n.funding(t, n.payer), testKey(1)
	sum, crumb := cost(testPrice, payments.GiB), contracts.NewAmount(1)
	c := f.Channel(key.Address(), n.payee.Address())
	must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
	low, high := n.reserve(t, c, key, 0, crumb), n.reserve(t, c, key, 0, sum)
	kept := func() payments.Reserve {
		t.Helper()
		a := must(theirs.OpenAccount(t.Context(), ledger.Payee, n.domain, c))(t)
		r, found, err := theirs.Reserve(t.Context(), a.ID)
		if err != nil || !found {
			t.Fatal(found, err)
		}
		return payments.Reserve{Channel: c, Ceiling: r.Ceiling, Epoch: r.Epoch, ValidUntil: r.ValidUntil, Sig: r.Sig}
	}
	for _, r := range []payments.Reserve{low, high, low} {
		n.keep(t, mine, theirs, key, &r)
	}
	if kept() != high {
		t.Fatalf("the lower one is kept: %+v", kept())
	}
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	must(f.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{low, high}))(t)
	state := must(n.view.State(t.Context(), c))(t)
	if state.Ceiling != crumb || state.Epoch != 1 {
		t.Fatalf("state: %+v", state)
	}
	if _, err := n.careful(t, theirs, n.view).Open(t.Context(), testTerms(c), n.next(t, last, key), nil); err == nil {
		t.Fatal("served on a reserve that was never posted")
	}
	post := func() chainview.State {
		t.Helper()
		claimer := n.claimer(t, theirs, n.payee, claim.Policy{})
		must(claimer.Round(t.Context()))(t)
		return must(n.view.State(t.Context(), c))(t)
	}
	nonce := must(n.client.NonceAt(t.Context(), n.payee.Address(), nil))(t)
	post()
	spent := must(n.client.NonceAt(t.Context(), n.payee.Address(), nil))(t) - nonce
	t.Logf("adversary: the lower of two reserves is posted by the consumer | bound: no gas for the other | seen: %d transactions", spent)
	if spent != 0 {
		t.Fatal("a dead reserve was posted")
	}
	// Signed for the epoch that is over, and told so.
	payee := n.careful(t, theirs, n.view)
	wantErr(t, payee.CheckReserve(t.Context(), high), ErrReserveEpoch)
	if err := payee.CheckReserve(t.Context(), low); errors.Is(err, ErrReserveEpoch) || !errors.Is(err, payments.ErrStaleReserve) {
		t.Fatalf("one that would raise nothing in any epoch: %v", err)
	}
	next := n.reserve(t, c, key, 1, sum.SubFloor(crumb))
	n.keep(t, mine, theirs, key, &next)
	if kept() != next {
		t.Fatalf("one of the epoch before is kept, which was higher: %+v", kept())
	}
	if s := post(); s.Ceiling != next.Ceiling || s.Epoch != 2 {
		t.Fatalf("not posted: %+v", s)
	}
	// Spent: once more it raises nothing, whoever posts it.
	must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
	must(f.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{next}))(t)
	if s := must(n.view.State(t.Context(), c))(t); s.Ceiling != next.Ceiling || s.Epoch != 2 {
		t.Fatalf("posted twice: %+v", s)
	}
}

// Whoever has signed a reserve takes it back before anybody posts it, also for a channel that never was: a later deposit
// stays free.
func TestAdversaryRevokedReserveIsPosted(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f, posts := n.funding(t, n.payer), n.funding(t, n.payee)
	key, sum := testKey(1), cost(testPrice, payments.GiB)
	c := contracts.Channel{Vault: contracts.Vault{Token: n.deployment.Token, Payer: n.payer.Address(), Signer: key.Address()}, Payee: n.payee.Address()}
	reserve := n.reserve(t, c, key, 0, sum)
	must(f.Revoke(t.Context(), "", key.Address(), c.Payee))(t)
	must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
	must(posts.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{reserve}))(t)
	s := must(n.view.State(t.Context(), c))(t)
	t.Logf("adversary: a reserve that was revoked is posted after a deposit | bound: nothing is set aside | seen: %+v", s)
	if s.Epoch != 1 || !s.Ceiling.IsZero() || s.Free != sum {
		t.Fatalf("state: %+v", s)
	}
}

// A reserve that can't be posted any more gives way to a lower one of the same epoch.
func TestReserveOutOfTimeIsReplaced(t *testing.T) {
	t.Parallel()
	l, now := newLedger(t), time.Now()
	c, key := testChannel(1)
	state := chainview.State{Free: testPrice, Time: now, Block: 1}
	chain := &fakeChain{any: &state}
	keep := func(ceiling uint64, until time.Time) {
		t.Helper()
		p := newPayee(t, l, chain)
		r := must(testDomain.SignReserve(payments.Reserve{
			Channel: c, Ceiling: contracts.NewAmount(ceiling), ValidUntil: uint64(until.Unix()),
		}, key))(t)
		if err := p.CheckReserve(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		must(p.Open(t.Context(), testTerms(c), signed(t, c, key, cost(testPrice, pace.MinTick)), &r))(t)
		kept, _, err := l.Reserve(t.Context(), p.channels[c].account.ID)
		if err != nil || kept != keptReserve(r) {
			t.Fatalf("%+v is kept, %v", kept, err)
		}
	}
	keep(1000, now.Add(time.Hour))
	state.Time = now.Add(2 * time.Hour)
	keep(500, now.Add(10*time.Hour))
	keep(600, now.Add(5*time.Hour))
}

// A claim and a posted reserve of one channel, in either order and of one round: everything is paid once, and what is left
// is set aside.
func TestAdversaryClaimAndReserveOfOneChannel(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"claim first", "reserve first", "reserve in a round, claim in the next"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			mine, theirs := newLedger(t), newLedger(t)
			f, posts, key, second := n.funding(t, n.payer), n.funding(t, n.payee), testKey(1), testKey(2)
			sum := cost(testPrice, payments.GiB)
			must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
			nearly := cost(testPrice, 6*mib)
			must(f.Open(t.Context(), "", second.Address(), n.payee.Address(), nearly, nearly))(t)
			c := f.Channel(key.Address(), n.payee.Address())
			reserve := n.reserve(t, c, key, 0, sum)
			last := n.serve(t, mine, theirs, key, 5*mib, &reserve)
			other := n.serve(t, mine, theirs, second, 5*mib, nil)
			claimer := n.claimer(t, theirs, n.payee, claim.Policy{})
			switch order {
			case "claim first":
				must(claimer.Claim(t.Context(), false))(t)
				must(posts.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{reserve}))(t)
			case "reserve first":
				must(posts.PostReserves(t.Context(), "", c.Payee, []payments.Reserve{reserve}))(t)
				must(claimer.Claim(t.Context(), false))(t)
			default: // the channel that is nearly spent is claimed, the exposed one is secured
				done := must(claimer.Round(t.Context()))(t)
				if done.Channels != 1 || done.Total != other.Cumulative {
					t.Fatalf("claimed: %+v", done)
				}
				if s := must(n.view.State(t.Context(), c))(t); s.Ceiling != sum || s.Epoch != 1 || !s.Settled.IsZero() {
					t.Fatalf("not secured: %+v", s)
				}
				must(claimer.Claim(t.Context(), false))(t)
			}
			s := must(n.view.State(t.Context(), c))(t)
			if s.Settled != last.Cumulative || s.Ceiling != sum || !s.Free.IsZero() || s.Epoch != 1 {
				t.Fatalf("state: %+v", s)
			}
			wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t),
				must(last.Cumulative.Add(other.Cumulative))(t))
			if v := must(audit.Verify(t.Context(), fileOf(theirs), n.view))(t); len(v.Problems) != 0 {
				t.Fatalf("%+v", v.Problems)
			}
		})
	}
}

// overtaken lets somebody else send the same call first.
type overtaken struct {
	payer.Sender
	other payer.Sender
}

func (s overtaken) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	if _, err := s.other.Send(ctx, chain.Intent{ID: "overtakes", To: i.To, Data: i.Data}); err != nil {
		return chain.Result{}, err
	}
	i.Gas = 300_000 // nothing is left to be estimated
	return s.Sender.Send(ctx, i)
}

// A claim that somebody else has sent before settles nothing and says so: it is booked as that.
func TestClaimThatWasOvertakenIsBookedAsNothing(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f, key := n.funding(t, n.payer), testKey(1)
	must(f.Deposit(t.Context(), "", key.Address(), testPrice))(t)
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	claimer := n.claimer(t, theirs, overtaken{n.payee, n.payer}, claim.Policy{})
	done := must(claimer.Claim(t.Context(), false))(t)
	if !done.Total.IsZero() || done.Channels != 0 || done.Transactions != 1 {
		t.Fatalf("claimed: %+v", done)
	}
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
	if again := must(n.claimer(t, theirs, n.payee, claim.Policy{}).Claim(t.Context(), false))(t); again.Transactions != 0 {
		t.Fatalf("claimed again: %+v", again)
	}
	wantAmount(t, "settled", must(claimer.Earnings(t.Context()))(t).Settled, last.Cumulative)
}

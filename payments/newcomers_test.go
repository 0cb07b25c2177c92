package payments

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments/ledger"
)

// stranger is a vault of the payer's, whose signer is the key of that number, with a deposit and nothing else.
func (n *network) stranger(t *testing.T, number int64, deposit contracts.Amount) (contracts.Channel, contracts.Key) {
	t.Helper()
	f, key := n.funding(t, n.payer), testKey(number)
	must(f.Deposit(t.Context(), "", key.Address(), deposit))(t)
	return f.Channel(key.Address(), n.payee.Address()), key
}

// admitWaiting posts what newcomers wait for, as [Claimer.Run] does.
func (c *Claimer) admitWaiting(ctx context.Context) {
	for len(c.asides.ready) > 0 {
		c.admitBatch(ctx, <-c.asides.ready)
	}
}

// TestReserveOfARefusedNewcomerIsPosted: the payee has no trust left, the vault's reserve is posted, and the very session is
// taken. Until then the ledger has heard of nobody.
func TestReserveOfARefusedNewcomerIsPosted(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	theirs, sum := newLedger(t), cost(testPrice, GiB)
	payee := must(NewPayee(PayeeConfig{
		Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token,
		Budget: contracts.NewAmount(1),
	}))(t)
	claimer := n.run(t, theirs, Policy{GasFree: true})
	c, key := n.stranger(t, 1, sum)
	r := n.reserve(t, c, key, 0, sum)
	if err := payee.CheckReserve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	terms := testTerms(c)
	first := must(n.domain.Sign(Promise{Channel: c, Cumulative: cost(testPrice, MinTick)}, key))(t)
	var newcomer *NewcomerError
	if _, err := payee.Open(t.Context(), terms, first, &r); !errors.As(err, &newcomer) {
		t.Fatalf("a stranger is opened with %v", err)
	}
	if err := claimer.SetAside(t.Context(), "here", r, newcomer.Need); err != nil {
		t.Fatal(err)
	}
	if _, found, err := theirs.Account(t.Context(), ledger.Payee, ledger.Domain(n.domain), c); found || err != nil {
		t.Errorf("who has shown no money has a row: %v, %v", found, err)
	}
	eventually(t, "the reserve is posted", func() bool { return must(n.view.State(t.Context(), c))(t).Ceiling == sum })
	if _, err := payee.Open(t.Context(), terms, first, nil); err != nil {
		t.Errorf("who reserved is refused: %v", err)
	}
}

// A newcomer's reserve is posted by the rule for any other: never where it would not admit the newcomer or not bring its gas.
func TestNewcomersReserveIsPostedOnlyWhereItAdmitsAndPays(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	sum, need := cost(testPrice, GiB), cost(testPrice, TrustBytes)
	f := n.funding(t, n.payer)
	dear := Policy{GasTokenPrice: contracts.MaxAmount()}
	for i, c := range []struct {
		name   string
		policy Policy
		// prepare makes the reserve what it is and the chain what it is.
		prepare func(r *Reserve)
		want    error // of that kind; nil: any
	}{
		{"less than is needed", Policy{}, func(r *Reserve) { r.Ceiling = need.SubFloor(contracts.NewAmount(1)) }, nil},
		{"an empty vault", Policy{}, func(r *Reserve) {
			must(f.Withdraw(t.Context(), "", r.Signer, sum, n.payer.Address()))(t)
		}, new(UnfundedError)},
		{"a vault that holds too little", Policy{}, func(r *Reserve) {
			left := need.SubFloor(contracts.NewAmount(1))
			must(f.Withdraw(t.Context(), "", r.Signer, sum.SubFloor(left), n.payer.Address()))(t)
		}, new(UnfundedError)},
		{"an exit", Policy{}, func(r *Reserve) {
			must(f.Reserve(t.Context(), "", r.Signer, r.Payee, contracts.NewAmount(1)))(t)
			must(f.StartExit(t.Context(), "", r.Signer, r.Payee))(t)
		}, ErrExiting},
		{"an epoch that is over", Policy{}, func(r *Reserve) {
			must(f.Revoke(t.Context(), "", r.Signer, r.Payee))(t)
		}, ErrStaleReserve},
		{"a time that is over", Policy{}, func(r *Reserve) { r.ValidUntil = uint64(time.Now().Unix()) }, ErrStaleReserve},
		{"gas that costs more", dear, func(*Reserve) {}, nil},
	} {
		channel, _ := n.stranger(t, int64(i+1), sum)
		r := Reserve{Channel: channel, Ceiling: sum, ValidUntil: far()}
		c.prepare(&r)
		claimer := n.claimer(t, newLedger(t), n.payee, c.policy)
		before := n.sentByPayee(t)
		err := claimer.SetAside(t.Context(), "here", r, need)
		var unfunded *UnfundedError
		wanted := errors.Is(err, c.want) || c.want == nil
		if errors.As(c.want, &unfunded) {
			wanted = errors.As(err, &unfunded)
		}
		if err == nil || !wanted {
			t.Errorf("%s: %v", c.name, err)
		}
		claimer.admitWaiting(t.Context())
		if sent := n.sentByPayee(t) - before; sent != 0 || len(claimer.asides.list) != 0 {
			t.Errorf("%s: %d transactions, %d counted", c.name, sent, len(claimer.asides.list))
		}
	}
}

func TestNewcomersReservesAreCounted(t *testing.T) {
	t.Parallel()
	l, now := newAsides(), time.Unix(1e9, 0)
	number := int64(0)
	other := func() Reserve {
		number++
		c, _ := testChannel(number)
		return Reserve{Channel: c}
	}
	need := contracts.NewAmount(1)
	take := func(from string, at time.Time) (a *aside) {
		t.Helper()
		return must(l.take(other(), need, from, at))(t)
	}
	refuses := func(r Reserve, from string, at time.Time, want error) {
		t.Helper()
		_, err := l.take(r, need, from, at)
		wantErr(t, err, want)
	}
	// One vault: while it is under way, and afterwards.
	a := take("a", now)
	refuses(a.reserve, "b", now, errUnderWay)
	l.end([]*aside{a})
	refuses(a.reserve, "b", now.Add(asideSpan-1), errAsideAgain)
	l.drop(must(l.take(a.reserve, need, "b", now.Add(asideSpan)))(t)) // that was an hour ago
	// One place.
	at := now.Add(2 * asideSpan)
	for range asidesFrom {
		l.end([]*aside{take("a", at)})
	}
	refuses(other(), "a", at, errAsidesUsed)
	// At once.
	var list []*aside
	for range asidesAtOnce {
		list = append(list, take("", at))
	}
	refuses(other(), "", at, errAsidesUsed)
	// One that costs nothing makes room, and so does one that is over.
	l.drop(list[0])
	l.end(list[1:])
	for len(l.list) < asidesAnHour {
		l.end([]*aside{take("", at)})
	}
	refuses(other(), "", at.Add(asideSpan-1), errAsidesUsed)
	take("a", at.Add(asideSpan))
	if len(l.list) != 1 {
		t.Errorf("%d are remembered after an hour", len(l.list))
	}
}

// thief lets somebody do something before each transaction and adds up the gas.
type thief struct {
	Sender
	do  func()
	gas uint64
}

func (s *thief) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	s.do()
	i.Gas = 1_000_000 // an estimate would tell
	r, err := s.Sender.Send(ctx, i)
	s.gas += r.GasUsed
	return r, err
}

// TestAdversaryNewcomersWhoseVaultsAreEmptiedBeforeThePosting: vaults are free, and each is left with one unit in the block
// before its reserve is mined, so that the provider's gas buys nothing.
func TestAdversaryNewcomersWhoseVaultsAreEmptiedBeforeThePosting(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	const vaults = 48
	theirs, need, left := newLedger(t), cost(testPrice, TrustBytes), contracts.NewAmount(1)
	f := n.funding(t, n.payer)
	s := &thief{Sender: n.payee}
	claimer := n.claimer(t, theirs, s, Policy{GasFree: true})
	var now []Reserve
	s.do = func() {
		for _, r := range now {
			must(f.Withdraw(t.Context(), "", r.Signer, need.SubFloor(left), n.payer.Address()))(t)
		}
	}
	before, refused := n.sentByPayee(t), 0
	for i := range int64(vaults) {
		c, key := n.stranger(t, i+1, need)
		r := n.reserve(t, c, key, 0, need)
		if err := claimer.SetAside(t.Context(), fmt.Sprint(i), r, need); err == nil {
			now = append(now, r)
		} else if refused++; !errors.Is(err, errAsidesUsed) {
			t.Errorf("vault %d: %v", i, err)
		}
		if len(now) == asidesAtOnce || i == vaults-1 {
			claimer.admitWaiting(t.Context())
			now = nil
		}
	}
	sent := n.sentByPayee(t) - before
	t.Logf("adversary: %d vaults, each emptied before its reserve is mined | bound: %d reserves an hour, %d gas | seen: %d "+
		"transactions, %d gas, %d refused", vaults, asidesAnHour, asidesAnHour*reserveGas, sent, s.gas, refused)
	if refused != vaults-asidesAnHour || sent > asidesAnHour || s.gas > asidesAnHour*reserveGas {
		t.Errorf("%d transactions, %d gas, %d refused", sent, s.gas, refused)
	}
	if owed := must(theirs.Owed(t.Context(), claimer.claimant))(t); len(owed) != 0 {
		t.Errorf("%d rows", len(owed))
	}
}

// TestAdversaryOneVaultHasItsReservesPostedOnce: each posting begins the channel's next epoch, for which another reserve is
// signed; and one place has many vaults.
func TestAdversaryOneVaultHasItsReservesPostedOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	claimer := n.claimer(t, newLedger(t), n.payee, Policy{GasFree: true})
	c, key := n.stranger(t, 1, cost(testPrice, GiB))
	before := n.sentByPayee(t)
	need := cost(testPrice, mib)
	for range 5 {
		s := must(n.view.State(t.Context(), c))(t)
		need = must(s.Ceiling.Add(cost(testPrice, mib)))(t)
		err := claimer.SetAside(t.Context(), "here", n.reserve(t, c, key, s.Epoch, need), need)
		if err != nil && !errors.Is(err, errAsideAgain) {
			t.Error(err)
		}
		claimer.admitWaiting(t.Context())
	}
	one := n.sentByPayee(t) - before
	for i := range int64(10) {
		c, key := n.stranger(t, i+2, need)
		err := claimer.SetAside(t.Context(), "here", n.reserve(t, c, key, 0, need), need)
		if err != nil && !errors.Is(err, errAsidesUsed) {
			t.Error(err)
		}
		claimer.admitWaiting(t.Context())
	}
	all := n.sentByPayee(t) - before
	t.Logf("adversary: 5 reserves of one vault, then 10 vaults of one place | bound: 1, then %d transactions in all an hour | "+
		"seen: %d, %d", asidesFrom, one, all)
	if one != 1 || all != asidesFrom {
		t.Errorf("%d and %d transactions", one, all)
	}
}

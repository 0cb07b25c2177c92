package payee

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

// stranger is a vault of the payer's, whose signer is the key of that number, with a deposit and nothing else.
func (n *network) stranger(t *testing.T, number int64, deposit contracts.Amount) (contracts.Channel, contracts.Key) {
	t.Helper()
	f, key := n.funding(t, n.payer), testKey(number)
	must(f.Deposit(t.Context(), "", key.Address(), deposit))(t)
	return f.Channel(key.Address(), n.payee.Address()), key
}

// What is posted in an hour, of those that come from one place, and at once.
const (
	anHour, fromOnePlace, atOnce = 32, 4, 8

	gasOfOne = 75_000 // of one
)

// TestReserveOfARefusedNewcomerIsPosted: the payee has no trust left, the vault's reserve is posted, and the very session is
// taken. Until then the ledger has heard of nobody.
func TestReserveOfARefusedNewcomerIsPosted(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	theirs, sum := newLedger(t), cost(testPrice, payments.GiB)
	payee := must(New(Config{
		Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token,
		Budget: contracts.NewAmount(1),
	}))(t)
	claimer := n.run(t, theirs, claim.Policy{GasFree: true})
	c, key := n.stranger(t, 1, sum)
	r := n.reserve(t, c, key, 0, sum)
	if err := payee.CheckReserve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	terms := testTerms(c)
	first := must(n.domain.Sign(payments.Promise{Channel: c, Cumulative: cost(testPrice, pace.MinTick)}, key))(t)
	var newcomer *NewcomerError
	if _, err := payee.Open(t.Context(), terms, first, &r); !errors.As(err, &newcomer) {
		t.Fatalf("a stranger is opened with %v", err)
	}
	if err := claimer.SetAside(t.Context(), "here", r, newcomer.Need); err != nil {
		t.Fatal(err)
	}
	if _, found, err := theirs.Account(t.Context(), ledger.Payee, n.domain, c); found || err != nil {
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
	sum, need := cost(testPrice, payments.GiB), cost(testPrice, pace.TrustBytes)
	f := n.funding(t, n.payer)
	dear := claim.Policy{GasTokenPrice: contracts.MaxAmount()}
	for i, c := range []struct {
		name   string
		policy claim.Policy
		// prepare makes the reserve what it is and the chain what it is.
		prepare func(r *payments.Reserve)
		want    error // of that kind; nil: any
	}{
		{"less than is needed", claim.Policy{}, func(r *payments.Reserve) { r.Ceiling = need.SubFloor(contracts.NewAmount(1)) }, nil},
		{"an empty vault", claim.Policy{}, func(r *payments.Reserve) {
			must(f.Withdraw(t.Context(), "", r.Signer, sum, n.payer.Address()))(t)
		}, new(payments.UnfundedError)},
		{"a vault that holds too little", claim.Policy{}, func(r *payments.Reserve) {
			left := need.SubFloor(contracts.NewAmount(1))
			must(f.Withdraw(t.Context(), "", r.Signer, sum.SubFloor(left), n.payer.Address()))(t)
		}, new(payments.UnfundedError)},
		{"an exit", claim.Policy{}, func(r *payments.Reserve) {
			must(f.Reserve(t.Context(), "", r.Signer, r.Payee, contracts.NewAmount(1)))(t)
			must(f.StartExit(t.Context(), "", r.Signer, r.Payee))(t)
		}, payments.ErrExiting},
		{"an epoch that is over", claim.Policy{}, func(r *payments.Reserve) {
			must(f.Revoke(t.Context(), "", r.Signer, r.Payee))(t)
		}, payments.ErrStaleReserve},
		{"a time that is over", claim.Policy{}, func(r *payments.Reserve) { r.ValidUntil = uint64(time.Now().Unix()) }, payments.ErrStaleReserve},
		{"gas that costs more", dear, func(*payments.Reserve) {}, nil},
	} {
		channel, _ := n.stranger(t, int64(i+1), sum)
		r := payments.Reserve{Channel: channel, Ceiling: sum, ValidUntil: far()}
		c.prepare(&r)
		claimer := n.claimer(t, newLedger(t), n.payee, c.policy)
		before := n.sentByPayee(t)
		err := claimer.SetAside(t.Context(), "here", r, need)
		var unfunded *payments.UnfundedError
		wanted := errors.Is(err, c.want) || c.want == nil
		if errors.As(c.want, &unfunded) {
			wanted = errors.As(err, &unfunded)
		}
		if err == nil || !wanted {
			t.Errorf("%s: %v", c.name, err)
		}
		claimer.Admit(t.Context())
		if sent := n.sentByPayee(t) - before; sent != 0 {
			t.Errorf("%s: %d transactions", c.name, sent)
		}
	}
}

// thief lets somebody do something before each transaction and adds up the gas.
type thief struct {
	payer.Sender
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
	theirs, need, left := newLedger(t), cost(testPrice, pace.TrustBytes), contracts.NewAmount(1)
	f := n.funding(t, n.payer)
	s := &thief{Sender: n.payee}
	claimer := n.claimer(t, theirs, s, claim.Policy{GasFree: true})
	var now []payments.Reserve
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
		} else if refused++; !strings.Contains(err.Error(), "as many reserves of newcomers") {
			t.Errorf("vault %d: %v", i, err)
		}
		if len(now) == atOnce || i == vaults-1 {
			claimer.Admit(t.Context())
			now = nil
		}
	}
	sent := n.sentByPayee(t) - before
	t.Logf("adversary: %d vaults, each emptied before its reserve is mined | bound: %d reserves an hour, %d gas | seen: %d "+
		"transactions, %d gas, %d refused", vaults, anHour, anHour*gasOfOne, sent, s.gas, refused)
	if refused != vaults-anHour || sent > anHour || s.gas > anHour*gasOfOne {
		t.Errorf("%d transactions, %d gas, %d refused", sent, s.gas, refused)
	}
	if owed := must(theirs.Owed(t.Context(), ledger.Claimant{
		Domain: n.domain, Token: n.deployment.Token, Payee: n.payee.Address(),
	}))(t); len(owed) != 0 {
		t.Errorf("%d rows", len(owed))
	}
}

// TestAdversaryOneVaultHasItsReservesPostedOnce: each posting begins the channel's next epoch, for which another reserve is
// signed; and one place has many vaults.
func TestAdversaryOneVaultHasItsReservesPostedOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	claimer := n.claimer(t, newLedger(t), n.payee, claim.Policy{GasFree: true})
	c, key := n.stranger(t, 1, cost(testPrice, payments.GiB))
	before := n.sentByPayee(t)
	need := cost(testPrice, mib)
	for range 5 {
		s := must(n.view.State(t.Context(), c))(t)
		need = must(s.Ceiling.Add(cost(testPrice, mib)))(t)
		err := claimer.SetAside(t.Context(), "here", n.reserve(t, c, key, s.Epoch, need), need)
		if err != nil && !strings.Contains(err.Error(), "was posted within the hour") {
			t.Error(err)
		}
		claimer.Admit(t.Context())
	}
	one := n.sentByPayee(t) - before
	for i := range int64(10) {
		c, key := n.stranger(t, i+2, need)
		err := claimer.SetAside(t.Context(), "here", n.reserve(t, c, key, 0, need), need)
		if err != nil && !strings.Contains(err.Error(), "as many reserves of newcomers") {
			t.Error(err)
		}
		claimer.Admit(t.Context())
	}
	all := n.sentByPayee(t) - before
	t.Logf("adversary: 5 reserves of one vault, then 10 vaults of one place | bound: 1, then %d transactions in all an hour | "+
		"seen: %d, %d", fromOnePlace, one, all)
	if one != 1 || all != fromOnePlace {
		t.Errorf("%d and %d transactions", one, all)
	}
}

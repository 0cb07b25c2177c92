package payee

import (
	"context"
	"testing"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

// firstly lets somebody do something before a transaction goes, and counts the ids.
type firstly struct {
	payer.Sender
	do  func() // before the next one, nil: nothing
	gas uint64 // of the next one that is new, 0: enough
	ids map[string]bool
}

func (s *firstly) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	i.Gas = 300_000 // no estimate of the state before
	if !s.ids[i.ID] && s.gas > 0 {
		i.Gas, s.gas = s.gas, 0
	}
	s.ids[i.ID] = true
	return s.Sender.Send(ctx, i)
}

// exposed is a payer with a deposit of 2^30 bytes' worth that has promised the price of so many, the last tick of them
// ahead, and has set nothing aside.
type exposed struct {
	*payer.Funding
	mine, theirs *ledger.Ledger
	key          contracts.Key
	channel      contracts.Channel
}

func (n *network) exposed(t *testing.T, bytes uint64) exposed {
	t.Helper()
	e := exposed{n.funding(t, n.payer), newLedger(t), newLedger(t), testKey(1), contracts.Channel{}}
	e.channel = e.Channel(e.key.Address(), n.payee.Address())
	must(e.Deposit(t.Context(), "", e.key.Address(), cost(testPrice, payments.GiB)))(t)
	n.serve(t, e.mine, e.theirs, e.key, bytes-pace.MinTick, nil)
	n.keep(t, e.mine, e.theirs, e.key, nil)
	return e
}

// keeps has the payee keep a reserve of that epoch and ceiling.
func (n *network) keeps(t *testing.T, e exposed, epoch uint32, ceiling contracts.Amount) {
	t.Helper()
	r := n.reserve(t, e.channel, e.key, epoch, ceiling)
	n.keep(t, e.mine, e.theirs, e.key, &r)
}

func (n *network) sentByPayee(t *testing.T) uint64 {
	t.Helper()
	return must(n.client.NonceAt(t.Context(), n.payee.Address(), nil))(t)
}

// TestAdversaryReservesOfLittleDrainNoProvider: a consumer that is exposed once signs reserves of a little more, one an
// epoch, and never sends a transaction. No price of gas is known.
func TestAdversaryReservesOfLittleDrainNoProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		step contracts.Amount
		most uint64
	}{
		{"one unit", contracts.NewAmount(1), 0}, {"a little less than is asked for", cost(testPrice, 4*mib-1024), 0},
		{"a quarter", cost(testPrice, 5*mib), 4},
	} {
		n := newNetwork(t)
		e := n.exposed(t, 17*mib)
		claimer := n.claimer(t, e.theirs, n.payee, claim.Policy{
			ReserveAbove: cost(testPrice, 4*mib), MustFloor: cost(testPrice, pace.TrustBytes),
		})
		before := n.sentByPayee(t)
		var s chainview.State
		for range 10 {
			s = must(n.view.State(t.Context(), e.channel))(t)
			n.keeps(t, e, s.Epoch, must(s.Ceiling.Add(c.step))(t))
			must(claimer.Round(t.Context()))(t)
		}
		sent := n.sentByPayee(t) - before
		t.Logf("adversary: 10 reserves, each of %s more | bound: %d transactions | seen: %d, ceiling %s", c.name, c.most, sent, s.Ceiling)
		if sent > c.most || c.most > 0 && sent == 0 {
			t.Errorf("%s: %d transactions", c.name, sent)
		}
	}
}

// TestAdversaryVaultThatIsEmptyWhileAReserveIsPosted: the payer empties its vault before the reserve is posted, and fills
// it again. The reserve is good still and is posted again, by a claimer that knows of nothing as well. One that does that
// for ever has no transaction sent in every round.
func TestAdversaryVaultThatIsEmptyWhileAReserveIsPosted(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		n := newNetwork(t)
		e := n.exposed(t, 5*mib)
		sum := cost(testPrice, payments.GiB)
		n.keeps(t, e, 0, sum)
		s := &firstly{Sender: n.payee}
		empty := func() { must(e.Withdraw(t.Context(), "", e.key.Address(), sum, n.payer.Address()))(t) }
		claimer := n.claimer(t, e.theirs, s, claim.Policy{})
		round := func() chainview.State {
			t.Helper()
			must(claimer.Round(t.Context()))(t)
			return must(n.view.State(t.Context(), e.channel))(t)
		}
		before := n.sentByPayee(t)
		s.do = empty
		if got := round(); !got.Ceiling.IsZero() || n.sentByPayee(t) != before+1 {
			t.Fatalf("the vault was not empty: %+v", got)
		}
		if round(); n.sentByPayee(t) != before+1 {
			t.Error("posted on an empty vault")
		}
		must(e.Deposit(t.Context(), "", e.key.Address(), sum))(t)
		if restart {
			claimer = n.claimer(t, e.theirs, s, claim.Policy{})
		}
		var got chainview.State
		for range 3 {
			got = round()
		}
		sent := n.sentByPayee(t) - before
		t.Logf("adversary: a vault that is empty for a block | bound: posted again, once | seen: %d transactions, ceiling %s", sent, got.Ceiling)
		if got.Ceiling != sum || sent != 2 || len(s.ids) != 2 {
			t.Errorf("after a restart (%v) %d transactions of %d ids, %+v", restart, sent, len(s.ids), got)
		}
	}

	n := newNetwork(t)
	e := n.exposed(t, 5*mib)
	sum := cost(testPrice, payments.GiB)
	n.keeps(t, e, 0, sum)
	s := &firstly{Sender: n.payee}
	claimer := n.claimer(t, e.theirs, s, claim.Policy{})
	before := n.sentByPayee(t)
	for range 6 {
		if must(n.view.State(t.Context(), e.channel))(t).Free.IsZero() {
			must(e.Deposit(t.Context(), "", e.key.Address(), sum))(t)
		}
		s.do = func() { must(e.Withdraw(t.Context(), "", e.key.Address(), sum, n.payer.Address()))(t) }
		must(claimer.Round(t.Context()))(t)
	}
	sent := n.sentByPayee(t) - before
	t.Logf("adversary: a vault that is empty whenever a reserve is mined | bound: 2 transactions in a minute | seen: %d", sent)
	if sent != 2 {
		t.Errorf("%d transactions", sent)
	}
}

// A posting that ran out of gas, as one does whose estimate was made of a vault that was empty, is no last word either.
func TestRevertedPostingIsSentAgain(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	e := n.exposed(t, 5*mib)
	sum := cost(testPrice, payments.GiB)
	n.keeps(t, e, 0, sum)
	s := &firstly{Sender: n.payee, gas: 50_000}
	claimer := n.claimer(t, e.theirs, s, claim.Policy{})
	before := n.sentByPayee(t)
	for range 3 {
		must(claimer.Round(t.Context()))(t)
	}
	got, sent := must(n.view.State(t.Context(), e.channel))(t), n.sentByPayee(t)-before
	if got.Ceiling != sum || sent != 2 {
		t.Errorf("%d transactions, %+v", sent, got)
	}
}

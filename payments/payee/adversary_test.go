package payee

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
)

// lyingChain answers truly until it is told to lie, about all channels or one.
type lyingChain struct {
	chainview.Chain
	mu  sync.Mutex
	lie func(contracts.Channel, chainview.State) (chainview.State, error) // nil: the truth
}

func (l *lyingChain) State(ctx context.Context, c contracts.Channel) (chainview.State, error) {
	s, err := l.Chain.State(ctx, c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.lie != nil {
		return l.lie(c, s)
	}
	return s, err
}

func (l *lyingChain) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	return l.Chain.(*chainview.View).BlockHash(ctx, number)
}

func (l *lyingChain) tell(lie func(contracts.Channel, chainview.State) (chainview.State, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lie = lie
}

var errOutOfReach = errors.New("out of reach")

func outOfReach(contracts.Channel, chainview.State) (chainview.State, error) {
	return chainview.State{}, errOutOfReach
}

// pass lets time go by for what a ledger has read from the chain.
func pass(t *testing.T, l *ledger.Ledger, by time.Duration) {
	t.Helper()
	alter(t, fileOf(l), "UPDATE channel SET settled_at = settled_at - ?1, recheck_at = recheck_at - ?1", by.Milliseconds())
}

func TestAdversaryOneFalseAnswerStopsNoClaim(t *testing.T) {
	t.Parallel()
	most := contracts.MaxAmount()
	answer := func(change func(*chainview.State)) func(contracts.Channel, chainview.State) (chainview.State, error) {
		return func(_ contracts.Channel, s chainview.State) (chainview.State, error) {
			change(&s)
			return s, nil
		}
	}
	for name, lie := range map[string]func(contracts.Channel, chainview.State) (chainview.State, error){
		"a head of 2^60":              answer(func(s *chainview.State) { s.Block = 1 << 60 }),
		"a head of 2^64-1":            answer(func(s *chainview.State) { s.Block = 1<<64 - 1 }),
		"a head of 2^60 in 2^40":      answer(func(s *chainview.State) { s.Block, s.Time = 1<<60, time.Unix(1<<40, 0) }),
		"all settled":                 answer(func(s *chainview.State) { s.Settled, s.Ceiling = most, most }),
		"all settled, head of 2^60":   answer(func(s *chainview.State) { s.Settled, s.Ceiling, s.Block = most, most, 1<<60 }),
		"settled to the unit":         answer(func(s *chainview.State) { s.Settled, s.Ceiling = cost(testPrice, 5*mib), most }),
		"nothing to pay with":         answer(func(s *chainview.State) { s.Ceiling, s.Free = s.Settled, contracts.Amount{} }),
		"an error":                    outOfReach,
		"a hash that was never there": answer(func(s *chainview.State) { s.Hash, s.Block, s.Settled = common.Hash{7}, s.Block+5, most }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			mine, theirs := newLedger(t), newLedger(t)
			f := n.funding(t, n.payer)
			key := testKey(1)
			must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
			last := n.serve(t, mine, theirs, key, 5*mib, nil)
			view := &lyingChain{Chain: n.view}
			claimer := must(claim.New(claim.Config{
				Ledger: theirs, Chain: view, Sender: n.payee, Deployment: n.deployment, Payee: n.payee.Address(),
			}))(t)
			view.tell(lie)
			// Whether that round claims anything is the liar's choice.
			if _, err := claimer.Round(t.Context()); err != nil && !errors.Is(err, errOutOfReach) {
				t.Fatal(err)
			}
			view.tell(nil)
			e := must(claimer.Earnings(t.Context()))(t)
			if last.Cumulative.Less(e.Settled) || last.Cumulative.Less(e.Promised) {
				t.Fatalf("earnings after the lie: %+v", e)
			}
			const bound = 2*time.Minute + time.Second // for how long an endpoint may lag
			pass(t, theirs, bound)
			done := must(claimer.Claim(t.Context(), false))(t)
			t.Logf("adversary: one false answer, %s | bound: all claimed at the first round after %s | seen: %s of %s claimed",
				name, bound, done.Total, last.Cumulative)
			wantAmount(t, "claimed", done.Total, last.Cumulative)
			wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
			if v := must(audit.Verify(t.Context(), fileOf(theirs), n.view))(t); len(v.Problems) > 0 {
				t.Fatal(v.Problems)
			}
		})
	}
}

func TestAdversaryBadChannelsHoldUpNoOther(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	bad := map[contracts.Channel]bool{}
	var want contracts.Amount
	const all, spoilt = 8, 4
	for i := range int64(all) {
		key := testKey(i)
		must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), testPrice, testPrice))(t)
		last := n.serve(t, mine, theirs, key, 5*mib, nil)
		if i < spoilt { // more in a row than end a round, and the first
			bad[last.Channel] = true
			continue
		}
		want = must(want.Add(last.Cumulative))(t)
	}
	view := &lyingChain{Chain: n.view}
	view.tell(func(c contracts.Channel, s chainview.State) (chainview.State, error) {
		if bad[c] {
			return s, errors.New("the endpoint answers nonsense")
		}
		return s, nil
	})
	claimer := must(claim.New(claim.Config{
		Ledger: theirs, Chain: view, Sender: n.payee, Deployment: n.deployment, Payee: n.payee.Address(),
	}))(t)
	var got contracts.Amount
	rounds := 0
	for ; got != want && rounds < 3; rounds++ {
		done, err := claimer.Claim(t.Context(), false)
		if err != nil && rounds > 0 {
			t.Fatal(err)
		}
		got = must(got.Add(done.Total))(t)
	}
	t.Logf("adversary: %d of %d channels can't be read | bound: the others are claimed in 3 rounds | seen: %s of %s in %d",
		spoilt, all, got, want, rounds)
	wantAmount(t, "claimed", got, want)
	for _, s := range claimer.Skipped() {
		if !bad[s.Channel] || s.Reason == nil {
			t.Errorf("%s was left out: %v", s.Channel, s.Reason)
		}
	}
	if len(claimer.Skipped()) == 0 {
		t.Error("what was left out is not named")
	}
}

// oldLedger makes a ledger as an older program had it, with what one channel was promised.
func oldLedger(t *testing.T, p payments.Promise, change string) string {
	t.Helper()
	newLedger(t) // the first that is opened gives SQLite the function that makes checksums
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)"))(t)
	must(db.Exec(string(must(os.ReadFile("testdata/schema3.sql"))(t))))(t)
	must(db.Exec("PRAGMA user_version = 3"))(t)
	c, total, zero := p.Channel, p.Cumulative.Bytes(), contracts.Amount{}.Bytes()
	must(db.Exec("INSERT INTO channel (role, chain_id, contract, token, payer, signer, payee, total, sig, other, settled,"+
		" owed_since, changed_at) VALUES (2,?,?,?,?,?,?,?,?,?,?,1,1)", int64(testDomain.ChainID), testDomain.Contract[:],
		c.Token[:], c.Payer[:], c.Signer[:], c.Payee[:], total[:], p.Sig[:], total[:], zero[:]))(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, path, change)
	return path
}

func TestAdversaryPoisonedLedgersHeal(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := signed(t, c, key, cost(testPrice, 5*mib))
	for name, change := range map[string]string{
		"a head of 2^60":       "UPDATE channel SET settled_block = 1152921504606846976",
		"more settled than is": "UPDATE channel SET settled = x'00ffffffffffffffffffffff', settled_block = 7, owed_since = NULL",
		"both": "UPDATE channel SET settled = x'00ffffffffffffffffffffff', settled_block = 1152921504606846976," +
			" owed_since = NULL",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgerAt(t, oldLedger(t, p, change))
			truth := chainview.State{Ceiling: testPrice, Block: 9, Time: time.Now()}
			sender := &noSender{}
			claimer := must(claim.New(claim.Config{
				Ledger: l, Chain: &fakeChain{any: &truth}, Sender: sender, Payee: testPayee, Token: testToken,
				Deployment: contracts.Deployment{ChainID: testDomain.ChainID, Channels: testDomain.Contract},
			}))(t)
			_, err := claimer.Claim(t.Context(), false)
			wantErr(t, err, errOutOfReach)
			row := p.Row()
			t.Logf("adversary: a ledger poisoned by an older program, %s | bound: claimable in the first round | seen: %d "+
				"channel claimable", name, bytes.Count(sender.data, row[:]))
			if bytes.Count(sender.data, row[:]) != 1 {
				t.Fatalf("sent: %x", sender.data)
			}
			if v := must(audit.Verify(t.Context(), fileOf(l), nil))(t); len(v.Problems) > 0 {
				t.Fatal(v.Problems)
			}
		})
	}
}

// noSender sends nothing.
type noSender struct{ data []byte }

func (*noSender) Address() common.Address { return testPayee }

func (s *noSender) Send(_ context.Context, i chain.Intent) (chain.Result, error) {
	s.data = i.Data
	return chain.Result{}, errOutOfReach
}

// What was lost to a vault and then paid after all is lost no more: the vault's next promises are staked for anew.
func TestAdversaryLossThatWasPaidStakesForNothing(t *testing.T) {
	t.Parallel()
	chain := &fakeChain{}
	budget := cost(testPrice, pace.TrustBytes)
	p := must(New(Config{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, Budget: budget,
	}))(t)
	a, keyA := testChannel(1)
	b, keyB := testChannel(2)
	rich := chainview.State{Free: testPrice, Block: 1}
	chain.set(a, rich)
	chain.set(b, rich)
	half := cost(testPrice, pace.TrustBytes/2)
	id := open(t, p, a, keyA, half)
	chain.set(a, chainview.State{Block: 2}) // it takes its money away
	if err := p.VaultChanged(t.Context(), a.Vault); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context(), id, payments.Usage{Tx: pace.TrustBytes / 2}); err != nil {
		t.Fatal(err)
	}
	if s := p.Strangers(); s.Lost != half {
		t.Fatalf("lost: %+v", s)
	}
	// An hour later everything is paid, and another vault has as much at stake as a budget allows.
	chain.set(a, chainview.State{Free: testPrice, Settled: half, Ceiling: half, Block: 3})
	p.strangers.losses[0].at = time.Now().Add(-lossSpan)
	if err := p.VaultChanged(t.Context(), a.Vault); err != nil {
		t.Fatal(err)
	}
	open(t, p, b, keyB, cost(testPrice, pace.TrustBytes-8*mib))
	terms := testTerms(a)
	_, err := p.Open(t.Context(), terms, signed(t, a, keyA, cost(testPrice, pace.TrustBytes-8*mib)), nil)
	s := p.Strangers()
	t.Logf("adversary: a vault loses %s, pays it and promises %s more | bound: refused, the budget is used up | seen: %v, at "+
		"stake %s of %s", half, cost(testPrice, pace.TrustBytes/2-8*mib), err, s.AtStake, budget)
	var newcomer *NewcomerError
	if !errors.As(err, &newcomer) {
		t.Fatalf("%d bytes' worth is taken on top of the budget: %v", pace.TrustBytes/2-8*mib, err)
	}
}

package payee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/devtoken"
	"byway/contracts/bindings/erc20"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

const testExitDelay = time.Hour

// network is an embedded chain with the contracts, a payer with tokens and a payee.
type network struct {
	chain      *devchain.Chain
	client     *chain.Client
	deployment contracts.Deployment
	domain     payments.Domain
	view       *chainview.View
	payer      *chain.Sender
	payee      *chain.Sender
	payeeKey   contracts.Key
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	return newNetworkOf(t, devchain.Config{})
}

func newNetworkOf(t *testing.T, cfg devchain.Config) *network {
	t.Helper()
	c, err := devchain.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n := &network{chain: c, payeeKey: devchain.Account(1)}
	if n.client, err = chain.Dial(t.Context(), chain.Config{URLs: []string{c.URL()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.client.Close)
	n.payer, n.payee = n.sender(t, devchain.Account(0)), n.sender(t, n.payeeKey)
	n.deployment, err = deploy.Contracts(t.Context(), deploy.Config{
		Backend: n.client, Sender: n.payer, ExitDelay: testExitDelay, UnbondDelay: time.Hour, DevToken: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.domain = payments.DomainOf(n.deployment)
	n.view = chainview.New(n.client, n.deployment)
	n.mint(t, n.payer.Address(), contracts.MaxAmount())
	return n
}

func (n *network) sender(t *testing.T, key contracts.Key) *chain.Sender {
	t.Helper()
	journal, err := chain.OpenJournal(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	s, err := chain.NewSender(chain.SenderConfig{Client: n.client, Signer: key, Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// watch looks after what a sender has sent until the test ends, as a node does.
func (n *network) watch(t *testing.T, s *chain.Sender) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func (n *network) mint(t *testing.T, to common.Address, sum contracts.Amount) {
	t.Helper()
	data := devtoken.NewDevToken().PackMint(to, sum.Big())
	intent := chain.Intent{ID: "mint/" + to.Hex(), To: &n.deployment.Token, Data: data}
	if _, err := n.payer.Send(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
}

func (n *network) funding(t *testing.T, s *chain.Sender) *payer.Funding {
	t.Helper()
	f, err := payer.NewFunding(payer.FundingConfig{Backend: n.client, Sender: s, Deployment: n.deployment})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (n *network) claimer(t *testing.T, l *ledger.Ledger, s payer.Sender, p claim.Policy) *claim.Claimer {
	t.Helper()
	c, err := claim.New(claim.Config{
		Ledger: l, Chain: n.view, Sender: s, Deployment: n.deployment, Payee: n.payee.Address(), Policy: p, Gas: n.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// opens opens a session of that key on both sides, with a reserve or nil.
func (n *network) opens(t *testing.T, mine, theirs *ledger.Ledger, key contracts.Key, reserve *payments.Reserve,
) (*payer.Payer, *Payee, payments.Terms) {
	t.Helper()
	f := n.funding(t, n.payer)
	terms := testTerms(f.Channel(key.Address(), n.payee.Address()))
	payee := must(New(Config{
		Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token,
	}))(t)
	payer := must(payer.New(t.Context(), payer.Config{
		Domain: n.domain, Ledger: mine, Signer: key, Terms: terms, SpendCap: contracts.MaxAmount(), Funds: n.view.State,
	}))(t)
	if reserve != nil {
		if err := payee.CheckReserve(t.Context(), *reserve); err != nil {
			t.Fatal(err)
		}
	}
	must(payee.Open(t.Context(), terms, must(payer.First(t.Context()))(t), reserve))(t)
	return payer, payee, terms
}

// keep has a payee keep a reserve, with a session that carries nothing: the channel holds the price of a tick after it,
// as it does before where there was such a session before.
func (n *network) keep(t *testing.T, mine, theirs *ledger.Ledger, key contracts.Key, reserve *payments.Reserve) {
	t.Helper()
	payer, payee, terms := n.opens(t, mine, theirs, key, reserve)
	must2(payer.Final(t.Context(), payments.Usage{}))(t, false)
	if err := payee.Close(t.Context(), terms.Session, payments.Usage{}); err != nil {
		t.Fatal(err)
	}
}

// next is the promise that a channel's next session is opened with, after one that has used up the last.
func (n *network) next(t *testing.T, last payments.Promise, key contracts.Key) payments.Promise {
	t.Helper()
	last.Cumulative, last.Share = must(last.Cumulative.Add(cost(testPrice, pace.MinTick)))(t), contracts.Amount{}
	return must(n.domain.Sign(last, key))(t)
}

// serve opens a session of that key on both sides, with a reserve or nil, pays for those bytes and closes it.
func (n *network) serve(t *testing.T, mine, theirs *ledger.Ledger, key contracts.Key, rx uint64, reserve *payments.Reserve) payments.Promise {
	t.Helper()
	payer, payee, terms := n.opens(t, mine, theirs, key, reserve)
	for at := uint64(0); at < rx; at += 300_000 {
		if p, ok, err := payer.Due(t.Context(), payments.Usage{Rx: at}, false); err != nil {
			t.Fatal(err)
		} else if ok {
			must(payee.Accept(t.Context(), terms.Session, p, false))(t)
		}
	}
	last := must2(payer.Final(t.Context(), payments.Usage{Rx: rx}))(t, true)
	must(payee.Accept(t.Context(), terms.Session, last, true))(t)
	if err := payee.Close(t.Context(), terms.Session, payments.Usage{Tx: rx}); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestGoHashesWhatTheContractHashes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	abi := channels.NewChannels()
	bound := abi.Instance(n.client, n.deployment.Channels)
	opts := &bind.CallOpts{Context: t.Context()}
	c, _ := testChannel(5)
	r := payments.Reserve{Channel: c, Ceiling: testPrice, Epoch: 77, ValidUntil: 1 << 39}
	epoch, until := big.NewInt(77), new(big.Int).Lsh(big.NewInt(1), 39)
	for name, test := range map[string]struct {
		got  common.Hash
		data []byte
	}{
		"separator": {n.domain.Separator(), abi.PackDomainSeparator()},
		"promise": {
			n.domain.PromiseDigest(payments.Promise{Channel: c, Cumulative: testPrice}),
			abi.PackPromiseDigest(c.Payer, c.Payee, c.Token, testPrice.Big()),
		},
		"reserve": {
			n.domain.ReserveDigest(r),
			abi.PackReserveDigest(c.Payer, c.Payee, c.Token, testPrice.Big(), epoch, until),
		},
		"release": {
			n.domain.ReleaseDigest(payments.Release(r)),
			abi.PackReleaseDigest(c.Token, c.Payer, c.Signer, c.Payee, testPrice.Big(), epoch, until),
		},
	} {
		want, err := bind.Call(bound, opts, test.data, abi.UnpackDomainSeparator)
		if err != nil {
			t.Fatal(name, err)
		}
		if test.got != want {
			t.Errorf("%s: %s, the contract says %x", name, test.got, want)
		}
	}
}

func TestClaimPaysExactlyWhatWasPromised(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	reservedKey, freeKey := testKey(1), testKey(2)
	deposit := amount("1000000000000000000")
	must(f.Open(t.Context(), "open", reservedKey.Address(), n.payee.Address(), deposit, deposit))(t)
	must(f.Deposit(t.Context(), "", freeKey.Address(), deposit))(t)
	state := must(n.view.State(t.Context(), f.Channel(reservedKey.Address(), n.payee.Address())))(t)
	if state.Ceiling != deposit || !state.Free.IsZero() || state.Exiting() {
		t.Fatalf("state after open: %+v", state)
	}

	a := n.serve(t, mine, theirs, reservedKey, 64*mib+12345, nil)
	b := n.serve(t, mine, theirs, freeKey, 7*mib+1, nil)
	promised := must(a.Cumulative.Add(b.Cumulative))(t)
	claimer := n.claimer(t, theirs, n.payee, claim.Policy{})
	e := must(claimer.Earnings(t.Context()))(t)
	wantAmount(t, "unsettled", e.Unsettled, promised)

	done := must(claimer.Claim(t.Context(), false))(t)
	wantAmount(t, "claimed", done.Total, promised)
	if done.Channels != 2 || done.Transactions != 1 || done.GasUsed == 0 || done.Fee.Sign() <= 0 {
		t.Fatalf("claimed: %+v", done)
	}
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), promised)
	for _, p := range []payments.Promise{a, b} {
		wantAmount(t, "settled on chain", must(n.view.State(t.Context(), p.Channel))(t).Settled, p.Cumulative)
	}
	e = must(claimer.Earnings(t.Context()))(t)
	wantAmount(t, "settled", e.Settled, promised)
	if !e.Unsettled.IsZero() || !e.Claiming.IsZero() || e.GasSpent.Cmp(done.Fee) != 0 || e.Claims != 1 {
		t.Fatalf("earnings: %+v", e)
	}
	if again := must(claimer.Claim(t.Context(), false))(t); again.Transactions != 0 {
		t.Fatalf("nothing is owed, yet claimed: %+v", again)
	}
	// Another session of the same channel goes on from the lifetime total.
	c := n.serve(t, mine, theirs, reservedKey, 3*mib, nil)
	done = must(claimer.Claim(t.Context(), false))(t)
	wantAmount(t, "second claim", done.Total, must(c.Cumulative.Sub(a.Cumulative))(t))
	checkSums(t, mine)
	checkSums(t, theirs)
}

// breakingSender crashes at a chosen moment of one send.
type breakingSender struct {
	payer.Sender
	mu     sync.Mutex
	before bool // else after
	breaks int
}

var errCrash = errors.New("crash")

func (s *breakingSender) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	s.mu.Lock()
	crash := s.breaks > 0
	s.breaks--
	s.mu.Unlock()
	if crash && s.before {
		return chain.Result{}, errCrash
	}
	r, err := s.Sender.Send(ctx, i)
	if crash {
		return chain.Result{}, errCrash
	}
	return r, err
}

func TestClaimGoesOnAfterACrashAndPaysOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	deposit := amount("1000000000000000000")
	must(f.Deposit(t.Context(), "", key.Address(), deposit))(t)
	total := contracts.Amount{}
	for _, before := range []bool{true, false} {
		last := n.serve(t, mine, theirs, key, 5*mib, nil)
		crashing := n.claimer(t, theirs, &breakingSender{Sender: n.payee, before: before, breaks: 1}, claim.Policy{})
		_, err := crashing.Claim(t.Context(), false)
		wantErr(t, err, errCrash)
		e := must(crashing.Earnings(t.Context()))(t)
		wantAmount(t, "claiming", e.Claiming, must(last.Cumulative.Sub(total))(t))
		wantAmount(t, "unsettled", e.Unsettled, contracts.Amount{})
		// What is promised meanwhile is claimed by the next transaction, not lost in the first.
		more := n.serve(t, mine, theirs, key, 2*mib, nil)
		done := must(n.claimer(t, theirs, n.payee, claim.Policy{}).Claim(t.Context(), false))(t)
		wantAmount(t, "claimed", done.Total, must(more.Cumulative.Sub(total))(t))
		total = more.Cumulative
		wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), total)
		wantAmount(t, "settled", must(crashing.Earnings(t.Context()))(t).Settled, total)
	}
}

func TestBatchesSettleManyChannels(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	theirs := newLedger(t)
	f := n.funding(t, n.payer)
	sum := contracts.Amount{}
	payee, err := New(Config{
		Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token,
		Trust: contracts.MaxAmount(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range int64(25) {
		key := testKey(i)
		due := cost(testPrice, uint64(i+1)*mib)
		sum = must(sum.Add(due))(t)
		terms := testTerms(f.Channel(key.Address(), n.payee.Address()))
		wg.Go(func() {
			if _, err := f.Deposit(t.Context(), "", key.Address(), due); err != nil {
				t.Error(err)
				return
			}
			p, err := n.domain.Sign(payments.Promise{Channel: terms.Channel, Cumulative: due}, key)
			if err == nil {
				_, err = payee.Open(t.Context(), terms, p, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	done := must(n.claimer(t, theirs, n.payee, claim.Policy{Batch: 10}).Claim(t.Context(), false))(t)
	wantAmount(t, "claimed", done.Total, sum)
	if done.Channels != 25 || done.Transactions != 3 {
		t.Fatalf("claimed %d channels in %d transactions", done.Channels, done.Transactions)
	}
	t.Logf("25 channels: %d gas", done.GasUsed)
}

func TestPolicyClaimsWhatMustNotWait(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	last := n.serve(t, mine, theirs, key, 10*mib, nil)
	round := func(p claim.Policy) claim.Proceeds {
		t.Helper()
		c := n.claimer(t, theirs, n.payee, p)
		return must(c.Round(t.Context()))(t)
	}
	if got := round(claim.Policy{}); got.Transactions != 0 {
		t.Fatalf("claimed without need: %+v", got)
	}
	dear, cheap := contracts.MaxAmount(), contracts.NewAmount(1)
	if got := round(claim.Policy{GasTokenPrice: dear}); got.Transactions != 0 {
		t.Fatalf("claimed at a loss: %+v", got)
	}
	if got := round(claim.Policy{GasTokenPrice: cheap}); got.Total != last.Cumulative {
		t.Fatalf("not claimed for next to nothing: %+v", got)
	}
	n.serve(t, mine, theirs, key, 900*mib, nil)
	if got := round(claim.Policy{}); got.Transactions != 1 {
		t.Fatalf("not claimed at 80 %% of the ceiling: %+v", got)
	}
	n.serve(t, mine, theirs, key, 2*mib, nil)
	if got := round(claim.Policy{MaxAge: time.Millisecond, GasFree: true}); got.Transactions != 1 {
		t.Fatalf("not claimed for its age: %+v", got)
	}
	n.serve(t, mine, theirs, key, 2*mib, nil)
	must(f.StartExit(t.Context(), "", key.Address(), n.payee.Address()))(t)
	if got := round(claim.Policy{}); got.Transactions != 1 {
		t.Fatalf("not claimed though the payer leaves: %+v", got)
	}
}

func TestPayerGetsEverythingBackAlone(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	signer, payee := key.Address(), n.payee.Address()
	before := must(f.Balance(t.Context(), n.payer.Address()))(t)
	sum := cost(testPrice, payments.GiB)
	must(f.Open(t.Context(), "", signer, payee, sum, sum))(t)
	must(f.StartExit(t.Context(), "", signer, payee))(t)
	must(f.CancelExit(t.Context(), "", signer, payee))(t)
	must(f.StartExit(t.Context(), "", signer, payee))(t)
	c := f.Channel(signer, payee)
	if s := must(n.view.State(t.Context(), c))(t); !s.Exiting() {
		t.Fatalf("state after start: %+v", s)
	}
	var reverted *chain.RevertError
	if _, err := f.FinishExit(t.Context(), "", signer, payee); !errors.As(err, &reverted) {
		t.Fatalf("an exit finished early: %v", err)
	}
	if err := n.chain.Advance(testExitDelay + time.Minute); err != nil {
		t.Fatal(err)
	}
	must(f.FinishExit(t.Context(), "", signer, payee))(t)
	must(f.Withdraw(t.Context(), "", signer, sum, n.payer.Address()))(t)
	wantAmount(t, "balance", must(f.Balance(t.Context(), n.payer.Address()))(t), before)
	if s := must(n.view.State(t.Context(), c))(t); s.Epoch != 1 || !s.CanPay().IsZero() {
		t.Fatalf("state in the end: %+v", s)
	}
}

func TestCooperativeCloseIsOneTransaction(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	sum := cost(testPrice, payments.GiB)
	before := must(f.Balance(t.Context(), n.payer.Address()))(t)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), sum, sum))(t)
	last := n.serve(t, mine, theirs, key, 9*mib, nil)
	release := must(n.domain.SignRelease(payments.Release{
		Channel: last.Channel, Ceiling: last.Cumulative, ValidUntil: uint64(time.Now().Add(1000 * time.Hour).Unix()),
	}, n.payeeKey))(t)
	must(f.Close(t.Context(), "", &last, release, n.payer.Address()))(t)
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
	wantAmount(t, "payer's balance", must(f.Balance(t.Context(), n.payer.Address()))(t),
		must(before.Sub(last.Cumulative))(t))
	// The payee's ledger learns from the chain what somebody else has claimed for it.
	claimer := n.claimer(t, theirs, n.payee, claim.Policy{})
	if done := must(claimer.Claim(t.Context(), false))(t); done.Transactions != 0 {
		t.Fatalf("claimed again: %+v", done)
	}
	wantAmount(t, "settled", must(claimer.Earnings(t.Context()))(t).Settled, last.Cumulative)
}

func TestSignedReserveIsPostedByThePayee(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	c := f.Channel(key.Address(), n.payee.Address())
	sum := cost(testPrice, payments.GiB)
	must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
	r := must(n.domain.SignReserve(payments.Reserve{Channel: c, Ceiling: sum, ValidUntil: 1 << 39}, key))(t)
	must(n.funding(t, n.payee).PostReserves(t.Context(), "", c.Payee, []payments.Reserve{r}))(t)
	if s := must(n.view.State(t.Context(), c))(t); s.Ceiling != sum || !s.Free.IsZero() || s.Epoch != 1 {
		t.Fatalf("state after posting: %+v", s)
	}
}

func (n *network) follower(t *testing.T) *chain.Follower {
	t.Helper()
	journal, err := chain.OpenJournal(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	return chain.NewFollower(chain.FollowerConfig{
		Client: n.client, Journal: journal, Name: "claims", Addresses: []common.Address{n.deployment.Channels},
		Topics: claim.Topics(n.deployment.Token),
	})
}

// run starts a claimer that looks at nothing by itself but the chain's events, and stops it with the test.
func (n *network) run(t *testing.T, l *ledger.Ledger, p claim.Policy) *claim.Claimer {
	t.Helper()
	p.Interval = time.Hour
	events := n.follower(t) // whose journal is to outlive the claimer
	c, err := claim.New(claim.Config{
		Ledger: l, Chain: n.view, Sender: n.payee, Deployment: n.deployment, Policy: p,
		Events: func(context.Context) (*chain.Follower, error) { return events, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return c
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: ", what)
		}
	}
}

func TestExitIsAnsweredByAClaimAtOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	claimer := n.run(t, theirs, claim.Policy{})
	time.Sleep(100 * time.Millisecond)
	wantAmount(t, "settled before the exit", must(claimer.Earnings(t.Context()))(t).Settled, contracts.Amount{})
	must(f.StartExit(t.Context(), "", key.Address(), n.payee.Address()))(t)
	eventually(t, "claim", func() bool {
		return must(claimer.Earnings(t.Context()))(t).Settled == last.Cumulative
	})
}

func TestExitSeenInItsLastTenthIsClaimedInTime(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	must(f.StartExit(t.Context(), "", key.Address(), n.payee.Address()))(t)
	if err := n.chain.Advance(testExitDelay * 9 / 10); err != nil {
		t.Fatal(err)
	}
	claimer := n.run(t, theirs, claim.Policy{})
	eventually(t, "claim", func() bool {
		return must(claimer.Earnings(t.Context()))(t).Settled == last.Cumulative
	})
	if err := n.chain.Advance(testExitDelay / 5); err != nil {
		t.Fatal(err)
	}
	must(f.FinishExit(t.Context(), "", key.Address(), n.payee.Address()))(t)
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
}

// Reorganisations from 1 to 12 blocks deep throw a claim out of the chain, and with it the transaction or not.
func TestLedgerFollowsAReorganisation(t *testing.T) {
	t.Parallel()
	depths := []int{1, 5, 12}
	if *chaos {
		depths = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	}
	n := reorganisations(t, depths)
	t.Logf("%d reorganisations, ledger and chain equal after each", n)
}

func reorganisations(t *testing.T, depths []int) (done int) {
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	claimer := n.run(t, theirs, claim.Policy{MaxAge: time.Millisecond, GasFree: true})
	n.watch(t, n.payer)
	n.watch(t, n.payee)
	channel := f.Channel(key.Address(), n.payee.Address())
	var deposited contracts.Amount
	for _, depth := range depths {
		for _, drop := range []bool{false, true} {
			if err := n.chain.Mine(depth); err != nil { // what came before is not to be touched
				t.Fatal(err)
			}
			last := n.serve(t, mine, theirs, key, 5*mib, nil)
			claimer.Wake()
			equal := func() bool {
				v := must(audit.Verify(t.Context(), fileOf(theirs), n.view))(t)
				claims := must(theirs.ClaimsOnTheirWay(t.Context(), ledger.Claimant{
					Domain: n.domain, Token: n.deployment.Token, Payee: n.payee.Address(),
				}))(t)
				return len(v.Problems) == 0 && len(claims) == 0 &&
					must(claimer.Earnings(t.Context()))(t).Settled == last.Cumulative
			}
			eventually(t, "claim", equal)
			claimed := must(n.client.Head(t.Context()))(t).Number
			if depth >= 4 { // so deep that a deposit goes with the claim; nobody asks for it again
				deposit := cost(testPrice, mib)
				must(f.Deposit(t.Context(), fmt.Sprint("deposit ", depth, drop), key.Address(), deposit))(t)
				deposited = must(deposited.Add(deposit))(t)
			}
			deep := int(must(n.client.Head(t.Context()))(t).Number - claimed)
			if err := n.chain.Mine(depth - 1 - deep); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // the follower has seen it
			if err := n.chain.Reorg(depth, drop); err != nil {
				t.Fatal(err)
			}
			if err := n.chain.Mine(1); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the same on chain and in the ledger again", func() bool {
				return equal() && must(f.Balance(t.Context(), n.payee.Address()))(t) == last.Cumulative
			})
			eventually(t, "every deposit once", func() bool {
				return must(n.view.State(t.Context(), channel))(t).Free == deposited
			})
			done++
		}
	}
	return done
}

func TestAdversaryKeptReserveIsPostedWhenExposureDeservesIt(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	sum := cost(testPrice, payments.GiB)
	c := f.Channel(key.Address(), n.payee.Address())
	must(f.Deposit(t.Context(), "", key.Address(), sum))(t)
	payee := must(New(Config{
		Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token,
	}))(t)
	sign := func(r payments.Reserve) payments.Reserve {
		r.Channel = c
		return must(n.domain.SignReserve(r, key))(t)
	}
	good := sign(payments.Reserve{Ceiling: sum, ValidUntil: uint64(time.Now().Add(100 * time.Hour).Unix())})
	for _, stale := range []payments.Reserve{{Ceiling: sum, Epoch: 1, ValidUntil: 1 << 39}, {Ceiling: sum, ValidUntil: 1}} {
		wantErr(t, payee.CheckReserve(t.Context(), sign(stale)), payments.ErrStaleReserve)
	}
	forged := good
	forged.Ceiling = contracts.MaxAmount()
	wantErr(t, payee.CheckReserve(t.Context(), forged), contracts.ErrBadSignature)
	n.serve(t, mine, theirs, key, 5*mib, &good)
	post := func(p claim.Policy) chainview.State {
		t.Helper()
		claimer := n.claimer(t, theirs, n.payee, p)
		must(claimer.Round(t.Context()))(t)
		return must(n.view.State(t.Context(), c))(t)
	}
	if s := post(claim.Policy{ReserveAbove: cost(testPrice, 20*mib)}); !s.Ceiling.IsZero() {
		t.Fatalf("posted for little: %+v", s)
	}
	// A reserve that costs more gas than it sets aside is the consumer's way to spend this side's money.
	dear := claim.Policy{ReserveAbove: cost(testPrice, 4*mib), GasTokenPrice: contracts.MaxAmount()}
	claimer := n.claimer(t, theirs, n.payee, dear)
	must(claimer.Round(t.Context()))(t)
	s := must(n.view.State(t.Context(), c))(t)
	left := claimer.Unclaimed()
	t.Logf("adversary: a signed reserve that is not worth its gas | bound: not posted, and told | seen: ceiling %s, left %+v", s.Ceiling, left)
	if !s.Ceiling.IsZero() || len(left) != 1 || !strings.Contains(left[0].Why, "signed") {
		t.Fatalf("posted at any cost: %+v, %+v", s, left)
	}
	if s := post(claim.Policy{ReserveAbove: cost(testPrice, 4*mib)}); s.Ceiling != sum || !s.Settled.IsZero() {
		t.Fatalf("not posted: %+v", s)
	}
}

func TestPayeeCountsOnNothingThatItHasReleased(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	open := func() *Payee {
		return must(New(Config{
			Domain: n.domain, Ledger: theirs, Chain: n.view, Payee: n.payee.Address(), Token: n.deployment.Token, NoTrust: true,
		}))(t)
	}
	payee := open()
	release := must(payee.Release(t.Context(), last.Channel, n.payeeKey, time.Hour*1000))(t)
	wantAmount(t, "released ceiling", release.Ceiling, last.Cumulative)
	var unfunded *payments.UnfundedError
	for _, p := range []*Payee{payee, open()} { // also after a restart
		if _, err := p.Open(t.Context(), testTerms(last.Channel), n.next(t, last, key), nil); !errors.As(err, &unfunded) {
			t.Fatalf("served on a reserve that is signed away: %v", err)
		}
	}
	must(f.Close(t.Context(), "", &last, release, n.payer.Address()))(t)
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
}

func TestDepositWithoutTokensSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payee)
	_, err := f.Deposit(t.Context(), "", testKey(1).Address(), testPrice)
	var poor *payer.BalanceError
	if !errors.As(err, &poor) || poor.Want != testPrice || poor.Account != n.payee.Address() {
		t.Fatal(err)
	}
}

func TestRowIsWhatTheContractPays(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	c := f.Channel(key.Address(), n.payee.Address())
	must(f.Deposit(t.Context(), "", key.Address(), testPrice))(t)
	p := must(n.domain.Sign(payments.Promise{Channel: c, Cumulative: contracts.NewAmount(42)}, key))(t)
	row := p.Row()
	abi := channels.NewChannels()
	bound := abi.Instance(n.client, n.deployment.Channels)
	paid, err := bind.Call(bound, &bind.CallOpts{Context: t.Context()}, abi.PackClaim(c.Token, c.Payee,
		bytes.Repeat(row[:], 2)), abi.UnpackClaim)
	if err != nil || paid.Int64() != 42 {
		t.Fatalf("the contract would pay %v, %v", paid, err)
	}
}

func TestDepositOfOneIDIsMadeOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payer)
	signer := testKey(1).Address()
	all := must(f.Balance(t.Context(), n.payer.Address()))(t)
	first := must(f.Deposit(t.Context(), "all that I have", signer, all))(t)
	again := must(f.Deposit(t.Context(), "all that I have", signer, all))(t)
	if first.TxHash != again.TxHash || first.Block != again.Block {
		t.Fatalf("the same deposit is %s and then %s", first.TxHash, again.TxHash)
	}
	if s := must(n.view.State(t.Context(), f.Channel(signer, n.payee.Address())))(t); s.Free != all {
		t.Fatalf("deposited are %s of %s", s.Free, all)
	}
}

// stubbornToken is a sender whose token lets an allowance be changed from nothing only, as some large tokens do.
type stubbornToken struct {
	*chain.Sender
	n       *network
	refused int
}

func (s *stubbornToken) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	token := erc20.NewERC20()
	approve := token.PackApprove(common.Address{}, common.Big0)
	if *i.To == s.n.deployment.Token && bytes.HasPrefix(i.Data, approve[:4]) && new(big.Int).SetBytes(i.Data[36:]).Sign() > 0 {
		allowed, err := bind.Call(token.Instance(s.n.client, *i.To), &bind.CallOpts{Context: ctx},
			token.PackAllowance(s.Address(), s.n.deployment.Channels), token.UnpackAllowance)
		if err != nil {
			return chain.Result{}, err
		}
		if allowed.Sign() > 0 {
			s.refused++
			return chain.Result{}, &chain.RevertError{Reason: "approve from non-zero to non-zero allowance"}
		}
	}
	return s.Sender.Send(ctx, i)
}

func TestTokenThatWantsItsAllowanceZeroFirstIsApproved(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	stubborn := &stubbornToken{Sender: n.payer, n: n}
	f := must(payer.NewFunding(payer.FundingConfig{Backend: n.client, Sender: stubborn, Deployment: n.deployment}))(t)
	left := erc20.NewERC20().PackApprove(n.deployment.Channels, big.NewInt(5))
	if _, err := n.payer.Send(t.Context(), chain.Intent{ID: "left over", To: &n.deployment.Token, Data: left}); err != nil {
		t.Fatal(err)
	}
	signer := testKey(1).Address()
	must(f.Deposit(t.Context(), "", signer, testPrice))(t)
	if s := must(n.view.State(t.Context(), f.Channel(signer, n.payee.Address())))(t); s.Free != testPrice ||
		stubborn.refused != 1 {
		t.Fatalf("deposited %s, %d approvals refused", s.Free, stubborn.refused)
	}
}

// What the next fork changes in gas must not break what we send: contracts deploy, sessions are paid and claimed.
func TestMoneyMovesUnderTheNextFork(t *testing.T) {
	t.Parallel()
	n := newNetworkOf(t, devchain.Config{Fork: devchain.NextFork})
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	open := must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	last := n.serve(t, mine, theirs, key, 5*mib, nil)
	done := must(n.claimer(t, theirs, n.payee, claim.Policy{}).Claim(t.Context(), false))(t)
	wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
	t.Logf("open %d gas, claim %d gas", open.GasUsed, done.GasUsed)
}

func TestReserveCountsOnceItIsDeepEnoughForItsValue(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f := n.funding(t, n.payer)
	signer := testKey(1).Address()
	c := f.Channel(signer, n.payee.Address())
	small := cost(testPrice, 4*mib)
	view := chainview.DepthView{View: n.view, Depth: 6, Above: small}
	state := func() chainview.State { t.Helper(); return must(view.State(t.Context(), c))(t) }
	if err := n.chain.Mine(10); err != nil {
		t.Fatal(err)
	}
	must(f.Open(t.Context(), "", signer, c.Payee, small, small))(t)
	wantAmount(t, "little, at once", state().Ceiling, small)
	must(f.Open(t.Context(), "", signer, c.Payee, testPrice, testPrice))(t)
	wantAmount(t, "much, at once", state().CanPay(), small)
	if err := n.chain.Mine(6); err != nil {
		t.Fatal(err)
	}
	if s := state(); s.Ceiling != testPrice {
		t.Fatalf("much, deep enough: %+v", s)
	}
}

package payee

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

// bounds are the worst that random lives have seen, for the table of TestChaos.
type bounds struct {
	lives, sessions, crashes, refusals, withdrawals int
	// Overtaken is how many promises came behind a later one of another session of their channel, Again how many brought
	// nothing, most of them said a second time.
	overtaken, again int
	// Unpaid is the most, in thousandths of one window and the tolerance, that a provider had forwarded unpaid to a vault;
	// UnpaidBytes that in bytes.
	unpaid, unpaidBytes uint64
	// Overpaid is the most bytes beyond three hundredths that a consumer had paid for and not received. A tick is the bound.
	overpaid uint64
	// Lost is the most, in thousandths of the budget, that strangers cost within an hour.
	lost uint64
}

// life is a provider's life among vaults of every kind, between real ledgers. Nobody's word is taken: forwarded and
// received are counted here.
type life struct {
	t      *testing.T
	r      *rapid.T
	b      *bounds
	now    time.Time
	chain  *fakeChain
	homes  *ledger.Ledger // of all consumers
	ledger *ledger.Ledger
	self   common.Address // who is paid
	payee  *Payee
	vaults []*lifeVault
}

// lifeVault is one vault.
type lifeVault struct {
	channel contracts.Channel
	key     contracts.Key
	honest  bool
	free    contracts.Amount // its balance on chain
	ceiling contracts.Amount
	settled contracts.Amount

	open      []*lifeSession
	forwarded contracts.Amount // what all that was ever forwarded to it costs
	received  contracts.Amount // what of it arrived
	torn      contracts.Amount // of forwarded, between a promise and a crash, at most once
	most      contracts.Amount // the largest window and tolerance that it was ever granted
}

type lifeSession struct {
	terms    payments.Terms
	payer    *payer.Payer
	gate     *simGate
	credit   Credit
	count    uint64 // by the provider's meter
	received uint64 // by the consumer's
	// Sent is on its way to the provider, in order. What other sessions of the channel have sent may come before it.
	sent   []payments.Promise
	ending bool // nothing is forwarded any more; the session is over when all that was sent has come
}

// simGate is a gate that counts what the test moves.
type simGate struct{ passed, limit uint64 }

func (g *simGate) Passed() uint64     { return g.passed }
func (g *simGate) Allow(total uint64) { g.limit = max(g.limit, total) }

func lifeTerms(c contracts.Channel) payments.Terms {
	return payments.Terms{
		Session: payments.NewSessionID(), Channel: c, PricePerGiB: testPrice, Tick: pace.MinTick, Window: pace.MinWindow, Offer: "offer",
	}
}

const (
	lifeTrust  = 16 * mib
	lifeBudget = 24 * mib
)

func (f *life) openPayee() {
	f.payee = must(New(Config{
		Domain: testDomain, Ledger: f.ledger, Chain: f.chain, Payee: f.self, Token: testToken,
		Trust: cost(testPrice, lifeTrust), Budget: cost(testPrice, lifeBudget), NewGate: func() Gate { return &simGate{} },
	}))(f.t)
	f.payee.now, f.payee.retry = func() time.Time { return f.now }, 0
}

func (f *life) show(v *lifeVault) {
	f.chain.set(v.channel, chainview.State{Free: v.free, Ceiling: v.ceiling.Max(v.settled), Settled: v.settled, Block: 1})
}

// newVault makes a vault that holds some GiB's price, with or without a reserve.
func (f *life) newVault() {
	n := int64(f.b.lives)*1000 + int64(len(f.vaults))
	c, key := testChannel(n)
	c.Payee = f.self
	v := &lifeVault{channel: c, key: key, free: cost(testPrice, payments.GiB), honest: rapid.Bool().Draw(f.r, "honest")}
	if rapid.IntRange(0, 2).Draw(f.r, "reserved") == 0 {
		v.ceiling = cost(testPrice, rapid.Uint64Range(1, 256*mib).Draw(f.r, "reserve"))
	}
	f.vaults = append(f.vaults, v)
	f.show(v)
}

// connect opens a session, or is refused, which costs nothing.
func (f *life) connect(v *lifeVault) {
	terms := lifeTerms(v.channel)
	payer := newPayerAt(f.t, f.homes, v.key, terms, func() time.Time { return f.now })
	if _, err := payer.First(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.b.sessions++
	if rapid.IntRange(0, 4).Draw(f.r, "busy") == 0 { // the provider has no room: it does not even look at the promise
		f.b.refusals++
		f.final(payer, 0)
		return
	}
	var stale *StaleError
	for range 2 {
		first := must(payer.First(f.t.Context()))(f.t)
		session, err := f.payee.Open(f.t.Context(), terms, first, nil)
		if errors.As(err, &stale) && stale.Latest != nil {
			if err := payer.Adopt(f.t.Context(), *stale.Latest); err != nil {
				f.t.Fatal(err)
			}
			continue
		}
		var unfunded *payments.UnfundedError
		var newcomer *NewcomerError
		if errors.As(err, &newcomer) && v.honest { // it reserves, and comes again
			v.ceiling = v.ceiling.Max(newcomer.Need)
			f.show(v)
			f.payee.forgetReading(v.channel)
			if session, err = f.payee.Open(f.t.Context(), terms, first, nil); err != nil {
				f.r.Fatalf("a newcomer that reserved what it was asked for is refused: %v", err)
			}
		}
		if errors.As(err, &unfunded) || errors.As(err, &newcomer) {
			f.b.refusals++
			f.final(payer, 0)
			return
		}
		if err != nil {
			f.r.Fatalf("open: %v", err)
		}
		s := &lifeSession{terms: terms, payer: payer, gate: session.Gate.(*simGate), credit: session.Credit}
		f.payee.Attach(terms.Session, func() payments.Usage { return payments.Usage{Tx: s.count} })
		v.open = append(v.open, s)
		return
	}
	f.r.Fatal("an adopted promise is stale again")
}

// forgetReading has the chain asked at once.
func (p *Payee) forgetReading(c contracts.Channel) {
	p.mu.Lock()
	ch := p.channels[c]
	p.mu.Unlock()
	if ch != nil {
		ch.triedAt = time.Time{}
	}
}

func (f *life) final(payer *payer.Payer, received uint64) (payments.Promise, bool) {
	p, ok, err := payer.Final(f.t.Context(), payments.Usage{Rx: received})
	if err != nil {
		f.t.Fatal(err)
	}
	return p, ok
}

// move forwards bytes, as far as the gate is open, and some of them arrive.
func (f *life) move(v *lifeVault, s *lifeSession) {
	if s.ending {
		return
	}
	n := rapid.Uint64Range(0, rapid.SampledFrom([]uint64{300_000, 3 * mib, 30 * mib}).Draw(f.r, "largest")).Draw(f.r, "bytes")
	n = min(n, s.gate.limit-s.gate.passed)
	before := cost(testPrice, s.count)
	s.gate.passed += n
	s.count += n
	v.forwarded = v.forwarded.AddCap(cost(testPrice, s.count).SubFloor(before))
	arrived := n * rapid.Uint64Range(98, 100).Draw(f.r, "arrived") / 100
	before = cost(testPrice, s.received)
	s.received += arrived
	v.received = v.received.AddCap(cost(testPrice, s.received).SubFloor(before))
}

// pay has the consumer send what is due. Where its stream breaks, what was on its way is lost, and the last is said again.
func (f *life) pay(v *lifeVault, s *lifeSession) {
	if s.ending || !v.honest && rapid.Bool().Draw(f.r, "keeps its money") {
		return
	}
	promise, due, err := s.payer.Due(f.t.Context(), payments.Usage{Rx: s.received}, s.credit.Left < s.terms.Tick)
	if err != nil {
		f.t.Fatal(err)
	}
	if due {
		s.sent = append(s.sent, promise)
	}
	if rapid.IntRange(0, 9).Draw(f.r, "stream breaks") == 0 {
		s.sent = []payments.Promise{s.payer.Last()}
	}
}

// deliver has the provider take the next promises of a session, and end it behind the last one.
func (f *life) deliver(v *lifeVault, i int) {
	s := v.open[i]
	for n := rapid.IntRange(0, 2).Draw(f.r, "delivered"); n >= 0 && len(s.sent) > 0; n-- {
		promise := s.sent[0]
		s.sent = s.sent[1:]
		f.take(v, s, promise, s.ending && len(s.sent) == 0)
	}
	if s.ending && len(s.sent) == 0 {
		f.close(v, i)
	}
}

// take has the provider take a promise. An honest one is never behind what is known; a session that can't be paid goes on
// with its next promise.
func (f *life) take(v *lifeVault, s *lifeSession, promise payments.Promise, last bool) {
	before := f.account(v)
	credit, err := f.payee.Accept(f.t.Context(), s.terms.Session, promise, last)
	var unfunded *payments.UnfundedError
	var newcomer *NewcomerError
	switch {
	case err == nil:
		s.credit = credit
		f.b.seen(promise, before, f.account(v))
	case errors.As(err, &unfunded), errors.As(err, &newcomer):
	case errors.Is(err, ErrNotRising) && !v.honest:
	default:
		f.r.Fatalf("accept: %v", err)
	}
}

// seen counts what a promise that was taken has brought.
func (b *bounds) seen(promise payments.Promise, before, after ledger.Account) {
	switch {
	case after == before:
		b.again++
	case promise.Cumulative.Less(before.Total):
		b.overtaken++
	}
}

// end has a consumer stop: it says its last promise, again where it said it before, or just goes away.
func (f *life) end(v *lifeVault, i int) {
	s := v.open[i]
	if s.ending {
		return
	}
	f.final(s.payer, s.received)
	if !v.honest || rapid.IntRange(0, 4).Draw(f.r, "goes away") == 0 {
		f.close(v, i)
		return
	}
	s.ending, s.sent = true, append(s.sent, s.payer.Last())
}

// close has the provider record a session's end.
func (f *life) close(v *lifeVault, i int) {
	s := v.open[i]
	v.open = append(v.open[:i:i], v.open[i+1:]...)
	if err := f.payee.Close(f.t.Context(), s.terms.Session, payments.Usage{Tx: s.count}); err != nil {
		f.t.Fatal(err)
	}
}

// crash ends the provider between forwarding and the next promise, and starts it again from its disk.
func (f *life) crash() {
	f.b.crashes++
	path := fileOf(f.ledger)
	if err := f.ledger.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.ledger = opened(f.t, path, "")
	for _, v := range f.vaults {
		for _, s := range v.open {
			f.final(s.payer, s.received)
		}
		if len(v.open) > 0 && v.torn.IsZero() {
			a := f.books(v)
			v.torn = v.forwarded.SubFloor(a.Counted)
		}
		v.open = nil
	}
	if _, err := f.ledger.EndSessions(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.openPayee()
}

// books returns the provider's stored account of a vault.
func (f *life) books(v *lifeVault) Account {
	a := f.account(v)
	return Account{Promised: a.Total.SubFloor(a.Base), Counted: a.Counted, Granted: a.Granted, Window: a.Window}
}

func (f *life) account(v *lifeVault) ledger.Account {
	a, _, err := f.ledger.Account(f.t.Context(), ledger.Payee, testDomain, v.channel)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// withdraw takes a vault's free balance away before anything is claimed from it.
func (f *life) withdraw(v *lifeVault) {
	f.b.withdrawals++
	v.free = contracts.Amount{}
	f.show(v)
	if err := f.payee.VaultChanged(f.t.Context(), v.channel.Vault); err != nil {
		f.t.Fatal(err)
	}
}

// check holds every bound against what was really forwarded, received and promised.
func (f *life) check() {
	terms := lifeTerms(contracts.Channel{})
	stolen := contracts.Amount{}
	for _, v := range f.vaults {
		a := f.books(v)
		unpaid := v.forwarded.SubFloor(a.Promised)
		bound := a.Tolerance(terms, lossPerMille).AddCap(terms.Price(a.Window))
		v.most = v.most.Max(bound)
		bound = v.most.AddCap(v.torn.AddCap(contracts.NewAmount(uint64(f.b.sessions)))) // each session rounds once
		if bound.Less(unpaid) {
			f.r.Fatalf("%s: %s are unpaid, window and tolerance are %s, torn by a crash %s", v.channel, unpaid, v.most, v.torn)
		}
		if !v.most.IsZero() && v.torn.IsZero() {
			f.b.unpaid = max(f.b.unpaid, parts(unpaid, v.most))
			f.b.unpaidBytes = max(f.b.unpaidBytes, payments.Bytes(testPrice, unpaid))
		}
		// What a stranger was forwarded and can't be made to pay.
		if v.ceiling.IsZero() && v.settled.IsZero() {
			stolen = stolen.AddCap(v.forwarded.SubFloor(a.Promised.Min(v.free)))
		}
		total := must(f.homes.Promised(f.t.Context(), testDomain, v.channel))(f.t)
		over := total.SubFloor(v.received)
		over = over.SubFloor(must(v.received.MulDivCeil(3, 100))(f.t))
		f.b.overpaid = max(f.b.overpaid, payments.Bytes(testPrice, over))
		if payments.Bytes(testPrice, over) > pace.MinTick+64 { // each session rounds up once
			f.r.Fatalf("%s: overpaid by %d bytes", v.channel, payments.Bytes(testPrice, over))
		}
	}
	budget := cost(testPrice, lifeBudget)
	torn := contracts.Amount{}
	for _, v := range f.vaults {
		torn = torn.AddCap(v.torn) // the provider's own, once a day and vault
	}
	stolen = stolen.SubFloor(torn)
	f.b.lost = max(f.b.lost, parts(stolen, budget))
	if budget.AddCap(contracts.NewAmount(uint64(f.b.sessions))).Less(stolen) {
		f.r.Fatalf("strangers cost %s within an hour, the budget is %s", stolen, budget)
	}
}

// parts is how many thousandths of b a is.
func parts(a, b contracts.Amount) uint64 {
	return b.MulDivFloor(a, 1000)
}

func (f *life) run() {
	f.newVault()
	v := f.vaults[0]
	for range rapid.IntRange(1, 60).Draw(f.r, "steps") {
		f.now = f.now.Add(time.Duration(rapid.IntRange(0, 300).Draw(f.r, "ms")) * time.Millisecond)
		if rapid.IntRange(0, 2).Draw(f.r, "another") == 0 {
			v = f.vaults[rapid.IntRange(0, len(f.vaults)-1).Draw(f.r, "vault")]
		}
		step := rapid.IntRange(0, 99).Draw(f.r, "step")
		switch {
		case step < 4 && len(f.vaults) < 8:
			f.newVault()
		case step < 20 && len(v.open) < 4 || len(v.open) == 0:
			f.connect(v)
		case step < 50:
			for _, s := range v.open {
				f.move(v, s)
			}
		case step < 70:
			for _, s := range v.open {
				f.pay(v, s)
			}
		case step < 88:
			f.deliver(v, rapid.IntRange(0, len(v.open)-1).Draw(f.r, "session"))
		case step < 95:
			f.end(v, rapid.IntRange(0, len(v.open)-1).Draw(f.r, "session"))
		case step < 98:
			f.crash()
		case !v.honest:
			f.withdraw(v)
		}
		f.check()
	}
	for _, v := range f.vaults {
		for i := range slices.Backward(v.open) {
			f.end(v, i)
		}
		for len(v.open) > 0 {
			f.deliver(v, rapid.IntRange(0, len(v.open)-1).Draw(f.r, "session"))
		}
	}
	f.check()
}

// memoryDir is a folder without a disk under it where there is one: thousands of lives would only wait for it.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "byway-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runLives runs as many as -rapid.checks says.
func runLives(t *testing.T) bounds {
	dir := memoryDir(t)
	b := bounds{}
	homes, theirs := opened(t, filepath.Join(dir, "homes.db"), ""), opened(t, filepath.Join(dir, "theirs.db"), "")
	rapid.Check(t, func(r *rapid.T) {
		b.lives++
		f := &life{
			t: t, r: r, b: &b, now: time.Unix(1e9, 0), chain: &fakeChain{}, homes: homes, ledger: theirs,
			self: common.BigToAddress(big.NewInt(0xba9ee<<20 + int64(b.lives))),
		}
		defer func() { theirs = f.ledger }() // after a crash
		f.openPayee()
		f.run()
	})
	for _, l := range []*ledger.Ledger{homes, theirs} {
		checkSums(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	return b
}

// Vaults of every kind, honest and not, live with a provider through churned sessions, parallel ones, refusals,
// withdrawals and crashes; then the bounds must hold for each vault, for all strangers, and for each consumer.
func TestBoundsHoldOverWholeLives(t *testing.T) {
	t.Parallel()
	t.Log(runLives(t))
}

// String is a line of TestChaos's table.
func (b bounds) String() string {
	return fmt.Sprintf("%d lives, %d sessions, %d crashes, %d refusals, %d withdrawals, %d promises overtaken, %d that brought "+
		"nothing: at most %d bytes unpaid (%d ‰ of window and tolerance), %d bytes overpaid beyond 3 %% (a tick is %d), "+
		"strangers cost %d ‰ of their budget", b.lives, b.sessions, b.crashes, b.refusals, b.withdrawals, b.overtaken, b.again,
		b.unpaidBytes, b.unpaid, b.overpaid, pace.MinTick, b.lost)
}

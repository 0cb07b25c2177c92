package payee

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

func TestCreditGrowsWithPromises(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := newPayee(t, newLedger(t), &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}})
	terms := testTerms(c)
	var stale *StaleError
	_, err := p.Open(t.Context(), terms, signed(t, c, key, cost(testPrice, mib-1)), nil)
	if !errors.As(err, &stale) || stale.Latest != nil {
		t.Fatalf("a session opens on less than a tick: %v", err)
	}
	first := signed(t, c, key, cost(testPrice, mib))
	opened := must(p.Open(t.Context(), terms, first, nil))(t)
	// The tick, two more that are forgiven for life with 2 % of what was paid, and a window of two.
	tolerance := uint64(mib/1000) * lossPerMille
	if left := opened.Credit.Left; left < 5*mib+tolerance || left > 5*mib+tolerance+mib/1000*lossPerMille {
		t.Fatalf("%d bytes may be forwarded", left)
	}
	if again := must(p.Accept(t.Context(), terms.Session, first, false))(t); again != opened.Credit {
		t.Fatalf("the same promise again: %+v", again)
	}
}

func TestBadPromisesAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	can := cost(testPrice, 100*mib)
	p := newPayee(t, l, &fakeChain{any: &chainview.State{Ceiling: can}})
	good := signed(t, c, key, cost(testPrice, 50*mib))
	id := open(t, p, c, key, good.Cumulative)
	credit := must(p.Credit(t.Context(), id))(t)
	more := cost(testPrice, 60*mib)
	foreign, foreignKey := testChannel(2)
	second := c
	second.Signer = testKey(3).Address()
	var unfunded *payments.UnfundedError
	for name, test := range map[string]struct {
		id      payments.SessionID
		promise payments.Promise
		want    error
	}{
		"other channel":     {id, signed(t, foreign, foreignKey, more), payments.ErrWrongChannel},
		"second signer":     {id, signed(t, second, testKey(3), more), payments.ErrSecondSigner},
		"forged":            {id, signedAs(t, signed(t, c, key, more), testKey(3)), contracts.ErrBadSignature},
		"no signature":      {id, payments.Promise{Channel: c, Cumulative: more}, contracts.ErrBadSignature},
		"unknown session":   {payments.SessionID{1}, good, payments.ErrUnknownSession},
		"more than it pays": {id, signed(t, c, key, must(can.Add(contracts.NewAmount(1)))(t)), nil},
		"the most there is": {id, signed(t, c, key, contracts.MaxAmount()), nil},
	} {
		_, err := p.Accept(t.Context(), test.id, test.promise, true)
		switch {
		case test.want != nil && !errors.Is(err, test.want):
			t.Errorf("%s: %v, want %v", name, err, test.want)
		case test.want == nil && (!errors.As(err, &unfunded) || unfunded.Have != can || unfunded.Channel != c):
			t.Errorf("%s: %v, want an unfunded error", name, err)
		}
	}
	if got := must(p.Credit(t.Context(), id))(t); got != credit {
		t.Fatalf("credit changed to %+v", got)
	}
	bill := signed(t, c, key, can)
	bill.Share = can
	must(p.Accept(t.Context(), id, bill, true))(t)
	if err := p.Close(t.Context(), id, payments.Usage{Rx: 1, Tx: 2}); err != nil {
		t.Fatal(err)
	}
	_, err := p.Accept(t.Context(), id, good, true)
	wantErr(t, err, payments.ErrSessionClosed)
	if err := p.Close(t.Context(), id, payments.Usage{Rx: 9, Tx: 9}); err != nil {
		t.Fatal(err)
	}
	checkSums(t, l)
	if s := must(l.Session(t.Context(), id, true))(t); s.Usage != (payments.Usage{Rx: 1, Tx: 2}) || s.Amount != can {
		t.Fatalf("the ledger has %+v", s)
	}
}

// An id is used once: by whom, on which terms and when does not matter, and who tries again does no harm to the first.
func TestSessionIDIsUsedOnce(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	chain := &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}}
	p := newPayee(t, l, chain)
	terms := testTerms(c)
	total := cost(testPrice, mib)
	try := func(change func(*payments.Terms), key contracts.Signer) error {
		terms := terms
		change(&terms)
		total = must(total.Add(cost(testPrice, mib)))(t)
		_, err := p.Open(t.Context(), terms, signed(t, terms.Channel, key, total), nil)
		return err
	}
	if err := try(func(*payments.Terms) {}, key); err != nil {
		t.Fatal(err)
	}
	other, otherKey := testChannel(2)
	wantErr(t, try(func(*payments.Terms) {}, key), payments.ErrSessionExists)
	wantErr(t, try(func(t *payments.Terms) { t.Channel = other }, otherKey), payments.ErrSessionExists)
	wantErr(t, try(func(t *payments.Terms) { t.PricePerGiB = contracts.NewAmount(1) }, key), payments.ErrSessionExists)
	wantErr(t, try(func(t *payments.Terms) { t.Channel.Payee[0]++ }, key), payments.ErrWrongChannel)
	wantErr(t, try(func(t *payments.Terms) { t.Channel.Token[0]++ }, key), payments.ErrWrongChannel)
	if try(func(t *payments.Terms) { t.Session, t.Tick = payments.NewSessionID(), 0 }, key) == nil {
		t.Fatal("opened without a tick")
	}
	last := signed(t, c, key, must(total.Add(cost(testPrice, mib)))(t))
	if _, err := p.Accept(t.Context(), terms.Session, last, false); err != nil {
		t.Fatal("the session did not live on: ", err)
	}
	if err := p.Close(t.Context(), terms.Session, payments.Usage{Tx: 1}); err != nil {
		t.Fatal(err)
	}
	wantErr(t, try(func(*payments.Terms) {}, key), payments.ErrSessionClosed)
	p = newPayee(t, l, chain) // and after a restart
	wantErr(t, try(func(*payments.Terms) {}, key), payments.ErrSessionClosed)
	wantErr(t, try(func(t *payments.Terms) { t.Channel = other }, otherKey), payments.ErrSessionClosed)
}

// Nothing is written for who has shown no money.
func TestEmptyVaultsAndSpentPromisesLeaveNoRow(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	chain := &fakeChain{any: &chainview.State{}}
	p := newPayee(t, l, chain)
	var unfunded *payments.UnfundedError
	for n := range int64(50) {
		c, key := testChannel(n)
		_, err := p.Open(t.Context(), testTerms(c), signed(t, c, key, cost(testPrice, mib)), nil)
		if !errors.As(err, &unfunded) {
			t.Fatalf("an empty vault opens a session: %v", err)
		}
	}
	c, key := testChannel(1000)
	chain.set(c, chainview.State{Free: cost(testPrice, payments.GiB)})
	spent := signed(t, c, key, cost(testPrice, mib))
	spent.Share = spent.Cumulative
	id := open(t, p, c, key, spent.Cumulative)
	must(p.Accept(t.Context(), id, spent, true))(t)
	if err := p.Close(t.Context(), id, payments.Usage{Tx: mib}); err != nil {
		t.Fatal(err)
	}
	var stale *StaleError
	for range 50 {
		if _, err := p.Open(t.Context(), testTerms(c), spent, nil); !errors.As(err, &stale) || stale.Latest == nil {
			t.Fatalf("a spent promise opens a session: %v", err)
		}
	}
	// A tick that nobody used opens sessions, and those that carry nothing leave nothing.
	unused := signed(t, c, key, cost(testPrice, 2*mib))
	for range 50 {
		terms := testTerms(c)
		must(p.Open(t.Context(), terms, unused, nil))(t)
		if err := p.Close(t.Context(), terms.Session, payments.Usage{}); err != nil {
			t.Fatal(err)
		}
	}
	v := must(audit.Verify(t.Context(), fileOf(l), nil))(t)
	if v.Channels != 1 || v.Sessions != 1 || len(v.Problems) > 0 {
		t.Fatalf("the ledger has %d channels and %d sessions: %v", v.Channels, v.Sessions, v.Problems)
	}
	if len(p.channels) != 1 {
		t.Fatalf("%d channels are kept in memory", len(p.channels))
	}
}

// The payer is whoever made the deposit, also in another's name: trust goes by vault.
func TestTrustIsPerVaultAndWithinTheFreeBalance(t *testing.T) {
	t.Parallel()
	a, keyA := testChannel(1)
	b, keyB := testChannel(2)
	b.Payer = a.Payer // the same payer with another key
	chain := &fakeChain{}
	rich := chainview.State{Free: contracts.MaxAmount()}
	chain.set(a, rich)
	chain.set(b, rich)
	p := newPayee(t, newLedger(t), chain)
	var unfunded *payments.UnfundedError
	for _, v := range []struct {
		c   contracts.Channel
		key contracts.Signer
	}{{a, keyA}, {b, keyB}} {
		id := open(t, p, v.c, v.key, cost(testPrice, 40*mib))
		if _, err := p.Accept(t.Context(), id, signed(t, v.c, v.key, cost(testPrice, 65*mib)), true); !errors.As(err, &unfunded) {
			t.Fatalf("more is trusted than the price of 64 MiB: %v", err)
		}
		must(p.Accept(t.Context(), id, signed(t, v.c, v.key, cost(testPrice, 64*mib)), true))(t)
		// All of the trust is promised: there is no window beside it.
		if credit := must(p.Credit(t.Context(), id))(t); credit.Left > 64*mib+priceless(t, 64*mib) {
			t.Fatalf("%d bytes are left", credit.Left)
		}
	}

	c, keyC := testChannel(3)
	chain.set(c, chainview.State{Free: cost(testPrice, 3*mib), Ceiling: cost(testPrice, 2*mib)})
	idc := open(t, p, c, keyC, cost(testPrice, 5*mib))
	_, err := p.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 6*mib)), true)
	if !errors.As(err, &unfunded) || unfunded.Have != cost(testPrice, 5*mib) {
		t.Fatalf("a promise above reserve and free balance: %v", err)
	}
	strict, err := New(Config{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, NoTrust: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	idc = open(t, strict, c, keyC, cost(testPrice, 2*mib))
	if _, err = strict.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 3*mib)), true); !errors.As(err, &unfunded) {
		t.Fatalf("a payee without trust takes a promise above the reserve: %v", err)
	}
	if _, err = strict.Open(t.Context(), testTerms(a), signed(t, a, keyA, cost(testPrice, mib)), nil); !errors.As(err, &unfunded) {
		t.Fatalf("a session without a reserve: %v", err)
	}
}

// priceless is how many bytes are forgiven for ever of so many that were paid, on the tests' terms.
func priceless(t testing.TB, paid uint64) uint64 {
	t.Helper()
	return paid/1000*lossPerMille + forgivenTicks*pace.MinTick + pace.MinTick/100
}

func TestExitStopsCreditButKeepsTheMoney(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{}
	chain.set(c, reserved(contracts.MaxAmount()))
	l := newLedger(t)
	p := newPayee(t, l, chain)
	id := open(t, p, c, key, cost(testPrice, mib))
	leaving := reserved(contracts.MaxAmount())
	leaving.ExitAt = p.channels[c].readAt.Add(1)
	chain.set(c, leaving)
	p.channels[c].triedAt = p.channels[c].triedAt.Add(-2 * stateAge)
	last := signed(t, c, key, cost(testPrice, 2*mib))
	_, err := p.Accept(t.Context(), id, last, false)
	wantErr(t, err, payments.ErrExiting)
	wantAmount(t, "promised", must(audit.Verify(t.Context(), fileOf(l), nil))(t).Taken, last.Cumulative)
	_, err = p.Open(t.Context(), testTerms(c), signed(t, c, key, cost(testPrice, 4*mib)), nil)
	wantErr(t, err, payments.ErrExiting)
}

func TestUnreachableChainIsForgivenForAWhile(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}}
	p := newPayee(t, newLedger(t), chain)
	id := open(t, p, c, key, cost(testPrice, mib))
	chain.mu.Lock()
	chain.err = errors.New("out of reach")
	chain.mu.Unlock()
	ch := p.channels[c]
	ch.triedAt = ch.triedAt.Add(-2 * stateAge)
	must(p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, 2*mib)), false))(t)
	ch.readAt, ch.triedAt = ch.readAt.Add(-2*stateMaxAge), ch.triedAt.Add(-2*stateMaxAge)
	if _, err := p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, 3*mib)), false); err == nil {
		t.Fatal("credit grows on a chain that nobody has seen for a minute")
	}
}

func TestPromisesSurviveARestart(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}}
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPayee(t, l, chain)
	last := signed(t, c, key, cost(testPrice, 5*mib))
	opened := must(p.Open(t.Context(), testTerms(c), last, nil))(t)
	if opened.Latest != nil {
		t.Fatal("a new channel has a promise")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = ledgerAt(t, path)
	must(l.EndSessions(t.Context()))(t)
	p = newPayee(t, l, chain)
	again := must(p.Open(t.Context(), testTerms(c), last, nil))(t) // nothing of it was billed
	if again.Latest == nil || *again.Latest != last {
		t.Fatalf("the latest promise is %v", again.Latest)
	}
	if again.Credit != opened.Credit {
		t.Fatalf("credit is %+v, was %+v", again.Credit, opened.Credit)
	}
}

func TestLedgerServesOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledgerAt(t, path)
	_, err := ledger.Open(path, "")
	wantErr(t, err, ledger.ErrInUse)
}

func TestOvertakenPromiseBillsItsOwnSession(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	mine, theirs := newLedger(t), newLedger(t)
	payee := newPayee(t, theirs, &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}})
	var payers [2]*payer.Payer
	var sessions [2]payments.SessionID
	var promises [2]payments.Promise
	for i := range payers {
		terms := testTerms(c)
		sessions[i] = terms.Session
		payers[i] = newPayer(t, mine, key, terms, contracts.MaxAmount())
		must(payee.Open(t.Context(), terms, must(payers[i].First(t.Context()))(t), nil))(t)
	}
	for i := range payers {
		promises[i] = must2(payers[i].Due(t.Context(), payments.Usage{Rx: 3 * mib}, false))(t, true)
	}
	for _, i := range []int{1, 0} {
		credit := must(payee.Accept(t.Context(), sessions[i], promises[i], false))(t)
		wantAmount(t, fmt.Sprint("billed to session ", i), credit.Paid, cost(testPrice, 3*mib))
	}
	// What was overtaken brings nothing when it is said again, as a session does at its end or on a new stream; nor does
	// one that is older still, nor is it looked at.
	old := signedAs(t, signed(t, c, key, cost(testPrice, 1)), testKey(7))
	for _, last := range []bool{false, true} {
		for _, promise := range []payments.Promise{promises[0], promises[1], old, {Channel: c}} {
			credit, err := payee.Accept(t.Context(), sessions[0], promise, last)
			if err != nil {
				t.Errorf("said again: %v", err)
			}
			wantAmount(t, "billed then", credit.Paid, cost(testPrice, 3*mib))
		}
	}
	// Nor can it be billed twice, or by anyone else.
	greedy := promises[0]
	greedy.Share = contracts.MaxAmount()
	_, err := payee.Accept(t.Context(), sessions[0], greedy, false)
	wantErr(t, err, ErrNotRising)
	checkSums(t, theirs)
}

// Thousands of promises of a unit each are not looked at: the next one that is worth it brings them all.
func TestPromisesThatBringNextToNothingAreLeft(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	p := newPayee(t, l, &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}})
	now := time.Unix(1e9, 0)
	p.now = func() time.Time { return now }
	total := cost(testPrice, mib)
	id := open(t, p, c, key, total)
	promises := func() int { return must(l.Session(t.Context(), id, true))(t).Promises }
	before := promises()
	for range 3000 {
		total = must(total.Add(contracts.NewAmount(1)))(t)
		// Not even their signatures.
		credit := must(p.Accept(t.Context(), id, payments.Promise{Channel: c, Cumulative: total}, false))(t)
		wantAmount(t, "promised", credit.Promised, cost(testPrice, mib))
	}
	if got := promises(); got != before {
		t.Fatalf("%d promises were stored", got-before)
	}
	now = now.Add(stepTime)
	wantAmount(t, "promised", must(p.Accept(t.Context(), id, signed(t, c, key, total), false))(t).Promised, total)
	total = must(total.Add(contracts.NewAmount(1)))(t)
	wantAmount(t, "promised last", must(p.Accept(t.Context(), id, signed(t, c, key, total), true))(t).Promised, total)
}

func FuzzAccept(f *testing.F) {
	c, key := testChannel(1)
	good := signed(f, c, key, cost(testPrice, mib))
	b, _ := good.MarshalBinary()
	f.Add(b)
	l := newLedger(f)
	p := newPayee(f, l, &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}})
	id := open(f, p, c, key, good.Cumulative)
	f.Fuzz(func(t *testing.T, b []byte) {
		var promise payments.Promise
		if promise.UnmarshalBinary(b) != nil {
			return
		}
		credit, err := p.Accept(t.Context(), id, promise, true)
		if err == nil && (promise.Cumulative != good.Cumulative || credit.Promised != good.Cumulative) {
			t.Fatalf("accepted %+v", promise)
		}
	})
}

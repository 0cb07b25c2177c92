package payments

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"byway/contracts"
)

func openSession(t testing.TB, p *Payee, c contracts.Channel) SessionID {
	t.Helper()
	terms := testTerms(c)
	if _, err := p.Open(t.Context(), terms); err != nil {
		t.Fatal(err)
	}
	return terms.Session
}

func TestCreditGrowsWithPromises(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := newPayee(t, newLedger(t), &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}})
	id := openSession(t, p, c)
	if credit := must(p.Credit(t.Context(), id))(t); credit != (Credit{}) {
		t.Fatalf("credit before any promise: %+v", credit)
	}
	if credit := must(p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, mib-1))))(t); credit.Window != 0 {
		t.Fatal("the window opens before a tick is paid")
	}
	first := signed(t, c, key, cost(testPrice, mib))
	credit := must(p.Accept(t.Context(), id, first))(t)
	tolerance := uint64(mib/1000) * lossPerMille
	want := Credit{Paid: first.Cumulative, Bytes: mib, Window: 4*mib + tolerance, Limit: 5*mib + tolerance}
	if credit != want {
		t.Fatalf("credit is %+v, want %+v", credit, want)
	}
	if again := must(p.Accept(t.Context(), id, first))(t); again != credit {
		t.Fatalf("the same promise again: %+v", again)
	}
}

func TestBadPromisesAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	can := cost(testPrice, 100*mib)
	p := newPayee(t, l, &fakeChain{any: &ChannelState{Ceiling: can}})
	id := openSession(t, p, c)
	good := signed(t, c, key, cost(testPrice, 50*mib))
	credit := must(p.Accept(t.Context(), id, good))(t)
	more := cost(testPrice, 60*mib)
	foreign, foreignKey := testChannel(2)
	second := c
	second.Signer = testKey(3).Address()
	var unfunded *UnfundedError
	for name, test := range map[string]struct {
		id      SessionID
		promise Promise
		want    error
	}{
		"lower":             {id, signed(t, c, key, cost(testPrice, 49*mib)), ErrNotRising},
		"zero":              {id, signed(t, c, key, contracts.Amount{}), ErrNotRising},
		"other channel":     {id, signed(t, foreign, foreignKey, more), ErrWrongChannel},
		"second signer":     {id, signed(t, second, testKey(3), more), ErrSecondSigner},
		"forged":            {id, signedAs(t, signed(t, c, key, more), testKey(3)), ErrBadSignature},
		"no signature":      {id, Promise{Channel: c, Cumulative: more}, ErrBadSignature},
		"unknown session":   {SessionID{1}, good, ErrUnknownSession},
		"more than it pays": {id, signed(t, c, key, must(can.Add(contracts.NewAmount(1)))(t)), nil},
		"the most there is": {id, signed(t, c, key, contracts.MaxAmount()), nil},
	} {
		_, err := p.Accept(t.Context(), test.id, test.promise)
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
	must(p.Accept(t.Context(), id, signed(t, c, key, can)))(t)
	if err := p.Close(t.Context(), id, Usage{Rx: 1, Tx: 2}); err != nil {
		t.Fatal(err)
	}
	_, err := p.Accept(t.Context(), id, good)
	wantErr(t, err, ErrSessionClosed)
	if err := p.Close(t.Context(), id, Usage{Rx: 9, Tx: 9}); err != nil {
		t.Fatal(err)
	}
	checkSums(t, l)
	if s := must(l.Session(t.Context(), id, true))(t); s.Usage != (Usage{Rx: 1, Tx: 2}) || s.Amount != can {
		t.Fatalf("the ledger has %+v", s)
	}
}

func TestSessionIsOpenedOnceForOneSigner(t *testing.T) {
	t.Parallel()
	c, _ := testChannel(1)
	l := newLedger(t)
	p := newPayee(t, l, &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}})
	terms := testTerms(c)
	open := func(change func(*Terms)) error {
		terms := terms
		change(&terms)
		_, err := p.Open(t.Context(), terms)
		return err
	}
	if err := open(func(*Terms) {}); err != nil {
		t.Fatal(err)
	}
	if err := open(func(*Terms) {}); err != nil {
		t.Fatal("a session does not go on: ", err)
	}
	wantErr(t, open(func(t *Terms) { t.Channel.Signer[0]++ }), ErrSecondSigner)
	wantErr(t, open(func(t *Terms) { t.Channel.Payer[0]++ }), ErrSessionExists)
	wantErr(t, open(func(t *Terms) { t.PricePerGiB = contracts.NewAmount(1) }), ErrSessionExists)
	wantErr(t, open(func(t *Terms) { t.Channel.Payee[0]++ }), ErrWrongChannel)
	wantErr(t, open(func(t *Terms) { t.Channel.Token[0]++ }), ErrWrongChannel)
	if open(func(t *Terms) { t.Session, t.Tick = NewSessionID(), 0 }) == nil {
		t.Fatal("opened without a tick")
	}
	if err := p.Close(t.Context(), terms.Session, Usage{}); err != nil {
		t.Fatal(err)
	}
	wantErr(t, open(func(*Terms) {}), ErrSessionClosed)
}

func TestTrustIsPerPayerAndWithinTheFreeBalance(t *testing.T) {
	t.Parallel()
	a, keyA := testChannel(1)
	b, keyB := testChannel(2)
	b.Payer = a.Payer // the same payer with another key
	chain := &fakeChain{}
	rich := ChannelState{Free: contracts.MaxAmount()}
	chain.set(a, rich)
	chain.set(b, rich)
	p := newPayee(t, newLedger(t), chain)
	ida, idb := openSession(t, p, a), openSession(t, p, b)
	must(p.Accept(t.Context(), ida, signed(t, a, keyA, cost(testPrice, 40*mib))))(t)
	var unfunded *UnfundedError
	_, err := p.Accept(t.Context(), idb, signed(t, b, keyB, cost(testPrice, 25*mib)))
	if !errors.As(err, &unfunded) {
		t.Fatalf("two keys of one payer get more trust than one: %v", err)
	}
	must(p.Accept(t.Context(), idb, signed(t, b, keyB, cost(testPrice, 24*mib))))(t)

	c, keyC := testChannel(3)
	chain.set(c, ChannelState{Free: cost(testPrice, 3*mib), Ceiling: cost(testPrice, 2*mib)})
	idc := openSession(t, p, c)
	must(p.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 5*mib))))(t)
	_, err = p.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 6*mib)))
	if !errors.As(err, &unfunded) || unfunded.Have != cost(testPrice, 5*mib) {
		t.Fatalf("a promise above reserve and free balance: %v", err)
	}
	strict, err := NewPayee(PayeeConfig{
		Domain: testDomain, Ledger: newLedger(t), Chain: chain, Payee: testPayee, Token: testToken, NoTrust: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	idc = openSession(t, strict, c)
	must(strict.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 2*mib))))(t)
	if _, err = strict.Accept(t.Context(), idc, signed(t, c, keyC, cost(testPrice, 3*mib))); !errors.As(err, &unfunded) {
		t.Fatalf("a payee without trust takes a promise above the reserve: %v", err)
	}
	if _, err = strict.Open(t.Context(), testTerms(a)); !errors.As(err, &unfunded) {
		t.Fatalf("a session without a reserve: %v", err)
	}
}

func TestExitStopsCreditButKeepsTheMoney(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{}
	chain.set(c, reserved(contracts.MaxAmount()))
	l := newLedger(t)
	p := newPayee(t, l, chain)
	id := openSession(t, p, c)
	must(p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, mib))))(t)
	leaving := reserved(contracts.MaxAmount())
	leaving.ExitAt = p.channels[c].readAt.Add(1)
	chain.set(c, leaving)
	p.channels[c].triedAt = p.channels[c].triedAt.Add(-2 * stateAge)
	last := signed(t, c, key, cost(testPrice, 2*mib))
	_, err := p.Accept(t.Context(), id, last)
	wantErr(t, err, ErrExiting)
	wantAmount(t, "promised", must(VerifyLedger(t.Context(), fileOf(l), nil))(t).Taken, last.Cumulative)
	_, err = p.Open(t.Context(), testTerms(c))
	wantErr(t, err, ErrExiting)
}

func TestUnreachableChainIsForgivenForAWhile(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}}
	p := newPayee(t, newLedger(t), chain)
	id := openSession(t, p, c)
	chain.mu.Lock()
	chain.err = errors.New("out of reach")
	chain.mu.Unlock()
	ch := p.channels[c]
	ch.triedAt = ch.triedAt.Add(-2 * stateAge)
	must(p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, mib))))(t)
	ch.readAt, ch.triedAt = ch.readAt.Add(-2*stateMaxAge), ch.triedAt.Add(-2*stateMaxAge)
	if _, err := p.Accept(t.Context(), id, signed(t, c, key, cost(testPrice, 2*mib))); err == nil {
		t.Fatal("credit grows on a chain that nobody has seen for a minute")
	}
}

func TestPromisesSurviveARestart(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	chain := &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}}
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	p := newPayee(t, l, chain)
	terms := testTerms(c)
	if latest := must(p.Open(t.Context(), terms))(t); latest != nil {
		t.Fatal("a new channel has a promise")
	}
	last := signed(t, c, key, cost(testPrice, 5*mib))
	credit := must(p.Accept(t.Context(), terms.Session, last))(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p = newPayee(t, ledgerAt(t, path), chain)
	if latest := must(p.Open(t.Context(), terms))(t); latest == nil || *latest != last {
		t.Fatalf("the latest promise is %v", latest)
	}
	if got := must(p.Credit(t.Context(), terms.Session))(t); got != credit {
		t.Fatalf("credit is %+v, was %+v", got, credit)
	}
}

func TestLedgerServesOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledgerAt(t, path)
	_, err := OpenLedger(path)
	wantErr(t, err, ErrLedgerInUse)
}

func TestOvertakenPromiseCreditsItsOwnSession(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	mine, theirs := newLedger(t), newLedger(t)
	payee := newPayee(t, theirs, &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}})
	var payers [2]*Payer
	var firsts [2]Promise
	for i := range payers {
		terms := testTerms(c)
		payers[i] = newPayer(t, mine, key, terms, contracts.MaxAmount())
		firsts[i] = must(payers[i].First(t.Context()))(t)
		if _, err := payee.Open(t.Context(), terms); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{1, 0} {
		credit := must(payee.Accept(t.Context(), payers[i].cfg.Terms.Session, firsts[i]))(t)
		wantAmount(t, fmt.Sprint("paid by session ", i), credit.Paid, cost(testPrice, mib))
	}
	// What was overtaken can't be claimed twice, nor by anyone else.
	greedy := firsts[0]
	greedy.Share = contracts.MaxAmount()
	_, err := payee.Accept(t.Context(), payers[0].cfg.Terms.Session, greedy)
	wantErr(t, err, ErrNotRising)
	checkSums(t, theirs)
}

func FuzzAccept(f *testing.F) {
	c, key := testChannel(1)
	good := signed(f, c, key, cost(testPrice, mib))
	b, _ := good.MarshalBinary()
	f.Add(b)
	l := newLedger(f)
	p := newPayee(f, l, &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}})
	id := openSession(f, p, c)
	if _, err := p.Accept(f.Context(), id, good); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var promise Promise
		if promise.UnmarshalBinary(b) != nil {
			return
		}
		credit, err := p.Accept(t.Context(), id, promise)
		if err == nil && (promise.Cumulative != good.Cumulative || credit.Paid != good.Cumulative) {
			t.Fatalf("accepted %+v", promise)
		}
	})
}

package payer

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"byway/contracts"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
)

func TestFirstPromisePrepaysOneTick(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := newPayer(t, newLedger(t), key, testTerms(c), contracts.MaxAmount())
	first := must(p.First(t.Context()))(t)
	wantAmount(t, "first promise", first.Cumulative, cost(testPrice, pace.MinTick))
	if err := testDomain.Verify(first); err != nil {
		t.Fatal(err)
	}
	if again := must(p.First(t.Context()))(t); again != first {
		t.Fatal("asked again, the first promise is another one")
	}
}

func TestPromiseIsDueOnceAQuarterOfATickIsUnpaid(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	must(p.First(t.Context()))(t)
	due := func(rx uint64) (payments.Promise, bool) {
		t.Helper()
		promise, ok, err := p.Due(t.Context(), payments.Usage{Rx: rx}, false)
		if err != nil {
			t.Fatal(err)
		}
		return promise, ok
	}
	for _, rx := range []uint64{0, 1, mib, mib + mib/4 - 1} {
		if _, ok := due(rx); ok {
			t.Fatalf("a promise is due after %d bytes", rx)
		}
	}
	for _, rx := range []uint64{mib + mib/4, mib + mib/2, 2 * mib} {
		promise, ok := due(rx)
		if !ok {
			t.Fatalf("no promise is due after %d bytes", rx)
		}
		wantAmount(t, "promise", promise.Cumulative, cost(testPrice, rx))
		wantAmount(t, "share", promise.Share, cost(testPrice, rx))
	}
	if _, ok := due(2 * mib); ok {
		t.Fatal("the same bytes are paid twice")
	}
	promise, ok, err := p.Final(t.Context(), payments.Usage{Rx: 2*mib + 5, Tx: 100, PeerRx: 60})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	wantAmount(t, "final promise", promise.Cumulative, cost(testPrice, 2*mib+65))
	if _, ok, err := p.Final(t.Context(), payments.Usage{Rx: 1 << 40}); ok || err != nil {
		t.Fatal("a closed session pays on", ok, err)
	}
	_, _, err = p.Due(t.Context(), payments.Usage{Rx: 1 << 40}, false)
	wantErr(t, err, payments.ErrSessionClosed)
	checkSums(t, l)
	record := must(l.Session(t.Context(), p.cfg.Terms.Session, false))(t)
	if record.Usage != (payments.Usage{Rx: 2*mib + 5, Tx: 100, PeerRx: 60}) || record.Closed.IsZero() || record.Promises != 5 {
		t.Fatalf("the ledger has %+v", record)
	}
	wantAmount(t, "amount in the ledger", record.Amount, promise.Cumulative)
}

func TestSessionCostsItsBytesAndTheRestOfATickStaysTheChannels(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	first := must(p.First(t.Context()))(t)
	last := must2(p.Final(t.Context(), payments.Usage{Rx: 7}))(t, true)
	wantAmount(t, "spent", p.Spent(), cost(testPrice, 7))
	wantAmount(t, "total", last.Cumulative, first.Cumulative)
	wantAmount(t, "share", last.Share, cost(testPrice, 7))
	p = newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	second := must(p.First(t.Context()))(t)
	wantAmount(t, "total of the next session", second.Cumulative, must(first.Cumulative.Add(cost(testPrice, 7)))(t))
	checkSums(t, l)
}

// A provider that takes the first tick and refuses, or serves nothing, has had all that it gets.
func TestRefusalsCostNothingHoweverMany(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	for range 5 {
		p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
		wantAmount(t, "promised", must(p.First(t.Context()))(t).Cumulative, cost(testPrice, mib))
		if _, _, err := p.Final(t.Context(), payments.Usage{}); err != nil {
			t.Fatal(err)
		}
		wantAmount(t, "spent", p.Spent(), contracts.Amount{})
	}
	checkSums(t, l)
	terms := testTerms(c)
	terms.Tick, terms.Window = 2*pace.MaxTick, 4*pace.MaxTick
	if _, err := New(t.Context(), Config{
		Domain: testDomain, Ledger: l, Signer: key, Terms: terms, SpendCap: contracts.MaxAmount(),
	}); err == nil {
		t.Fatal("a tick of any size is prepaid")
	}
}

// A provider that forwards nothing ahead is prepaid, a tick at a time and never more.
func TestPayerPrepaysATickWhereTheProviderIsShort(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	must(p.First(t.Context()))(t)
	must2(p.Due(t.Context(), payments.Usage{Rx: mib / 8}, true))(t, false)
	for rx := uint64(mib / 4); rx <= 4*mib; rx += mib / 4 {
		promise := must2(p.Due(t.Context(), payments.Usage{Rx: rx}, true))(t, true)
		wantAmount(t, "promised", promise.Cumulative, must(cost(testPrice, rx).Add(cost(testPrice, mib)))(t))
		must2(p.Due(t.Context(), payments.Usage{Rx: rx}, true))(t, false)
	}
	checkSums(t, l)
}

// What the chain has settled was promised, whatever a new disk knows.
func TestPayerOnANewDiskStartsAtWhatIsSettled(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	settled := cost(testPrice, 100*mib)
	chain := &fakeChain{any: &chainview.State{Ceiling: cost(testPrice, payments.GiB), Settled: settled}}
	l := newLedger(t)
	p := must(New(t.Context(), Config{
		Domain: testDomain, Ledger: l, Signer: key, Terms: testTerms(c), SpendCap: contracts.MaxAmount(), Funds: chain.State,
	}))(t)
	wantAmount(t, "first promise", must(p.First(t.Context()))(t).Cumulative, must(settled.Add(cost(testPrice, mib)))(t))
	wantAmount(t, "restored", p.Restored(), settled)
	wantAmount(t, "spent", p.Spent(), contracts.Amount{})
	checkSums(t, l)
}

func TestNextSessionGoesOnFromTheLifetimeTotal(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	must(p.First(t.Context()))(t)
	last, _, err := p.Final(t.Context(), payments.Usage{Rx: 3 * mib})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p = newPayer(t, ledgerAt(t, path), key, testTerms(c), contracts.MaxAmount())
	first := must(p.First(t.Context()))(t)
	wantAmount(t, "lifetime total", first.Cumulative, must(last.Cumulative.Add(cost(testPrice, mib)))(t))
	wantAmount(t, "spent", p.Spent(), contracts.Amount{})
}

func TestSpendCapIsPaidToTheLastUnitAndNotBeyond(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	limit := must(cost(testPrice, 3*mib).Add(contracts.NewAmount(17)))(t)
	p := newPayer(t, newLedger(t), key, testTerms(c), limit)
	must(p.First(t.Context()))(t)
	must2(p.Due(t.Context(), payments.Usage{Rx: 2 * mib}, false))(t, true)
	promise := must2(p.Due(t.Context(), payments.Usage{Rx: 4 * mib}, false))(t, true)
	wantAmount(t, "promise at the cap", promise.Cumulative, limit)
	_, ok, err := p.Due(t.Context(), payments.Usage{Rx: 4 * mib}, false)
	wantErr(t, err, ErrSpendCap)
	var cap *SpendCapError
	if ok || !errors.As(err, &cap) || cap.Funds || cap.Limit != limit {
		t.Fatalf("%v, %+v", ok, cap)
	}
	_, ok, err = p.Final(t.Context(), payments.Usage{Rx: 4 * mib})
	if ok || !errors.Is(err, ErrSpendCap) {
		t.Fatal(ok, err)
	}
	wantAmount(t, "spent", p.Spent(), limit)

	p = newPayer(t, newLedger(t), key, testTerms(c), cost(testPrice, mib-1))
	_, err = p.First(t.Context())
	wantErr(t, err, ErrSpendCap)
}

func TestPayerSignsNoMoreThanTheVaultHolds(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	other := c
	other.Payee[0]++
	chain := &fakeChain{}
	// One tick is reserved for each payee, two more are free, and one of those goes to the other payee.
	state := chainview.State{Free: cost(testPrice, 2*mib), Ceiling: cost(testPrice, mib)}
	chain.set(c, state)
	chain.set(other, state)
	l := newLedger(t)
	open := func(c contracts.Channel) *Payer {
		p, err := New(t.Context(), Config{
			Domain: testDomain, Ledger: l, Signer: key, Terms: testTerms(c), SpendCap: contracts.MaxAmount(), Funds: chain.State,
		})
		if err != nil {
			t.Fatal(err)
		}
		must(p.First(t.Context()))(t)
		return p
	}
	a, b := open(c), open(other)
	must2(b.Due(t.Context(), payments.Usage{Rx: 2 * mib}, false))(t, true)
	promise := must2(a.Due(t.Context(), payments.Usage{Rx: 4 * mib}, false))(t, true)
	wantAmount(t, "promise at the end of the funds", promise.Cumulative, cost(testPrice, 2*mib))
	_, _, err := a.Due(t.Context(), payments.Usage{Rx: 4 * mib}, false)
	var cap *SpendCapError
	if !errors.As(err, &cap) || !cap.Funds {
		t.Fatal(err)
	}
	// A deposit lets it go on, once the chain is asked again.
	state.Free = cost(testPrice, 100*mib)
	chain.set(c, state)
	chain.set(other, state)
	a.book.readAt = a.book.readAt.Add(-2 * fundsAge)
	promise = must2(a.Due(t.Context(), payments.Usage{Rx: 4 * mib}, false))(t, true)
	wantAmount(t, "promise after a deposit", promise.Cumulative, cost(testPrice, 4*mib))
}

func TestLostLedgerIsRecoveredFromOwnSignature(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	old := signed(t, c, key, amount("1000000000000000000"))
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	must(p.First(t.Context()))(t)
	for name, bad := range map[string]payments.Promise{
		"forged":          signedAs(t, old, testKey(99)),
		"another channel": func() payments.Promise { q := old; q.Payee[3]++; return q }(),
	} {
		if err := p.Adopt(t.Context(), bad); err == nil {
			t.Errorf("adopted a promise: %s", name)
		}
	}
	if err := p.Adopt(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	first := must(p.First(t.Context()))(t)
	wantAmount(t, "promise after the recovery", first.Cumulative, must(old.Cumulative.Add(cost(testPrice, mib)))(t))
	wantAmount(t, "spent", p.Spent(), contracts.Amount{})
	if err := p.Adopt(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if p.Last() != first {
		t.Fatal("a promise known already changed something")
	}
	checkSums(t, l)
}

func TestLifetimeTotalNeverExceeds96Bits(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := newPayer(t, newLedger(t), key, testTerms(c), contracts.MaxAmount())
	if err := p.Adopt(t.Context(), signed(t, c, key, contracts.MaxAmount())); err != nil {
		t.Fatal(err)
	}
	_, err := p.First(t.Context())
	wantErr(t, err, contracts.ErrOverflow)
}

func TestSessionsOfOneChannelShareItsTotal(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	const sessions, ticks = 8, 20
	var wg sync.WaitGroup
	for range sessions {
		p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
		wg.Go(func() {
			if _, err := p.First(t.Context()); err != nil {
				t.Error(err)
			}
			for n := range uint64(ticks) {
				if _, _, err := p.Due(t.Context(), payments.Usage{Rx: n * mib}, false); err != nil {
					t.Error(err)
				}
			}
			if _, _, err := p.Final(t.Context(), payments.Usage{Rx: ticks * mib}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantAmount(t, "lifetime total", must(audit.Verify(t.Context(), fileOf(l), nil))(t).Given, cost(testPrice, sessions*ticks*mib))
	checkSums(t, l)
}

func TestNothingIsSignedThatTheLedgerCannotStore(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	l := newLedger(t)
	p := newPayer(t, l, key, testTerms(c), contracts.MaxAmount())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := p.First(context.Background())
	wantErr(t, err, ledger.ErrStore)
	wantAmount(t, "spent", p.Spent(), contracts.Amount{})
}

// A provider that has every promise of ours says each time that it holds no tick for us, and serves nothing or little: what
// is given up in the life of a channel is a tick and 3 % of what was billed.
func TestAdversaryWhatIsGivenUpIsBounded(t *testing.T) {
	t.Parallel()
	for name, served := range map[string]uint64{"nothing is served": 0, "a megabyte is served each time": mib} {
		c, key := testChannel(1)
		l := newLedger(t)
		const times = 100
		refused := 0
		for range times {
			terms := testTerms(c)
			p := newPayer(t, l, key, terms, contracts.MaxAmount())
			must(p.First(t.Context()))(t)
			if p.GiveUp(t.Context()) != nil {
				refused++
			}
			must(p.First(t.Context()))(t)
			if _, _, err := p.Final(t.Context(), payments.Usage{Rx: served}); err != nil {
				t.Fatal(err)
			}
		}
		billed := cost(testPrice, times*served)
		part := must(billed.MulDiv(givenUpPart, 100))(t)
		// One tick more is the channel's credit.
		tick := cost(testPrice, testTerms(c).Tick)
		bound := billed.AddCap(part).AddCap(tick.AddCap(tick))
		total := must(l.Promised(t.Context(), testDomain, c))(t)
		if bound.Less(total) || refused < times*9/10 {
			t.Errorf("%s: promised are %s for %s billed, at most %s; %d refused", name, total, billed, bound, refused)
		}
		t.Logf("adversary: a provider denies %d times what was prepaid, %s | bound: %s | seen: %s promised", times, name, bound, total)
		checkSums(t, l)
	}
}

package payee

import (
	"errors"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
)

// taker opens sessions on one vault and takes what the gate lets through.
type taker struct {
	t       *testing.T
	payee   *Payee
	channel contracts.Channel
	key     contracts.Key
	total   contracts.Amount // promised
	taken   uint64           // forwarded
}

func newTaker(t *testing.T, p *Payee, n int64) *taker {
	c, key := testChannel(n)
	return &taker{t: t, payee: p, channel: c, key: key}
}

// gated is a payee with gates, on a chain that has reserved everything for everyone, or nothing.
func gated(t *testing.T, l *ledger.Ledger, chain chainview.Chain, change func(*Config)) *Payee {
	t.Helper()
	cfg := Config{
		Domain: testDomain, Ledger: l, Chain: chain, Payee: testPayee, Token: testToken,
		NewGate: func() Gate { return &simGate{} },
	}
	if change != nil {
		change(&cfg)
	}
	return must(New(cfg))(t)
}

// open opens one more session, paying so many bytes' price more; the meter counts what its gate passes.
func (k *taker) open(pays uint64) (payments.SessionID, *simGate, *uint64, error) {
	k.t.Helper()
	terms := testTerms(k.channel)
	total := k.total.AddCap(cost(testPrice, pays))
	opened, err := k.payee.Open(k.t.Context(), terms, signed(k.t, k.channel, k.key, total), nil)
	if err != nil {
		return terms.Session, nil, nil, err
	}
	k.total = total
	counted := new(uint64)
	k.payee.Attach(terms.Session, func() payments.Usage { return payments.Usage{Tx: *counted} })
	return terms.Session, opened.Gate.(*simGate), counted, nil
}

// take takes all that the gate lets through, on a session with that meter.
func (k *taker) take(g *simGate, counted *uint64) uint64 {
	n := g.limit - g.passed
	g.passed += n
	*counted += n
	k.taken += n
	return n
}

func (k *taker) close(id payments.SessionID, counted *uint64) {
	k.t.Helper()
	if err := k.payee.Close(k.t.Context(), id, payments.Usage{Tx: *counted}); err != nil {
		k.t.Fatal(err)
	}
}

// unpaid returns the bytes that were taken and not promised.
func (k *taker) unpaid() uint64 {
	paid := payments.Bytes(testPrice, k.total)
	return k.taken - min(k.taken, paid)
}

// oneWindow is the most that a vault may have unpaid on the tests' terms when it was forwarded and paid so many bytes.
func oneWindow(paid uint64) uint64 {
	return pace.EarnedWindow(payments.Terms{Tick: pace.MinTick, Window: pace.MinWindow}, paid, 1<<40) + paid/1000*lossPerMille + forgivenTicks*pace.MinTick
}

func rich() *fakeChain { return &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}} }

func TestAdversaryChurnedSessionsHaveOneWindow(t *testing.T) {
	t.Parallel()
	p := gated(t, newLedger(t), rich(), nil)
	k := newTaker(t, p, 1)
	const sessions = 200
	for range sessions {
		id, gate, counted, err := k.open(mib)
		if err != nil {
			t.Fatal(err)
		}
		k.take(gate, counted)
		k.close(id, counted)
	}
	bound := oneWindow(sessions*mib) + sessions
	t.Logf("adversary: %d sessions of one tick each, all that the gate lets through taken each time | bound: one window and the "+
		"tolerance, %d bytes unpaid | seen: %d taken for %d paid, %d unpaid", sessions, bound, k.taken, uint64(sessions*mib), k.unpaid())
	if k.unpaid() > bound {
		t.Errorf("%d bytes are unpaid", k.unpaid())
	}
}

func TestAdversaryParallelSessionsShareOneWindow(t *testing.T) {
	t.Parallel()
	p := gated(t, newLedger(t), rich(), nil)
	k := newTaker(t, p, 1)
	const sessions = 50
	for range sessions {
		_, gate, counted, err := k.open(mib)
		if err != nil {
			t.Fatal(err)
		}
		k.take(gate, counted)
	}
	bound := oneWindow(sessions*mib) + sessions
	t.Logf("adversary: %d sessions of one vault in parallel | bound: one window and the tolerance, %d bytes unpaid | seen: %d",
		sessions, bound, k.unpaid())
	if k.unpaid() > bound {
		t.Errorf("%d bytes are unpaid", k.unpaid())
	}
}

func TestAdversaryLumpsEarnNoWindow(t *testing.T) {
	t.Parallel()
	for _, lump := range []uint64{4 * mib, 16 * mib, 256 * mib, 4 * payments.GiB} {
		p := gated(t, newLedger(t), rich(), nil)
		k := newTaker(t, p, 1)
		_, gate, _, err := k.open(lump)
		if err != nil {
			t.Fatal(err)
		}
		bound := (2+forgivenTicks)*uint64(pace.MinTick) + lump/1000*lossPerMille + mib/100
		seen := gate.limit - lump
		t.Logf("adversary: the price of %d MiB paid at once | bound: the window of two ticks and the tolerance, %d bytes ahead | "+
			"seen: %d", lump/mib, bound, seen)
		if seen > bound {
			t.Errorf("a lump of %d opens the gate %d bytes ahead", lump, seen)
		}
	}
}

func TestAdversaryDebtIsRememberedAndPrepaid(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	p := gated(t, l, rich(), nil)
	k := newTaker(t, p, 1)
	id, gate, counted, err := k.open(mib)
	if err != nil {
		t.Fatal(err)
	}
	k.take(gate, counted)
	k.close(id, counted)
	debt := k.unpaid()
	p = gated(t, l, rich(), nil) // and a restart
	k.payee = p
	for range 20 {
		id, gate, counted, err := k.open(mib)
		if err != nil {
			t.Fatalf("one who prepays is refused: %v", err)
		}
		// What is paid is forwarded, with what two hundredths more forgive and the window has grown by.
		if n := k.take(gate, counted); n < mib {
			t.Fatalf("%d bytes for a tick", n)
		}
		k.close(id, counted)
	}
	bound := oneWindow(21*mib) + 64
	t.Logf("adversary: a vault that took its window comes back, after a restart too | bound: %d bytes unpaid for life, and a tick "+
		"forwarded for each that is prepaid | seen: %d at first, %d after 20 more", bound, debt, k.unpaid())
	if k.unpaid() > bound {
		t.Errorf("%d bytes are unpaid", k.unpaid())
	}
}

func TestAdversaryOldPromisesOnANewDiskBringNothing(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	settled := cost(testPrice, 148*mib)
	chain := &fakeChain{}
	chain.set(c, chainview.State{Settled: settled, Ceiling: cost(testPrice, payments.GiB)})
	l := newLedger(t) // knows nothing
	p := gated(t, l, chain, nil)
	var stale *StaleError
	for _, old := range []uint64{mib, 100 * mib, 148 * mib} {
		_, err := p.Open(t.Context(), testTerms(c), signed(t, c, key, cost(testPrice, old)), nil)
		if !errors.As(err, &stale) || stale.Settled != settled {
			t.Fatalf("a promise of %d MiB, of which 148 are settled: %v", old/mib, err)
		}
	}
	opened := must(p.Open(t.Context(), testTerms(c), signed(t, c, key, cost(testPrice, 149*mib)), nil))(t)
	bound := mib + oneWindow(mib)
	t.Logf("adversary: an old promise, public in a claim's calldata, shown to a provider with a new disk | bound: what rises "+
		"above the %d MiB that are settled, %d bytes | seen: %d", 148, bound, opened.Credit.Left)
	if opened.Credit.Left > bound {
		t.Errorf("the gate opens for %d bytes", opened.Credit.Left)
	}
	checkSums(t, l)
}

func TestAdversaryFiftyVaultsAreWithdrawn(t *testing.T) {
	t.Parallel()
	chain := &fakeChain{any: &chainview.State{Free: cost(testPrice, payments.GiB)}}
	const vaults, budgeted = 50, 256 * mib
	l := newLedger(t)
	p := gated(t, l, chain, func(cfg *Config) { cfg.Budget = cost(testPrice, budgeted) })
	var newcomer *NewcomerError
	var takers []*taker
	refused := 0
	for n := range int64(vaults) {
		k := newTaker(t, p, n)
		id, gate, counted, err := k.open(mib)
		if errors.As(err, &newcomer) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		takers = append(takers, k)
		k.take(gate, counted)
		for { // it pays as long as that is taken, and takes what it can
			total := k.total.AddCap(cost(testPrice, 4*mib))
			if _, err := p.Accept(t.Context(), id, signed(t, k.channel, k.key, total), true); err != nil {
				break
			}
			k.total = total
			k.take(gate, counted)
		}
	}
	stolen := uint64(0)
	for _, k := range takers {
		chain.set(k.channel, chainview.State{})
		stolen += k.taken
	}
	for _, k := range takers {
		if err := p.VaultChanged(t.Context(), k.channel.Vault); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("adversary: %d vaults without a reserve take all they can, and withdraw before anything is claimed | bound: the budget "+
		"for strangers, %d MiB's price an hour | seen: %d MiB lost, %d of them turned away", vaults, budgeted/mib, stolen/mib, refused)
	if stolen > budgeted+vaults*mib/100 {
		t.Errorf("%d bytes were taken for nothing", stolen)
	}
	// Others may come: who reserves is served.
	honest := newTaker(t, p, 1000)
	_, _, _, err := honest.open(mib)
	if !errors.As(err, &newcomer) {
		t.Fatalf("the budget is used up, and a stranger is answered %v", err)
	}
	chain.set(honest.channel, chainview.State{Ceiling: newcomer.Need})
	_, gate, counted, err := honest.open(mib)
	if err != nil {
		t.Fatalf("who reserves what it is asked for is refused: %v", err)
	}
	if n := honest.take(gate, counted); n < mib {
		t.Fatalf("%d bytes for a tick", n)
	}
	// A restart forgets nothing.
	p = gated(t, l, chain, func(cfg *Config) { cfg.Budget = cost(testPrice, budgeted) })
	if _, _, _, err := newTaker(t, p, 2000).open(mib); !errors.As(err, &newcomer) {
		t.Fatalf("after a restart a stranger is answered %v", err)
	}
	checkSums(t, l)
}

func TestAdversaryStakesAreFreedByClaimsAndReserves(t *testing.T) {
	t.Parallel()
	chain := &fakeChain{any: &chainview.State{Free: cost(testPrice, payments.GiB)}}
	p := gated(t, newLedger(t), chain, func(cfg *Config) { cfg.Budget = cost(testPrice, 16*mib) })
	k := newTaker(t, p, 1)
	id, gate, counted, err := k.open(10 * mib)
	if err != nil {
		t.Fatal(err)
	}
	gate.passed, *counted = 10*mib, 10*mib
	k.close(id, counted)
	var newcomer *NewcomerError
	other := newTaker(t, p, 2)
	if _, _, _, err = other.open(8 * mib); !errors.As(err, &newcomer) {
		t.Fatalf("beyond the budget: %v", err)
	}
	// It is claimed; the next newcomer finds that out.
	chain.set(k.channel, chainview.State{Settled: k.total, Ceiling: k.total})
	p.forgetReading(k.channel)
	p.mu.Lock()
	ch := p.channels[k.channel]
	p.mu.Unlock()
	ch.readAt = ch.readAt.Add(-2 * stakeAge)
	if _, _, _, err = other.open(8 * mib); err != nil {
		t.Fatalf("what was claimed is still held against strangers: %v", err)
	}
	t.Logf("adversary: strangers' promises fill the budget | bound: free again once they are claimed | seen: %s at stake",
		p.Strangers().AtStake)
}

func TestAdversaryCrashesAreForgivenOnceADay(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	path := fileOf(l)
	k := newTaker(t, nil, 1)
	var left [3]uint64
	for i := range left {
		k.payee = gated(t, l, rich(), nil)
		_, gate, counted, err := k.open(mib)
		if err != nil {
			t.Fatal(err)
		}
		left[i] = k.take(gate, counted)
		if n := must(l.EndSessions(t.Context()))(t); n != 1 { // as the next start does
			t.Fatalf("%d sessions were open", n)
		}
	}
	gap := left[0]
	bound := oneWindow(3*mib) + gap + 2*mib + 64 // each promise rounds
	t.Logf("adversary: a provider crashes three times a day between forwarding and the next promise | bound: one window, one "+
		"that the provider bears itself, and a tick for each crash after the first, %d bytes unpaid | seen: %d", bound, k.unpaid())
	if k.unpaid() > bound {
		t.Errorf("%d bytes are unpaid", k.unpaid())
	}
	// The next day is another one.
	alter(t, path, "UPDATE channel SET forgiven_at = forgiven_at - 86400000")
	k.payee = gated(t, l, rich(), nil)
	before := accountOf(t, l, k.channel).Counted
	if _, _, _, err := k.open(mib); err != nil {
		t.Fatal(err)
	}
	must(l.EndSessions(t.Context()))(t)
	if after := accountOf(t, l, k.channel).Counted; after != before {
		t.Errorf("the day's first crash is held against the payer: %s, was %s", after, before)
	}
	checkSums(t, l)
}

// What a payer has prepaid is served, however often its provider crashes before it is: the payer prepays no second tick for
// one that has not served the last.
func TestPrepaidTickIsServedAfterCrashes(t *testing.T) {
	t.Parallel()
	mine, theirs := newLedger(t), newLedger(t)
	c, key := testChannel(1)
	for crashes := range 5 {
		payee, terms := gated(t, theirs, rich(), nil), testTerms(c)
		payer := newPayer(t, mine, key, terms, contracts.MaxAmount())
		o := must(payee.Open(t.Context(), terms, must(payer.First(t.Context()))(t), nil))(t)
		payee.Attach(terms.Session, func() payments.Usage { return payments.Usage{} })
		if o.Credit.Left < terms.Tick {
			t.Errorf("after %d crashes %d bytes of the prepaid tick are served", crashes, o.Credit.Left)
		}
		must(theirs.EndSessions(t.Context()))(t) // as the next start does
	}
}

// The sessions of a vault round up one by one, and so come to more than the gate let through. It has reserved what it was
// asked for, and is no newcomer for a unit.
func TestSessionsThatRoundUpAreNoNewcomers(t *testing.T) {
	t.Parallel()
	chain := &fakeChain{}
	k := newTaker(t, nil, 1)
	k.payee = gated(t, newLedger(t), chain, func(c *Config) {
		c.Trust, c.Budget = cost(testPrice, 16*mib), contracts.NewAmount(1)
	})
	chain.set(k.channel, chainview.State{Free: cost(testPrice, payments.GiB), Ceiling: cost(testPrice, 17*mib), Block: 1})
	pays := uint64(mib)
	var gate *simGate
	var counted [3]*uint64
	for i := range counted {
		_, g, n, err := k.open(pays)
		if err != nil {
			t.Fatal(err)
		}
		gate, counted[i], pays = g, n, 0 // they share what was prepaid
	}
	for _, n := range counted[1:] { // three bytes cost a little more than a whole number of units
		gate.passed += 3
		*n += 3
	}
	k.take(gate, counted[0])
	if _, _, _, err := k.open(0); err != nil {
		t.Errorf("one more session: %v", err)
	}
}

// An honest consumer closes a thousand sessions in the middle of a download, on a line that loses one packet in a hundred,
// and its provider crashes twenty times: nobody is convicted of anything.
func TestHonestSessionsKeepTheirWindow(t *testing.T) {
	t.Parallel()
	honestSessions(t)
}

func honestSessions(t *testing.T) (sessions, crashes int, worst uint64) {
	t.Helper()
	dir := memoryDir(t)
	mine, theirs := opened(t, dir+"/mine.db", ""), opened(t, dir+"/theirs.db", "")
	c, key := testChannel(1)
	var now time.Time
	sessions, crashes = 150, 3
	if *chaos {
		sessions, crashes = 1000, 20
	}
	payee := gated(t, theirs, rich(), nil)
	payee.now = func() time.Time { return now }
	worst = ^uint64(0)
	for i := range sessions {
		now = now.Add(time.Minute)
		terms := testTerms(c)
		payer := newPayerAt(t, mine, key, terms, func() time.Time { return now })
		session := must(payee.Open(t.Context(), terms, must(payer.First(t.Context()))(t), nil))(t)
		gate := session.Gate.(*simGate)
		counted := uint64(0)
		payee.Attach(terms.Session, func() payments.Usage { return payments.Usage{Tx: counted} })
		if i > 20 {
			worst = min(worst, session.Credit.Window)
		}
		received := uint64(0)
		for n := uint64(0); n < uint64(8+i%5)*mib; n += mib / 4 {
			now = now.Add(20 * time.Millisecond)
			if gate.limit-gate.passed < mib/4 {
				t.Fatalf("session %d: the gate closes on an honest download after %d bytes", i, n)
			}
			gate.passed, counted = gate.passed+mib/4, counted+mib/4
			received += mib / 4 * 99 / 100
			p, due, err := payer.Due(t.Context(), payments.Usage{Rx: received}, false)
			if err != nil {
				t.Fatal(err)
			}
			if due {
				must(payee.Accept(t.Context(), terms.Session, p, false))(t)
			}
		}
		if i%(sessions/crashes) == 7 { // the provider's power fails, on another day each time
			if _, _, err := payer.Final(t.Context(), payments.Usage{Rx: received}); err != nil {
				t.Fatal(err)
			}
			must(theirs.EndSessions(t.Context()))(t)
			alter(t, fileOf(theirs), "UPDATE channel SET forgiven_at = forgiven_at - 86400000")
			payee = gated(t, theirs, rich(), nil)
			payee.now = func() time.Time { return now }
			continue
		}
		p, due, err := payer.Final(t.Context(), payments.Usage{Rx: received})
		if err != nil {
			t.Fatal(err)
		}
		if due {
			must(payee.Accept(t.Context(), terms.Session, p, true))(t)
		}
		if err := payee.Close(t.Context(), terms.Session, payments.Usage{Tx: counted}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d sessions, %d crashes: the smallest window that a session opened with is %d bytes", sessions, crashes, worst)
	if worst < 16*mib {
		t.Errorf("a session opened with a window of %d bytes", worst)
	}
	checkSums(t, mine)
	checkSums(t, theirs)
	return sessions, crashes, worst
}

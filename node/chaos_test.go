package node_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/path"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payee"
	"byway/registry"
	"byway/tunnel"
)

var (
	chaosLives = flag.Int("lives", 1, "how many lives of a provider TestChaosOfNodes runs")
	chaosEnds  = flag.Int("ends", 1, "how often TestChaosOfNodes stops the provider in each")
	chaosSeed  = flag.Uint64("seed", 0, "what TestChaosOfNodes is random by; 0: something new, which it prints")
)

// nodesSeen are the worst that whole nodes came to.
type nodesSeen struct {
	lives, crashes, stops, sessions int
	forwarded                       uint64 // bytes
	// Unpaid is the most, in thousandths of one window and the tolerance, that was forwarded to a vault and not promised,
	// unpaidBytes that in bytes; torn the most bytes between the last promise and a crash, which are the provider's own.
	unpaid, unpaidBytes, torn uint64
	// Overpaid is the most bytes beyond three hundredths that an honest vault has paid for and not received.
	overpaid uint64
}

// String is the line that the test prints.
func (s nodesSeen) String() string {
	return fmt.Sprintf("%d lives, %d crashes, %d stops, %d sessions, %d MiB forwarded: at most %d bytes unpaid (%d ‰ of window "+
		"and tolerance), %d bytes torn by a crash, %d bytes overpaid beyond 3 %%", s.lives, s.crashes, s.stops, s.sessions,
		s.forwarded>>20, s.unpaidBytes, s.unpaid, s.torn, s.overpaid)
}

// nodeLife is a provider's life among consumers of every kind: whole nodes, a real chain, real tunnels. What was forwarded
// is read from the exit's meters while they run, not from the books alone.
type nodeLife struct {
	*world
	r      *rand.Rand
	seen   *nodesSeen
	cfg    node.ProviderConfig
	vaults []*nodeVault

	over   chan struct{} // closed when the provider has been stopped
	ending atomic.Bool   // the provider is being stopped: what breaks now may

	mu      sync.Mutex
	counted map[string]uint64 // by the exit's meter, of each session
	of      map[string]common.Address
}

// nodeVault is one consumer.
type nodeVault struct {
	consumer *node.Consumer
	cfg      node.ConsumerConfig
	honest   bool
	live     func(v *nodeVault, r *rand.Rand)

	mu       sync.Mutex
	receipts []path.Receipt

	most contracts.Amount // the largest window and tolerance that it was ever granted
	torn contracts.Amount // forwarded between a promise and a crash: the provider's own loss, once a day
}

// TestChaosOfNodes stops a provider in the middle of everything, hard and in order, and looks at what each side has lost
// and whether all books agree in the end. By itself it is short: see make chaos.
func TestChaosOfNodes(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	var seen nodesSeen
	for i := range *chaosLives {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			liveAndDie(t, rand.New(rand.NewPCG(seed, uint64(i))), &seen)
		})
		if t.Failed() {
			return
		}
	}
	t.Log(seen)
}

func liveAndDie(t *testing.T, r *rand.Rand, seen *nodesSeen) {
	l := &nodeLife{
		world: startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute), r: r, seen: seen,
		counted: map[string]uint64{}, of: map[string]common.Address{},
	}
	check(t, l.stop())
	l.startProviderWith(func(cfg *node.ProviderConfig) { l.cfg = *cfg })
	before, err := l.TokenBalance(l.ctx, l.providerKey.Address())
	check(t, err)
	<-l.provider.Ready()
	l.seen.lives++
	l.newVault(true, l.steady)
	l.newVault(true, l.parallel)
	l.newVault(true, l.churn)
	l.newVault(false, l.freeload)
	l.newVault(false, l.freeload)
	for i := range *chaosEnds {
		l.round(i == 0 || r.IntN(3) > 0)
		l.restart()
	}
	for _, v := range l.vaults {
		if v.honest {
			l.settles(v)
		}
	}
	l.exact(before)
	check(t, l.stop())
	l.bounds(false)
	l.verified()
	l.seen.sessions += len(l.counted)
}

// newVault makes a consumer with money, which may set some of it aside.
func (l *nodeLife) newVault(honest bool, live func(*nodeVault, *rand.Rand)) {
	m := *l.world
	m.startConsumer(tokens("1"))
	v := &nodeVault{consumer: m.consumer, cfg: m.cfg, honest: honest, live: live}
	var err error
	if l.r.IntN(2) == 0 {
		_, err = v.consumer.Fund(l.ctx, l.offer().Offer, tokens("1"))
	} else {
		var w *vault.Wallet
		if w, err = v.consumer.Wallet(); err == nil {
			_, err = w.Deposit(l.ctx, tokens("1"))
		}
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.vaults = append(l.vaults, v)
}

// round has everybody use the provider until it has forwarded so much, and then ends it.
func (l *nodeLife) round(crash bool) {
	l.over = make(chan struct{})
	l.ending.Store(false)
	var living sync.WaitGroup
	for _, v := range l.vaults {
		r := apart(l.r)
		living.Go(func() { v.live(v, r) })
	}
	target := l.total() + uint64(8+l.r.IntN(24))<<20
	for l.total() < target && l.ctx.Err() == nil && !l.t.Failed() {
		time.Sleep(5 * time.Millisecond)
	}
	l.ending.Store(true)
	if crash {
		l.seen.crashes++
		check(l.t, l.provider.Crash())
		l.total()
		l.stop() // it fails, with its ledger and its host closed
	} else {
		l.seen.stops++
		check(l.t, l.stop())
	}
	close(l.over)
	living.Wait()
	l.bounds(crash)
	if l.t.Failed() {
		l.t.FailNow()
	}
}

// restart starts the provider on the home that it left, on another day: a second crash of a day is held against the vaults.
func (l *nodeLife) restart() {
	books, err := ledger.Open(l.ledgerFile(), "")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, v := range l.vaults {
		a := l.account(books, ledger.Payee, v)
		if a.ForgivenAt = a.ForgivenAt.Add(-24 * time.Hour); a.ID == 0 {
			continue
		}
		check(l.t, books.Do(l.ctx, func(tx *ledger.Tx) error { return tx.StoreAccount(a) }))
	}
	check(l.t, books.Close())
	l.provider = l.again(l.cfg)
	<-l.provider.Ready()
	l.ending.Store(false)
}

// total sums all that was ever forwarded, in bytes. It takes down how far each session's meter is.
func (l *nodeLife) total() (sum uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.provider.Sessions() {
		l.counted[s.Session] = max(l.counted[s.Session], s.Rx+s.Tx)
		l.of[s.Session] = s.Payer
	}
	for _, n := range l.counted {
		sum += n
	}
	return sum
}

// fails reports what went wrong, unless it did so since the provider is being stopped.
func (l *nodeLife) fails(what string, err error) bool {
	if err != nil && (!l.ending.Load() || errors.Is(err, errContent)) {
		l.t.Errorf("%s: %v", what, err)
	}
	return err != nil
}

// use moves data through a session, whole transfers one after the other, until it breaks, and returns what broke it.
func (l *nodeLife) use(ctx context.Context, through *tunnel.Client, r *rand.Rand) error {
	for {
		size := 1<<18 + r.IntN(6<<20)
		transfer := l.web.fetch
		if r.IntN(4) == 0 {
			transfer = l.web.upload
		}
		if err := transfer(ctx, through, size); err != nil {
			return err
		}
	}
}

// session is one honest session: it is closed in the middle of a transfer, once so much has come or the provider is gone.
func (l *nodeLife) session(v *nodeVault, r *rand.Rand, most uint64) bool {
	s, err := l.connects(v)
	if l.fails("connect", err) {
		return false
	}
	ctx, cancel := context.WithCancel(l.ctx)
	broken := make(chan error, 1)
	go func() { broken <- l.use(ctx, s.Tunnel(), r) }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for done := false; !done; {
		select {
		case err := <-broken:
			broken <- err
			l.fails("a transfer", err)
			done = true
		case <-l.over:
			done = true
		case <-look.C:
			done = s.Receipt().Rx+s.Receipt().Tx >= most
		}
	}
	receipt, err := s.Close(l.ctx)
	cancel()
	if err := <-broken; errors.Is(err, errContent) {
		l.t.Error(err)
	}
	v.mu.Lock()
	v.receipts = append(v.receipts, receipt)
	v.mu.Unlock()
	return !l.fails("close", err)
}

// connects opens an honest session, which nobody refuses. A host may take a while to find one that was just started again.
func (l *nodeLife) connects(v *nodeVault) (*path.Session, error) {
	for tries := 1; ; tries++ {
		s, err := v.consumer.Connect(l.ctx, l.offer())
		if err == nil {
			l.closeAtTheEnd(s)
			return s, nil
		}
		var refused *wire.RefusalError
		if errors.As(err, &refused) || l.ending.Load() || tries == 50 {
			return nil, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// steady has one session until the provider is gone.
func (l *nodeLife) steady(v *nodeVault, r *rand.Rand) { l.session(v, r, math.MaxUint64) }

// parallel has three sessions at once.
func (l *nodeLife) parallel(v *nodeVault, r *rand.Rand) {
	var all sync.WaitGroup
	for range 3 {
		r := apart(r)
		all.Go(func() { l.session(v, r, math.MaxUint64) })
	}
	all.Wait()
}

// churn has one session after the other, some of them in another process.
func (l *nodeLife) churn(v *nodeVault, r *rand.Rand) {
	for !l.ending.Load() && l.session(v, r, 1<<19+r.Uint64N(6<<20)) {
		if r.IntN(4) > 0 {
			continue
		}
		check(l.t, v.consumer.Close())
		m := *l.world
		m.cfg = v.cfg
		m.openConsumer()
		v.consumer = m.consumer
	}
}

// freeload takes what the gate lets through, pays for half of it at best, and comes again.
func (l *nodeLife) freeload(v *nodeVault, r *rand.Rand) {
	for i := 0; i < 6 && !l.ending.Load(); i++ {
		f, err := v.consumer.OpenFreeloader(l.ctx, l.offer())
		if err != nil { // it is refused, or nobody is there
			continue
		}
		ctx, cancel := context.WithCancel(l.ctx)
		done := make(chan struct{})
		moves := apart(r)
		go func() { defer close(done); l.use(ctx, f.Tunnel, moves) }() // it breaks in the end
		l.untilHeld(f)
		if r.IntN(2) == 0 && f.PayFor(l.ctx, payments.Usage{Rx: f.Tunnel.Counters().Rx / 2}) == nil {
			l.untilHeld(f)
		}
		cancel()
		<-done
		check(l.t, f.Tunnel.Close())
		f.Stream.Reset()
	}
}

// untilHeld waits until the gate is shut, or the provider gone.
func (l *nodeLife) untilHeld(f *node.Freeloader) {
	for !l.ending.Load() && l.ctx.Err() == nil {
		if _, _, state := l.provider.Counted(f.ID); state == wire.StateHeld || state == wire.StateClosed {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// settles has a vault served as any other after all that happened: what it asks for comes, and is paid exactly.
func (l *nodeLife) settles(v *nodeVault) {
	s, err := l.connects(v)
	if err != nil {
		l.t.Fatalf("an honest vault after the last start: %v", err)
	}
	if err := l.download(s.Tunnel(), 1<<20); err != nil {
		l.t.Fatalf("an honest vault after the last start: %v, its session: %v", err, s.Err())
	}
	l.total()
	v.receipts = append(v.receipts, l.settled(s))
}

// account reads a vault's row in a side's ledger.
func (l *nodeLife) account(of *ledger.Ledger, side ledger.Side, v *nodeVault) ledger.Account {
	d := payments.Domain{ChainID: l.Network.ChainID, Contract: l.Network.Channels}
	a, found, err := of.Account(l.ctx, side, d, v.channel(l.offer().Offer))
	if err != nil || !found && v.honest {
		l.t.Fatalf("the account of %s: found %v, %v", v, found, err)
	}
	return a
}

// String is the address that pays.
func (v *nodeVault) String() string { return v.cfg.Key.Address().Hex() }

func (v *nodeVault) channel(o registry.Offer) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: o.Token, Payer: v.cfg.Key.Address(), Signer: v.cfg.Session.Address()}, Payee: o.Payee,
	}
}

func (l *nodeLife) ledgerFile() string { return filepath.Join(l.providerHome.Dir(), "ledger.db") }

// bounds holds what each vault was forwarded against what it has promised, by the provider's disk. The provider is down.
func (l *nodeLife) bounds(crashed bool) {
	books, err := ledger.View(l.ctx, l.ledgerFile())
	if err != nil {
		l.t.Fatal(err)
	}
	defer books.Close()
	rows, err := books.Sessions(l.ctx, math.MaxInt32, 0)
	check(l.t, err)
	for _, v := range l.vaults {
		a := l.account(books, ledger.Payee, v)
		forwarded, rounds := l.forwarded(v, a, rows)
		if crashed {
			l.tear(v, a, forwarded, rounds)
		}
		l.unpaid(v, a, forwarded, rounds)
		if v.honest {
			l.overpaid(v)
		}
	}
}

// tear notes what was forwarded after the last promise and before a crash. It is no more than was granted with that promise.
func (l *nodeLife) tear(v *nodeVault, a ledger.Account, forwarded, rounds contracts.Amount) {
	torn := forwarded.SubFloor(a.Counted)
	now := torn.SubFloor(v.torn)
	v.torn = torn
	l.seen.torn = max(l.seen.torn, l.bytes(now))
	if add(a.Granted, rounds).Less(add(a.Counted, now)) {
		l.t.Errorf("%s: a crash tore %s, granted were %s beyond what is stored", v, now, a.Granted.SubFloor(a.Counted))
	}
}

// unpaid holds a vault to one window and the tolerance.
func (l *nodeLife) unpaid(v *nodeVault, a ledger.Account, forwarded, rounds contracts.Amount) {
	o := l.offer().Offer
	terms := payments.Terms{PricePerGiB: o.PricePerGiB, Tick: o.Tick, Window: o.Window}
	promised := a.Total.SubFloor(a.Base)
	bound := add(payee.Account{Promised: promised}.Tolerance(terms, lossPerMille), l.cost(a.Window))
	if v.most.Less(bound) {
		v.most = bound
	}
	unpaid := forwarded.SubFloor(promised)
	if add(v.most, add(v.torn, rounds)).Less(unpaid) {
		l.t.Errorf("%s: %s are unpaid, window and tolerance are %s, torn by crashes %s", v, unpaid, v.most, v.torn)
	}
	unpaid = unpaid.SubFloor(v.torn)
	l.seen.unpaid = max(l.seen.unpaid, v.most.MulDivFloor(unpaid, 1000))
	l.seen.unpaidBytes = max(l.seen.unpaidBytes, l.bytes(unpaid))
}

// lossPerMille is how much of what is paid a provider forwards on top, for what gets lost.
const lossPerMille = 20

// forwarded prices the bytes that went through the vault's sessions, by the meters and by the books, whichever have
// more. Each session rounds once.
func (l *nodeLife) forwarded(v *nodeVault, a ledger.Account, rows []ledger.Session) (sum, rounds contracts.Amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range rows {
		if id := row.Terms.Session.String(); row.Account == a.ID {
			l.counted[id] = max(l.counted[id], row.Usage.Rx+row.Usage.Tx)
			l.of[id] = v.cfg.Key.Address()
		}
	}
	for id, n := range l.counted {
		if l.of[id] == v.cfg.Key.Address() {
			sum = add(sum, l.cost(n))
			rounds = add(rounds, contracts.NewAmount(1))
		}
	}
	return sum, rounds
}

// overpaid holds what an honest vault has promised against what it has received.
func (l *nodeLife) overpaid(v *nodeVault) {
	var got contracts.Amount
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.receipts {
		got = add(got, l.cost(r.Rx+r.Tx))
	}
	three, err := got.MulDivCeil(3, 100)
	check(l.t, err)
	o := l.offer().Offer
	over := l.bytes(l.account(v.consumer.Ledger, ledger.Payer, v).Total.SubFloor(add(got, three)))
	l.seen.overpaid = max(l.seen.overpaid, over)
	if over > o.Tick+uint64(len(v.receipts)) {
		l.t.Errorf("%s: overpaid by %d bytes, a tick is %d", v, over, o.Tick)
	}
}

// exact claims everything, and compares receipts, both ledgers, the chain and the wallet, to the unit.
func (l *nodeLife) exact(before contracts.Amount) {
	if _, err := l.provider.Claim(l.ctx, false); err != nil {
		l.t.Fatal(err)
	}
	var sum contracts.Amount
	for _, v := range l.vaults {
		theirs := l.account(l.provider.Ledger, ledger.Payee, v)
		if theirs.ID == 0 {
			continue
		}
		sum = add(sum, theirs.Total)
		w, err := v.consumer.Wallet()
		check(l.t, err)
		c, err := w.Channel(l.ctx, theirs.Channel.Payee)
		check(l.t, err)
		if c.Settled != theirs.Total {
			l.t.Errorf("%s: promised %s, the chain has settled %s", v, theirs.Total, c.Settled)
		}
		if !v.honest {
			continue
		}
		own := l.account(v.consumer.Ledger, ledger.Payer, v)
		paid := own.Credit
		for _, r := range v.receipts {
			paid = add(paid, r.Paid)
		}
		if paid != own.Total || own.Total != theirs.Total {
			l.t.Errorf("%s: %d receipts and what is unused come to %s, the consumer has promised %s, the provider knows of %s",
				v, len(v.receipts), paid, own.Total, theirs.Total)
		}
	}
	after, err := l.TokenBalance(l.ctx, l.providerKey.Address())
	check(l.t, err)
	if grown := after.SubFloor(before); grown != sum {
		l.t.Errorf("%s were promised in all, the wallet grew by %s", sum, grown)
	}
	l.seen.forwarded += l.total()
}

// verified checks every ledger, against the chain too.
func (l *nodeLife) verified() {
	homes := []home.Home{l.providerHome}
	for _, v := range l.vaults {
		check(l.t, v.consumer.Close())
		homes = append(homes, v.cfg.Home)
	}
	for _, home := range homes {
		r, err := node.VerifyLedger(l.ctx, home, l.Network)
		if err != nil || !r.Exact || !r.Chain {
			l.t.Errorf("%s: %+v, %v", home.Dir(), r, err)
		}
	}
}

// apart is randomness for another goroutine.
func apart(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), 0)) }

func (l *nodeLife) cost(bytes uint64) contracts.Amount {
	sum, err := payments.Cost(l.offer().Offer.PricePerGiB, bytes)
	check(l.t, err)
	return sum
}

func (l *nodeLife) bytes(sum contracts.Amount) uint64 {
	return payments.Bytes(l.offer().Offer.PricePerGiB, sum)
}

func add(a, b contracts.Amount) contracts.Amount {
	sum, err := a.Add(b)
	if err != nil {
		panic(err)
	}
	return sum
}

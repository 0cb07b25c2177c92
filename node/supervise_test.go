package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/node"
	"byway/node/connection"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/tunnel/proxy"
)

// seller is one of a market's providers, which may be ended and begun again.
type seller struct {
	cfg  node.ProviderConfig
	node *node.Provider
	stop func() error
	down bool
}

// led is a market with several exits and a consumer whose connection is led.
type led struct {
	*world
	exits []*seller
	s     *connection.Supervisor
	cfg   connection.Config

	mu    sync.Mutex
	notes []error
}

// startLed starts as many exits; prices are those of the first, and the market's of the rest.
func startLed(t *testing.T, exits int, market marketConfig, prices ...string) *led {
	t.Helper()
	market.deposit = "0"
	l := &led{world: startMarketFor(t, market, 5*time.Minute)}
	check(t, l.world.stop())
	for i := range exits {
		e := &seller{}
		l.startProviderWith(func(cfg *node.ProviderConfig) {
			cfg.Terms.Price = orDefault(market.price, "0.1")
			if i < len(prices) {
				cfg.Terms.Price = tokens(prices[i])
			}
			e.cfg = *cfg
		})
		e.node, e.stop = l.provider, l.world.stop
		l.exits = append(l.exits, e)
	}
	l.cfg = connection.Config{Note: func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.notes = append(l.notes, err)
	}}
	l.lead()
	return l
}

func (l *led) lead() {
	l.t.Helper()
	s, err := connection.Supervise(l.ctx, l.consumer.Consumer, l.cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.s = s
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		check(l.t, s.Close(ctx))
	})
}

func budget(of string) connection.Want {
	return connection.Want{Budgets: connection.Budgets{Session: tokens(of)}}
}

func (l *led) connect(w connection.Want) {
	l.t.Helper()
	if err := l.s.Connect(l.ctx, w); err != nil {
		l.t.Fatal(err)
	}
}

// at is the exit that new flows go to.
func (l *led) at() *seller {
	l.t.Helper()
	status := l.s.Snapshot()
	for _, e := range l.exits {
		if status.Exit != nil && e.cfg.Key.Address() == status.Exit.Provider {
			return e
		}
	}
	l.t.Fatalf("there is no session: %+v", status)
	return nil
}

func (l *led) is(state connection.State) {
	l.t.Helper()
	eventually(l.t, 3*time.Minute, "the connection is "+state.String(), func() bool { return l.s.Snapshot().State == state })
}

// fetch gets that many bytes through the connection, on a flow of its own.
func (l *led) fetch(ctx context.Context, size int) error {
	transport := &http.Transport{DialContext: l.s.Dialer().DialContext, DisableKeepAlives: true}
	return l.get(ctx, transport, size)
}

func (l *led) get(ctx context.Context, transport *http.Transport, size int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.web.address+"/"+strconv.Itoa(size), nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Equal(got, l.web.content[:size]) {
		err = errContent
	}
	return err
}

// pause is how long it takes until a new flow works.
func (l *led) pause() time.Duration {
	l.t.Helper()
	began := time.Now()
	eventually(l.t, time.Minute, "a new flow works", func() bool {
		ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
		defer cancel()
		return l.fetch(ctx, 1000) == nil
	})
	return time.Since(began)
}

// kill ends an exit as a power cut does.
func (e *seller) kill(t testing.TB) {
	t.Helper()
	e.down = true
	check(t, e.node.Crash())
	_ = e.stop() // it fails, as it must
}

func (e *seller) drain(t testing.TB) {
	t.Helper()
	e.down = true
	check(t, e.stop())
}

// restart opens an exit's home again.
func (l *led) restart(e *seller) {
	l.t.Helper()
	p, err := node.OpenProvider(l.ctx, e.cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	running, cancel := context.WithCancel(context.Background())
	if _, err := p.Publish(l.ctx); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	stopped := sync.OnceValue(func() error { cancel(); return <-ended })
	l.t.Cleanup(func() { check(l.t, stopped()) })
	e.node, e.stop, e.down = p, func() error {
		err := stopped()
		stopped = func() error { return nil }
		return err
	}, false
}

// promised is what the consumer has promised to all exits.
func (l *led) promised() (sum contracts.Amount) {
	l.t.Helper()
	for _, e := range l.exits {
		sum = sum.AddCap(l.promisedTo(e))
	}
	return sum
}

func (l *led) promisedTo(e *seller) contracts.Amount {
	l.t.Helper()
	sum, err := l.consumer.Ledger.Promised(l.ctx, l.consumer.Domain, l.channel(e))
	check(l.t, err)
	return sum
}

func (l *led) channel(e *seller) contracts.Channel {
	c := l.consumer.Channel(l.exits[0].node.Offer().Offer)
	c.Payee = e.cfg.Key.Address()
	return c
}

// agree compares both sides' books of every exit: what the consumer has promised is what the provider holds, where it was
// ended in order; what a power cut has kept from a provider was never served.
func (l *led) agree(cut map[*seller]bool) {
	l.t.Helper()
	for i, e := range l.exits {
		books := e.node.Ledger
		if e.down {
			var err error
			if books, err = ledger.Open(filepath.Join(e.cfg.Home.Dir(), "ledger.db"), ""); err != nil {
				l.t.Fatal(err)
			}
		}
		a, _, err := books.Account(l.ctx, ledger.Payee, l.consumer.Domain, l.channel(e))
		check(l.t, err)
		if e.down {
			check(l.t, books.Close())
		}
		own := l.promisedTo(e)
		l.t.Logf("exit %d: promised %s, held %s", i, own, a.Total)
		if a.Total != own && (!cut[e] || own.Less(a.Total)) {
			l.t.Errorf("exit %d holds promises for %s, the consumer has promised %s", i, a.Total, own)
		}
	}
}

func (l *led) off() connection.Receipt {
	l.t.Helper()
	receipt, err := l.s.Off(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return receipt
}

func TestAKilledExitIsReplacedByTheNextBest(t *testing.T) {
	t.Parallel()
	l := startLed(t, 3, marketConfig{})
	l.connect(budget("0.5"))
	l.pause()
	first := l.at()
	first.kill(t)
	t.Logf("a killed exit: a new flow works after %s", l.pause())
	second := l.at()
	if second == first {
		t.Fatal("the exit is the dead one")
	}
	if l.s.Snapshot().State != connection.Connected {
		t.Errorf("the connection is %+v", l.s.Snapshot())
	}
	second.drain(t)
	t.Logf("a drained exit: a new flow works after %s", l.pause())
	third := l.at()
	if third == first || third == second {
		t.Fatal("the exit is one that is gone")
	}
	receipt := l.off()
	if receipt.Sessions < 3 || receipt.Paid.IsZero() || l.s.Snapshot().Wanted {
		t.Errorf("the receipt is %+v, the connection %+v", receipt, l.s.Snapshot())
	}
	if tokens("0.5").Less(l.promised()) {
		t.Errorf("promised are %s of 0.5", l.promised())
	}
	l.agree(map[*seller]bool{first: true})
	// The dead one is served and paid as before once it is back, to the unit.
	l.restart(first)
	<-first.node.Ready()
	w := budget("0.1")
	provider := first.cfg.Key.Address()
	w.Criteria.Provider = &provider
	eventually(t, time.Minute, "the exit is back", func() bool {
		return l.s.Connect(l.ctx, w) == nil || errors.Is(l.s.Connect(l.ctx, w), connection.ErrWanted)
	})
	l.is(connection.Connected)
	l.pause()
	l.off()
	l.agree(nil)
}

// An exit that says nothing any more, and closes nothing, is left; what it hears later is answered.
func TestASilentExitIsReplaced(t *testing.T) {
	t.Parallel()
	l := startLed(t, 2, marketConfig{})
	l.connect(budget("0.5"))
	first := l.at()
	// Neither its stream nor a new connection brings a word.
	first.node.Host().RemoveStreamHandler(wire.SessionProtocol)
	check(t, first.node.Host().Network().ClosePeer(l.consumer.Host().ID()))
	began := time.Now()
	eventually(t, time.Minute, "another exit is taken", func() bool {
		status := l.s.Snapshot()
		return status.State == connection.Connected && status.Exit.Provider != first.cfg.Key.Address()
	})
	t.Logf("replaced after %s", time.Since(began))
	l.pause()
	l.off()
}

func TestABrokenStreamThatComesBackCostsNoOtherSession(t *testing.T) {
	t.Parallel()
	l := startLed(t, 2, marketConfig{})
	l.connect(budget("0.5"))
	first := l.at()
	for range 3 {
		check(t, l.consumer.Host().Network().ClosePeer(first.node.Host().ID()))
		if err := l.fetch(l.ctx, 3<<20); err != nil {
			t.Fatal(err)
		}
	}
	l.s.Woken()
	if err := l.fetch(l.ctx, 3<<20); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the stream is back", func() bool { return !l.s.Snapshot().Doubted })
	if got := l.off(); got.Sessions != 1 {
		t.Errorf("it took %d sessions", got.Sessions)
	}
	l.agree(nil)
}

// At its budget a connection holds, its flow with it; a flow that was in the middle of a download goes on when more may be
// spent.
func TestAConnectionHoldsAtItsBudgetAndGoesOnWithItsFlows(t *testing.T) {
	t.Parallel()
	l := startLed(t, 1, marketConfig{})
	l.connect(budget("0.0005")) // 5 MiB at 0.1 for 2^30 bytes
	done := make(chan error, 1)
	go func() { done <- l.fetch(l.ctx, 24<<20) }()
	l.is(connection.Holding)
	status := l.s.Snapshot()
	if status.Reason != connection.SessionBudget || tokens("0.0005").Less(l.promised()) {
		t.Errorf("held for %q with %s promised of 0.0005", status.Reason, l.promised())
	}
	if status.Left != (contracts.Amount{}) {
		t.Errorf("%s are left", status.Left)
	}
	select {
	case err := <-done:
		t.Fatalf("the download has ended: %v", err)
	default:
	}
	if err := l.s.Spend(tokens("0.01")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("the download did not go on: %v", err)
	}
	l.is(connection.Connected)
	warned := false
	l.mu.Lock()
	for _, note := range l.notes {
		warned = warned || errors.As(note, new(*connection.BudgetWarning))
	}
	l.mu.Unlock()
	if !warned {
		t.Errorf("nobody was warned: %v", l.notes)
	}
	receipt := l.off()
	if receipt.Sessions != 1 || receipt.Rx < 24<<20 {
		t.Errorf("it took %+v", receipt)
	}
	l.agree(nil)
}

func TestAnotherExitIsTakenWithoutAGap(t *testing.T) {
	t.Parallel()
	l := startLed(t, 2, marketConfig{})
	l.connect(budget("0.5"))
	first := l.at()
	slow := make(chan error, 1) // a flow that goes on through the old exit
	began := make(chan struct{})
	go func() {
		conn, err := l.s.Dialer().DialContext(l.ctx, "tcp", l.web.address)
		if err == nil {
			close(began)
			defer conn.Close()
			for range 20 {
				time.Sleep(20 * time.Millisecond) // its pace, nothing waits for it
				if _, err = fmt.Fprintf(conn, "GET /100 HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
					_, err = io.ReadAtLeast(conn, make([]byte, 300), 200)
				}
				if err != nil {
					break
				}
			}
		}
		slow <- err
	}()
	<-began
	failed := make(chan error, 1)
	over := make(chan struct{})
	go func() { // new flows, one after the other, all the time
		for {
			select {
			case <-over:
				failed <- nil
				return
			default:
			}
			if err := l.fetch(l.ctx, 1000); err != nil {
				failed <- err
				return
			}
		}
	}()
	if err := l.s.Rotate(l.ctx); err != nil {
		t.Fatal(err)
	}
	if l.at() == first {
		t.Error("it is the same exit")
	}
	if err := <-slow; err != nil {
		t.Errorf("a flow through the old exit: %v", err)
	}
	close(over)
	if err := <-failed; err != nil {
		t.Errorf("a new flow: %v", err)
	}
	if got := l.off(); got.Sessions != 2 {
		t.Errorf("it took %d sessions", got.Sessions)
	}
	l.agree(nil)
}

// A daemon that was killed, or ended, comes back to what was wanted, and spends no more than was left.
func TestAConnectionOutlivesItsDaemon(t *testing.T) {
	t.Parallel()
	l := startLed(t, 2, marketConfig{})
	l.connect(budget("0.01"))
	if err := l.fetch(l.ctx, 8<<20); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		check(t, l.s.Close(l.ctx))
		if _, err := l.s.Off(l.ctx); !errors.Is(err, connection.ErrClosed) {
			t.Errorf("off after the end: %v", err)
		}
		check(t, l.consumer.Close())
		l.openConsumer()
		l.lead()
		if status := l.s.Snapshot(); !status.Wanted || status.State == connection.Off {
			t.Fatalf("it came back %+v", status)
		}
		l.is(connection.Connected)
		if err := l.fetch(l.ctx, 4<<20); err != nil {
			t.Fatal(err)
		}
	}
	left := l.s.Snapshot().Left
	if sum := l.promised(); tokens("0.01") != sum.AddCap(left) {
		t.Errorf("%s were promised, %s are left of 0.01", sum, left)
	}
	l.off()
	l.agree(nil)
	check(t, l.s.Close(l.ctx))
	l.lead()
	if status := l.s.Snapshot(); status.Wanted {
		t.Errorf("what was ended is wanted again: %+v", status)
	}
}

func TestAConnectionThatFindsNobodyIsBlockedAndGoesOn(t *testing.T) {
	t.Parallel()
	l := startLed(t, 1, marketConfig{})
	w := budget("0.5")
	w.Criteria.MaxPricePerGiB = tokens("0.01")
	var stands *connection.StandsError
	if err := l.s.Connect(l.ctx, w); !errors.As(err, &stands) || stands.Status.Reason != connection.NoOffer {
		t.Fatalf("below every price: %v", err)
	}
	if status := l.s.Snapshot(); !status.Wanted || status.State != connection.Blocked {
		t.Errorf("the connection is %+v", status)
	}
	if err := l.s.Connect(l.ctx, w); !errors.Is(err, connection.ErrWanted) {
		t.Errorf("a second wish: %v", err)
	}
	l.off()
	if _, err := l.s.Off(l.ctx); !errors.Is(err, connection.ErrUnwanted) {
		t.Errorf("off twice: %v", err)
	}
	if err := l.s.Connect(l.ctx, connection.Want{}); !errors.As(err, new(*connection.InvalidError)) {
		t.Errorf("without a budget: %v", err)
	}
	// One that comes to the market is taken.
	l.connect(budget("0.5"))
	only := l.at()
	only.drain(t)
	l.is(connection.Blocked)
	l.restart(only)
	l.is(connection.Connected)
	l.pause()
	l.off()
	l.agree(nil)
}

var errLocked = errors.New("locked")

// lockedKey is an account's key that can be locked.
type lockedKey struct {
	contracts.Signer
	mu   *sync.Mutex
	shut *bool
}

func (k lockedKey) SignDigest(digest common.Hash) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if *k.shut {
		return nil, errLocked
	}
	return k.Signer.SignDigest(digest)
}

// While the account's key is locked what is deposited is used, and only a deposit waits.
func TestALockedAccountHoldsDepositsAlone(t *testing.T) {
	t.Parallel()
	l := startLed(t, 1, marketConfig{})
	check(t, l.s.Close(l.ctx))
	check(t, l.consumer.Close())
	key := lockedKey{l.world.cfg.Key, new(sync.Mutex), new(bool)}
	shut := func(is bool) {
		key.mu.Lock()
		defer key.mu.Unlock()
		*key.shut = is
	}
	l.world.cfg.Key = key
	l.openConsumer()
	l.cfg.Locked = func(err error) bool { return errors.Is(err, errLocked) }
	l.lead()
	shut(true)
	var stands *connection.StandsError
	if err := l.s.Connect(l.ctx, budget("0.002")); !errors.As(err, &stands) || stands.Status.Reason != connection.Locked {
		t.Fatalf("without a deposit: %v", err)
	}
	shut(false)
	l.s.Retry()
	l.is(connection.Connected)
	l.pause()
	shut(true)
	if err := l.s.Spend(tokens("0.01")); err != nil { // beyond what is deposited
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.fetch(l.ctx, 48<<20) }()
	eventually(t, time.Minute, "it holds for the key", func() bool {
		status := l.s.Snapshot()
		return status.State == connection.Holding && status.Reason == connection.Locked
	})
	if l.promised().Less(tokens("0.0015")) {
		t.Errorf("held with %s of 0.002 used", l.promised())
	}
	shut(false)
	l.s.Retry()
	l.is(connection.Connected)
	<-done // whether its flow outlived the wait is the provider's patience
	l.pause()
	if got := l.s.Snapshot().Deposited; tokens("0.012").Less(got) {
		t.Errorf("%s were deposited of 0.012", got)
	}
	l.off()
}

// An exit that takes a Hello and never answers holds nobody up, and is paid a tick at most.
func TestAdversaryExitsThatNeverAnswerHoldNobodyUp(t *testing.T) {
	t.Parallel()
	l := startLed(t, 4, marketConfig{}, "0.4")
	for _, e := range l.exits[1:] {
		<-e.node.Ready()
		e.node.Host().SetStreamHandler(wire.SessionProtocol, func(network.Stream) {})
	}
	began := time.Now()
	l.connect(budget("0.5"))
	l.pause()
	took := time.Since(began)
	if l.at() != l.exits[0] {
		t.Error("it is connected to an exit that never answers")
	}
	offer := l.exits[0].node.Offer().Offer
	tick, err := payments.Cost(offer.PricePerGiB, offer.Tick)
	check(t, err)
	for i, e := range l.exits[1:] {
		if sum := l.promisedTo(e); tick.Less(sum) {
			t.Errorf("exit %d was promised %s, a tick is %s", i+1, sum, tick)
		}
	}
	t.Logf("adversary: three of four exits take a Hello and never answer | bound: the next is asked after 2 s, a tick is lost "+
		"to each | seen: a flow after %s", took)
	l.off()
}

// A day's budget is held over sessions and daemons, and begins anew by itself.
func TestADaysBudgetBeginsAnewByItself(t *testing.T) {
	t.Parallel()
	l := startLed(t, 1, marketConfig{})
	check(t, l.s.Close(l.ctx))
	var mu sync.Mutex
	now, before := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), contracts.Amount{}
	l.cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	l.cfg.Spent = func(ctx context.Context, since time.Time) (contracts.Amount, error) {
		sum, err := l.consumer.Ledger.Promised(ctx, l.consumer.Domain, l.channel(l.exits[0]))
		mu.Lock()
		defer mu.Unlock()
		if since.Day() != 1 || since.Month() == time.November {
			return sum, err
		}
		return sum.SubFloor(before), err // of December
	}
	l.lead()
	w := connection.Want{Budgets: connection.Budgets{Session: tokens("0.1"), Day: tokens("0.0005")}}
	l.connect(w)
	done := make(chan error, 1)
	go func() { done <- l.fetch(l.ctx, 8<<20) }()
	l.is(connection.Holding)
	if status := l.s.Snapshot(); status.Reason != connection.DayBudget || status.Day.Spent != tokens("0.0005") {
		t.Errorf("it is %s for %q with %+v", status.State, status.Reason, status.Day)
	}
	// Another daemon on the same day has nothing to spend.
	check(t, l.s.Close(l.ctx))
	<-done
	l.lead()
	l.is(connection.Holding)
	if sum := l.promised(); tokens("0.0005").Less(sum) {
		t.Errorf("%s are promised of a day's 0.0005", sum)
	}
	mu.Lock()
	before, now = l.promised(), now.Add(24*time.Hour)
	mu.Unlock()
	l.is(connection.Connected)
	if err := l.fetch(l.ctx, 3<<20); err != nil {
		t.Fatal(err)
	}
	l.off()
	if sum := l.promised(); tokens("0.001").Less(sum) {
		t.Errorf("%s are promised in two days of 0.0005", sum)
	}
	l.agree(nil)
}

// What a connection has begun is over when its supervisor is closed. It runs alone, since it looks at the process.
func TestASupervisorLeavesNothingBehind(t *testing.T) {
	l := startLed(t, 2, marketConfig{})
	l.connect(budget("0.5"))
	l.pause()
	check(t, l.s.Rotate(l.ctx))
	l.at().kill(t)
	check(t, l.s.Close(l.ctx)) // in the middle of looking for another one
	eventually(t, time.Minute, "all goroutines have ended", func() bool {
		var stacks bytes.Buffer
		check(t, pprof.Lookup("goroutine").WriteTo(&stacks, 2))
		return !strings.Contains(stacks.String(), "byway/node/connection.")
	})
}

// TestAdversaryAConnectionInAnyWeather leads a connection through whatever may become of its exits, its user and its
// daemon, in any order. Its proxy listens at one address throughout.
func TestAdversaryAConnectionInAnyWeather(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	l := startLed(t, 3, marketConfig{})
	total := tokens("0.2")
	l.connect(connection.Want{Budgets: connection.Budgets{Session: total}})
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(l.ctx)
	served := make(chan error, 1)
	p := proxy.New(proxy.Config{Dialer: dialerFunc(func() proxy.Dialer { return l.s.Dialer() }), Users: []uint32{uint32(os.Getuid())}})
	go func() { served <- p.Serve(serving, listener) }()
	cut := map[*seller]bool{}
	up := func() (list []*seller) {
		for _, e := range l.exits {
			if !e.down {
				list = append(list, e)
			}
		}
		return list
	}
	for step := range 14 {
		alive := up()
		if l.s.Snapshot().State == connection.Off {
			t.Fatalf("step %d: it is off, unasked", step)
		}
		switch what := r.IntN(7); {
		case what <= 1 && len(alive) > 1:
			e := alive[r.IntN(len(alive))]
			t.Logf("step %d: an exit is killed", step)
			cut[e] = true
			e.kill(t)
		case what == 2 && len(alive) > 1:
			t.Logf("step %d: an exit is drained", step)
			alive[r.IntN(len(alive))].drain(t)
		case what == 3 && len(alive) < len(l.exits):
			for _, e := range l.exits {
				if e.down {
					t.Logf("step %d: an exit is started", step)
					l.restart(e)
					break
				}
			}
		case what == 4:
			err := l.s.Rotate(l.ctx)
			t.Logf("step %d: another exit is asked for: %v", step, err)
		case what == 5:
			t.Logf("step %d: the daemon is restarted", step)
			check(t, l.s.Close(l.ctx))
			check(t, l.consumer.Close())
			l.openConsumer()
			l.lead()
		case what == 6:
			t.Logf("step %d: more may be spent", step)
			total = total.AddCap(tokens("0.01"))
			check(t, l.s.Spend(tokens("0.01")))
			l.s.Woken()
		}
		through := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyURL(mustURL("http://" + listener.Addr().String()))}
		eventually(t, 90*time.Second, "a flow works", func() bool {
			ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
			defer cancel()
			return l.get(ctx, through, 200_000) == nil
		})
		if sum := l.promised(); total.Less(sum) {
			t.Fatalf("step %d: %s are promised of %s", step, sum, total)
		}
	}
	l.off()
	if sum := l.promised(); total.Less(sum) {
		t.Errorf("%s are promised of %s", sum, total)
	}
	l.agree(cut)
	stop()
	check(t, <-served)
	t.Logf("adversary: exits killed, drained and restarted, daemons ended, exits changed | bound: off by its user alone, "+
		"never beyond the budget, books agree | seen: %s promised of %s", l.promised(), total)
}

// dialerFunc is the dialer of whichever daemon there is.
type dialerFunc func() proxy.Dialer

func (f dialerFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f().DialContext(ctx, network, address)
}

func (f dialerFunc) ListenUDP() (net.PacketConn, error) { return f().ListenUDP() }

func (f dialerFunc) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return f().Resolve(ctx, host)
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

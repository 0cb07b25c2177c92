package node_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/ipfs/crowd"
	"byway/node"
	"byway/node/serve"
	"byway/node/wire"
	"byway/payments"
)

// codeOf is the code of a refusal, 0 for none; a refusal that gives a promise away is an error.
func codeOf(t *testing.T, err error) wire.RefusalCode {
	t.Helper()
	var told *node.LatestError
	if errors.As(err, &told) {
		t.Errorf("the refusal carries a promise: %v", err)
	}
	var refused *wire.RefusalError
	if err != nil && !errors.As(err, &refused) {
		t.Errorf("neither welcomed nor refused: %v", err)
		return wire.RefusedInternal
	}
	if err == nil {
		return 0
	}
	return refused.Code
}

// rows are the sessions that the provider's ledger has ever had.
func (m *world) rows() int {
	m.t.Helper()
	list, err := m.provider.Ledger.Sessions(m.ctx, math.MaxInt32, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	return len(list)
}

// above is a greeting of the consumer's whose promise rises by a tick above the total so far.
func (m *world) above(t *testing.T, total contracts.Amount) node.Greeting {
	t.Helper()
	return m.greeting(t, m.cfg.Session, func(p *payments.Promise) {
		sum, err := total.Add(p.Cumulative)
		if err != nil {
			t.Fatal(err)
		}
		p.Cumulative = sum
	})
}

func TestAdversaryStreamsThatRaceOneSessionID(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	const streams = 3 // fewer than one peer may have that are no session: those of the last round may still count
	rounds, welcomed := 5, 0
	for round := range rounds {
		var greetings [streams]node.Greeting
		for i := range greetings {
			greetings[i] = m.above(t, tokens(fmt.Sprintf("0.0%d", round+1)))
			greetings[i].Session = greetings[0].Session
		}
		var errs [streams]error
		var opened [streams]network.Stream
		var race sync.WaitGroup
		for i := range greetings {
			race.Go(func() { opened[i], errs[i] = m.consumer.GreetAndStay(m.ctx, m.offer().Offer, greetings[i]) })
		}
		race.Wait()
		won := 0
		for i, err := range errs {
			switch code := codeOf(t, err); code {
			case 0:
				won++
				defer opened[i].Reset()
			case wire.RefusedSession:
			default:
				t.Errorf("round %d: refused with code %d: %v", round, code, err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d of %d streams were welcomed with one id", round, won, streams)
		}
		welcomed += won
	}
	if n := len(m.provider.Sessions()); n != rounds {
		t.Errorf("%d sessions are served, want %d", n, rounds)
	}
	m.held(fmt.Sprintf("%d streams race one session id, %d times", streams, rounds), "one session an id",
		fmt.Sprintf("%d welcomed, %d served, %d rows", welcomed, len(m.provider.Sessions()), m.rows()))
}

func TestAdversarySessionIDAfterClose(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 3<<20); err != nil {
		t.Fatal(err)
	}
	receipt := m.settled(s)
	rows := m.rows()
	for range 3 {
		g := m.above(t, receipt.Paid)
		g.Session = s.ID()
		if code := codeOf(t, m.consumer.Greet(m.ctx, m.offer().Offer, g)); code != wire.RefusedSession {
			t.Errorf("an id that was closed gave code %d, want %d", code, wire.RefusedSession)
		}
	}
	m.paidExactly(receipt, s.ID())
	if n := len(m.provider.Sessions()); n != 0 || m.rows() != rows {
		t.Errorf("%d sessions are served, %d rows, want none and %d", n, m.rows(), rows)
	}
	m.held("a closed session's id is opened again with a promise that rises", "refused, the record stays",
		fmt.Sprintf("3 refused, %s on record", receipt.Paid))
}

func TestAdversarySessionIDAgainAndAgain(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Terms.Capacity.Sessions = 2 })
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	id, welcomed := payments.NewSessionID(), 0
	for i := range 40 {
		g := m.above(t, tokens(fmt.Sprintf("0.%03d", i+1)))
		g.Session = id
		stream, err := m.consumer.GreetAndStay(m.ctx, m.offer().Offer, g)
		if code := codeOf(t, err); code != 0 && code != wire.RefusedSession {
			t.Errorf("Hello %d: %v", i, err)
		}
		if err == nil {
			welcomed++
			defer stream.Reset()
		}
	}
	use := m.provider.PeersUse()
	if welcomed != 1 || use.Sessions != 1 || m.provider.Exit().Sessions() != 1 {
		t.Errorf("%d welcomed, %d sessions, %d peers in the tunnel, want one of each", welcomed, use.Sessions, m.provider.Exit().Sessions())
	}
	m.held("40 Hellos with one session id at two sessions at most", "one session, one peer",
		fmt.Sprintf("%d welcomed, %d peers", welcomed, m.provider.Exit().Sessions()))
}

func TestAdversaryMoreSessionsThanAreSold(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	const most, n = 2, 40
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Terms.Capacity.Sessions = most })
	payers, host, offer, domain := m.vaults(n), m.hostOf(), m.offer(), payments.DomainOf(m.Network.Deployment)
	peers := make([]*crowd.Peer, n)
	for i := range peers {
		peers[i] = someone(t)
		if err := peers[i].Connect(m.ctx, host); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, n)
	var group errgroup.Group
	for i := range peers {
		group.Go(func() error {
			_, errs[i] = node.GreetOver(func() (network.Stream, error) {
				return peers[i].Open(m.ctx, host.ID, wire.SessionProtocol)
			}, domain, offer, payers[i])
			return nil
		})
	}
	check(t, group.Wait())
	welcomed := 0
	for _, err := range errs {
		switch code := codeOf(t, err); code {
		case 0:
			welcomed++
		case wire.RefusedBusy:
		default:
			t.Errorf("refused with code %d: %v", code, err)
		}
	}
	// As many may wait for a place, and for a moment a few more where some have rested for long.
	use := m.provider.PeersUse()
	if welcomed < most || use.Sessions != most || use.Resting > most+serve.HelloLooks {
		t.Errorf("%d welcomed, %d sessions, %d rest, want %d sessions", welcomed, use.Sessions, use.Resting, most)
	}
	m.held(fmt.Sprintf("%d Hellos at once, each with an id of its own, at %d sessions at most", n, most),
		fmt.Sprintf("%d sessions, as many wait", most), fmt.Sprintf("%d sessions, %d wait", use.Sessions, use.Resting))
}

func TestAdversaryFailingDuplicateOfALiveSession(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	rows, tries := m.rows(), 0
	for name, change := range map[string]func(*node.Greeting){
		"in order":                  func(*node.Greeting) {},
		"with a broken ML-KEM key":  func(g *node.Greeting) { g.KEM = g.KEM[:100] },
		"for another offer":         func(g *node.Greeting) { g.Offer[10] ^= 1 },
		"that is not signed":        func(g *node.Greeting) { g.Sign = nil },
		"of an hour ago":            func(g *node.Greeting) { g.Time -= 3600 },
		"of a later version":        func(g *node.Greeting) { g.Versions = wire.Versions{From: 9, To: 9} },
		"whose promise is unfunded": func(g *node.Greeting) { g.Promise.Cumulative = tokens("7") },
	} {
		g := m.above(t, tokens("0.5"))
		change(&g)
		g.Session = s.ID()
		if code := codeOf(t, m.consumer.Greet(m.ctx, m.offer().Offer, g)); code != wire.RefusedSession {
			t.Errorf("a duplicate %s: code %d, want %d", name, code, wire.RefusedSession)
		}
		tries++
	}
	// The live one goes on beyond a window, which takes its promises, and comes to its end in order.
	if err := m.download(s.Tunnel(), 16<<20); err != nil {
		t.Errorf("the live session broke: %v; %v", err, s.Err())
	}
	receipt := m.settled(s)
	if m.rows() != rows {
		t.Errorf("%d rows, want %d", m.rows(), rows)
	}
	m.held(fmt.Sprintf("%d Hellos with a live session's id, most of which fail", tries), "refused, the live one is untouched",
		fmt.Sprintf("16 MiB more, settled exactly with %s", receipt.Paid))
}

func TestAdversaryReplaysLearnNothing(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	offer := m.offer()
	recorded := m.greeting(t, m.cfg.Session, nil)
	stream, err := m.consumer.GreetAndStay(m.ctx, offer.Offer, recorded)
	if err != nil {
		t.Fatal(err)
	}
	hello := recorded.Hello // as it went over the wire
	hello.Payer, hello.Signer, hello.Token = recorded.Promise.Payer, recorded.Promise.Signer, recorded.Promise.Token
	hello.First = wire.NewPromise(recorded.Promise)
	hosts := wire.Hosts{Consumer: m.consumer.Host().ID(), Provider: m.provider.Host().ID()}
	check(t, hello.Sign(m.consumer.Domain, offer.Offer.Payee, hosts, m.cfg.Session))
	// A later promise, which is nobody's business.
	later := m.above(t, tokens("0.0123")).Promise
	later.Share = later.Cumulative
	check(t, wire.NewStream(stream).Send(&wire.Pay{Promise: wire.NewPromise(later)}))
	eventually(t, time.Minute, "the later promise is taken", func() bool {
		r, err := m.provider.Ledger.Session(m.ctx, recorded.Session, true)
		return err == nil && !r.Amount.IsZero() && recorded.Promise.Cumulative.Less(r.Amount)
	})
	rows := m.rows()

	thief, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	other := someone(t)
	if err := other.Connect(m.ctx, m.hostOf()); err != nil {
		t.Fatal(err)
	}
	elsewhere := func(h wire.Hello, sign contracts.Signer) error { return m.replayFrom(other, h, sign) }
	fresh := hello
	fresh.Session, fresh.Signature = payments.NewSessionID(), contracts.Signature{}
	for name, c := range map[string]struct {
		say  func() error
		want wire.RefusalCode
	}{
		"an old promise, unsigned":             {func() error { return elsewhere(fresh, nil) }, wire.RefusedPromise},
		"an old promise, signed by the thief":  {func() error { return elsewhere(fresh, thief) }, wire.RefusedPromise},
		"the whole Hello from another host":    {func() error { return elsewhere(hello, nil) }, wire.RefusedSession},
		"the whole Hello from its own host":    {func() error { return m.replay(hello) }, wire.RefusedSession},
		"the Hello's signature on another id":  {func() error { return elsewhere(withSignature(fresh, hello), nil) }, wire.RefusedPromise},
		"the same from the consumer's own one": {func() error { return m.replay(withSignature(fresh, hello)) }, wire.RefusedPromise},
	} {
		if code := codeOf(t, c.say()); code != c.want {
			t.Errorf("%s: code %d, want %d", name, code, c.want)
		}
	}
	if m.rows() != rows {
		t.Errorf("%d rows, want %d: a replay was recorded", m.rows(), rows)
	}
	m.held("old promises and whole Hellos are said again, from the same host and from others", "refused, without a promise, no row",
		fmt.Sprintf("6 refused, %d row", rows))
}

// withSignature is a Hello under the signature of another one.
func withSignature(h, of wire.Hello) wire.Hello {
	h.Signature = of.Signature
	return h
}

// replayFrom says a Hello from a peer's host: as it is, or signed by somebody under the name that it gives.
func (m *world) replayFrom(p *crowd.Peer, h wire.Hello, sign contracts.Signer) error {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, 30*time.Second)
	defer cancel()
	stream, err := p.Open(ctx, m.hostOf().ID, wire.SessionProtocol)
	if err != nil {
		m.t.Fatal(err)
	}
	defer stream.Reset()
	if sign != nil {
		own := h
		own.Signer = sign.Address()
		hosts := wire.Hosts{Consumer: stream.Conn().LocalPeer(), Provider: stream.Conn().RemotePeer()}
		check(m.t, own.Sign(m.consumer.Domain, m.offer().Offer.Payee, hosts, sign))
		h.Signature = own.Signature
	}
	return node.AnswerTo(stream, &h)
}

// replay says a Hello from the consumer's host, as it is.
func (m *world) replay(h wire.Hello) error {
	m.t.Helper()
	stream, err := m.consumer.Host().NewStream(m.ctx, m.hostOf().ID, wire.SessionProtocol)
	if err != nil {
		m.t.Fatal(err)
	}
	defer stream.Reset()
	return node.AnswerTo(stream, &h)
}

func TestAdversaryReplayAfterTheEndIsOfAKnownSession(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	g := m.greeting(t, m.cfg.Session, nil)
	g.Payer, g.Signer, g.Token, g.First = g.Promise.Payer, g.Promise.Signer, g.Promise.Token, wire.NewPromise(g.Promise)
	hosts := wire.Hosts{Consumer: m.consumer.Host().ID(), Provider: m.provider.Host().ID()}
	check(t, g.Hello.Sign(m.consumer.Domain, m.offer().Offer.Payee, hosts, m.cfg.Session))
	stream, err := m.consumer.Host().NewStream(m.ctx, m.hostOf().ID, wire.SessionProtocol)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.AnswerTo(stream, &g.Hello); err != nil {
		t.Fatal(err)
	}
	over := wire.NewStream(stream)
	check(t, over.Send(&wire.Close{}))
	check(t, over.CloseWrite())
	for done := false; !done; { // until the end is on the provider's disk
		f, err := over.Receive(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		_, done = f.(*wire.Close)
	}
	rows := m.rows()
	for range 2 {
		if code := codeOf(t, m.replay(g.Hello)); code != wire.RefusedSession {
			t.Errorf("code %d, want %d", code, wire.RefusedSession)
		}
	}
	other := someone(t)
	if err := other.Connect(m.ctx, m.hostOf()); err != nil {
		t.Fatal(err)
	}
	if code := codeOf(t, m.replayFrom(other, g.Hello, nil)); code != wire.RefusedPromise {
		t.Errorf("from another host: code %d, want %d", code, wire.RefusedPromise)
	}
	if n := len(m.provider.Sessions()); n != 0 || m.rows() != rows {
		t.Errorf("%d sessions are served, %d rows, want none and %d", n, m.rows(), rows)
	}
	m.held("a Hello is said again after its session, from its own host and from another one",
		"refused: the id is known, the host is not", "3 refused, no row")
}

// A Status says what of the channel is on the provider's disk, whichever of its sessions promised it.
func TestStatusTellsWhatIsPromisedAndWhatIsLeft(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	offer := m.offer().Offer
	first := m.greeting(t, m.cfg.Session, nil)
	one, err := m.consumer.GreetAndStay(m.ctx, offer, first)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Reset()
	second := m.above(t, first.Promise.Cumulative)
	two, err := m.consumer.GreetAndStay(m.ctx, offer, second)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Reset()
	for name, stream := range map[string]network.Stream{"the first session": one, "the second": two} {
		until := time.Now().Add(time.Minute)
		for {
			f, err := wire.NewStream(stream).Receive(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			status, ok := f.(*wire.Status)
			if !ok {
				t.Fatalf("%s: %s", name, wire.Name(f))
			}
			if status.Promised != second.Promise.Cumulative.Bytes() {
				if time.Now().After(until) {
					t.Fatalf("%s: promised %x, want %x", name, status.Promised, second.Promise.Cumulative.Bytes())
				}
				continue // said before the second one's promise was taken
			}
			if status.Window < offer.Window || status.Left != 2*offer.Tick+status.Window-status.Rx-status.Tx || status.Held || status.Final {
				t.Errorf("%s: %+v of a tick of %d and a window of %d", name, status, offer.Tick, offer.Window)
			}
			break
		}
	}
}

// Each side says which of the two is to be updated.
func TestProgramsOfAnotherProtocolAreTold(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	if _, err := m.consumer.Host().NewStream(m.ctx, m.hostOf().ID, "/byway/session/1"); err == nil ||
		!strings.Contains(err.Error(), "protocols not supported") {
		t.Errorf("a consumer of the first protocol is told %v", err)
	}
	g := m.greeting(t, m.cfg.Session, nil)
	g.Versions = wire.Versions{From: 3, To: 4}
	var refused *wire.RefusalError
	err := m.consumer.Greet(m.ctx, m.offer().Offer, g)
	if !errors.As(err, &refused) || refused.Versions != wire.Spoken() || !strings.Contains(refused.Reason, "speaks versions 2 to 2") ||
		!strings.Contains(refused.Reason, "consumer 3 to 4") {
		t.Errorf("a consumer of later versions is told %v", err)
	}
	m.provider.Host().RemoveStreamHandler(wire.SessionProtocol)
	eventually(t, time.Minute, "the consumer hears that the provider does not speak the protocol", func() bool {
		_, err := m.consumer.Connect(m.ctx, m.offer())
		return err != nil && strings.Contains(err.Error(), "does not speak /byway/session/2 and must be updated")
	})
}

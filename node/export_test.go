package node

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/node/serve"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
	"byway/tunnel"
)

// What follows lets the tests, which live outside this package because they use devnet, play a peer that cheats.

// Host is the consumer's libp2p host.
func (c *Consumer) Host() host.Host { return c.ipfs.Host() }

// Host is the provider's libp2p host.
func (p *Provider) Host() host.Host { return p.ipfs.Host() }

// Sessions counts the sessions that are served now.
func (p *Provider) Sessions() int { return p.server.Use().Sessions }

// Counted returns what the provider's meter says of a session, and how far its gate is open.
func (p *Provider) Counted(id payments.SessionID) (total, allowed uint64, state wire.State) {
	for _, s := range p.server.Sessions() {
		if s.Session == id.String() {
			return s.Rx + s.Tx, s.Allowed, s.State
		}
	}
	return 0, 0, wire.StateClosed
}

// Places sets how many sessions may rest, and how long one keeps a place whatever it does with it.
func (cfg *ProviderConfig) Places(resting int, keep time.Duration) {
	cfg.places = serve.Places{Resting: resting, Keep: keep}
}

// Trouble makes the provider's exit one that forwards nothing for that reason; for none, one that does again.
func (p *Provider) Trouble(why string) { p.troubled.Store(&why) }

// Crash does to a running provider what a power cut does, as far as one process can: its host is gone, then nothing is
// stored any more, then the exit is gone, which has forwarded until then. Nobody is told, and no session is ended. Its
// Run, which the caller stops, fails then.
func (p *Provider) Crash() error {
	return errors.Join(p.ipfs.Close(), p.ledger.Close(), p.exit.Close())
}

// Freeloader is a session that prepaid the first tick and never pays again.
type Freeloader struct {
	ID     payments.SessionID
	Tunnel *tunnel.Client
	Stream network.Stream
	over   wire.Stream
	payer  *payments.Payer
}

// OpenFreeloader opens a session as an honest consumer does and then leaves it to the test.
func (c *Consumer) OpenFreeloader(ctx context.Context, offer registry.Signed) (*Freeloader, error) {
	terms := payments.Terms{
		Session: payments.NewSessionID(), Channel: c.Channel(offer.Offer), PricePerGiB: offer.Offer.PricePerGiB,
		Tick: offer.Offer.Tick, Window: offer.Offer.Window, Offer: offer.CID.String(),
	}
	payer, err := payments.NewPayer(ctx, payments.PayerConfig{
		Domain: c.domain, Ledger: c.ledger, Signer: c.cfg.Session, Terms: terms, SpendCap: contracts.MaxAmount(),
		Funds: c.view.State,
	})
	if err != nil {
		return nil, err
	}
	o, err := c.open(ctx, offer, terms, payer)
	if err != nil {
		return nil, err
	}
	go func() { // reads what the provider says, so that its writes succeed; ends with the stream
		for {
			if _, err := o.stream.Receive(0); err != nil {
				return
			}
		}
	}()
	return &Freeloader{terms.Session, o.tunnel.(*tunnel.Client), o.stream.Transport.(network.Stream), o.stream, payer}, nil
}

// PayFor pays for the usage, once.
func (f *Freeloader) PayFor(ctx context.Context, u payments.Usage) error {
	p, due, err := f.payer.Due(ctx, u, false)
	if err != nil || !due {
		return err
	}
	return f.over.Send(&wire.Pay{Promise: wire.NewPromise(p)})
}

// SendPromise sends any promise as a Pay.
func (f *Freeloader) SendPromise(p payments.Promise) error {
	return f.over.Send(&wire.Pay{Promise: wire.NewPromise(p)})
}

// Last is the session's latest promise.
func (f *Freeloader) Last() payments.Promise { return f.payer.Last() }

// Greeting is a Hello that a test may spoil. Promise says on which channel.
type Greeting struct {
	wire.Hello
	Promise payments.Promise
	Sign    contracts.Signer // of the Hello; nil: it goes as it is
}

// Greet sends a Hello over a new stream and returns the refusal; nil where the session was welcomed.
func (c *Consumer) Greet(ctx context.Context, o registry.Offer, g Greeting) error {
	stream, err := c.GreetAndStay(ctx, o, g)
	if err == nil {
		stream.Reset()
	}
	return err
}

// GreetAndStay does so and leaves the session, or a stream that says "stale", to the test.
func (c *Consumer) GreetAndStay(ctx context.Context, o registry.Offer, g Greeting) (network.Stream, error) {
	stream, err := c.dial(ctx, o)
	if err != nil {
		return nil, err
	}
	hello := &g.Hello
	hello.Payer, hello.Signer, hello.Token, hello.First = g.Promise.Payer, g.Promise.Signer, g.Promise.Token, wire.NewPromise(g.Promise)
	if g.Sign != nil {
		if g.Sign.Address() != g.Promise.Signer {
			g.Sign = sessionOf{g.Sign, g.Promise.Signer}
		}
		hosts := wire.Hosts{Consumer: c.ipfs.Host().ID(), Provider: stream.Conn().RemotePeer()}
		if err := hello.Sign(c.domain, o.Payee, hosts, g.Sign); err != nil {
			return nil, err
		}
	}
	if err := AnswerTo(stream, hello); err != nil {
		stream.Reset()
		return nil, err
	}
	return stream, nil
}

// AnswerTo sends a Hello as it is and returns the refusal; nil where the session was welcomed.
func AnswerTo(stream network.Stream, hello *wire.Hello) error {
	over := wire.NewStream(stream)
	if err := over.Send(hello); err != nil {
		return err
	}
	reply, err := over.Receive(welcomeTimeout)
	if err != nil {
		return err
	}
	switch f := reply.(type) {
	case *wire.Refused:
		if f.Latest != nil {
			return &LatestError{f.Err(), *f.Latest}
		}
		return f.Err()
	case *wire.Welcome:
		return nil
	}
	return &wire.ProtocolError{Err: errors.New("no answer to Hello")}
}

// LatestError is a refusal that gives a promise away.
type LatestError struct {
	*wire.RefusedError
	Latest wire.Promise
}

// Unwrap returns the refusal.
func (e *LatestError) Unwrap() error { return e.RefusedError }

// Domain is what the consumer's promises are signed for.
func (c *Consumer) Domain() payments.Domain { return c.domain }

// AskReleaseAs asks for the release of this consumer's channel with somebody else's signature.
func (c *Consumer) AskReleaseAs(ctx context.Context, o registry.Offer, key contracts.Signer) error {
	stranger := *c
	stranger.cfg.Session = sessionOf{key, c.cfg.Session.Address()}
	_, err := stranger.AskRelease(ctx, o)
	return err
}

// sessionOf signs with a key under another one's name.
type sessionOf struct {
	contracts.Signer
	address common.Address
}

func (s sessionOf) Address() common.Address { return s.address }

// ColdSigner is an account whose key is elsewhere.
func ColdSigner(address common.Address) contracts.Signer { return coldSigner{address} }

// Ledger is where the consumer's promises are recorded.
func (c *Consumer) Ledger() *payments.Ledger { return c.ledger }

// Holds reports whether a block is in the consumer's store.
func (c *Consumer) Holds(ctx context.Context, block cid.Cid) (bool, error) {
	return c.ipfs.Holds(ctx, block)
}

// Revoke takes back what reserves were signed for a provider.
func (w *Wallet) Revoke(ctx context.Context, provider common.Address) error {
	data := channels.NewChannels().PackRevoke(w.network.Token, w.cfg.Session, provider)
	_, err := w.sender.Send(ctx, chain.Intent{ID: "revoke/" + rand.Text(), To: &w.network.Channels, Data: data})
	return err
}

// Lag has the consumer read its channels in a block so far below the newest one, so many times. It returns how many of
// those are left.
func (c *Consumer) Lag(blocks uint64, times int64) (left func() int64) {
	behind := &laggingBackend{ContractBackend: c.chain, blocks: blocks}
	behind.left.Store(times)
	c.view = payments.NewChainView(behind, c.network.Deployment)
	return behind.left.Load
}

type laggingBackend struct {
	bind.ContractBackend
	blocks uint64
	left   atomic.Int64
}

func (b *laggingBackend) HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error) {
	h, err := b.ContractBackend.HeaderByNumber(ctx, number)
	if err != nil || number != nil || b.left.Add(-1) < 0 {
		return h, err
	}
	return b.ContractBackend.HeaderByNumber(ctx, new(big.Int).Sub(h.Number, new(big.Int).SetUint64(b.blocks)))
}

// CloseAfter is CloseChannel by a wallet that does something before each transaction.
func (c *Consumer) CloseAfter(ctx context.Context, provider common.Address, before func() error) (Sent, error) {
	w, err := c.Wallet()
	if err != nil {
		return Sent{}, err
	}
	if w.funding, err = payments.NewFunding(payments.FundingConfig{
		Backend: c.chain, Sender: lateSender{w.sender, before}, Deployment: c.network.Deployment,
	}); err != nil {
		return Sent{}, err
	}
	return c.closeChannel(ctx, w, provider, common.Address{})
}

type lateSender struct {
	payments.Sender
	before func() error
}

func (s lateSender) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	if err := s.before(); err != nil {
		return chain.Result{}, err
	}
	return s.Sender.Send(ctx, i)
}

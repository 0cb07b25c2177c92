package node

import (
	"context"
	"crypto/mlkem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/prometheus/client_golang/prometheus"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/payer"
	"byway/registry"
	"byway/tunnel"
	"byway/tunnel/wireguard"
)

// What follows lets the tests, which live outside this package because they use devnet, play a peer that cheats.

// Host is the consumer's libp2p host.
func (n *Consumer) Host() host.Host { return n.IPFS.Host() }

// Host is the provider's libp2p host.
func (n *Provider) Host() host.Host { return n.IPFS.Host() }

// Collector returns the source of the provider's metrics.
func (n *Provider) Collector() prometheus.Collector { return providerMetrics{n.Provider} }

// Counted returns what the provider's meter says of a session, and how far its gate is open.
func (n *Provider) Counted(id payments.SessionID) (total, allowed uint64, state wire.State) {
	for _, s := range n.Sessions() {
		if s.Session == id.String() {
			return s.Rx + s.Tx, s.Allowed, s.State
		}
	}
	return 0, 0, wire.StateClosed
}

// Crash does to a running provider what a power cut does, as far as one process can: its host is gone, then nothing is
// stored any more, then the exit is gone, which has forwarded until then. Nobody is told, and no session is ended. Its
// Run, which the caller stops, fails then.
func (n *Provider) Crash() error {
	return errors.Join(n.IPFS.Close(), n.Ledger.Close(), n.Provider.Close())
}

// Freeloader is a session that prepaid the first tick and never pays again.
type Freeloader struct {
	ID     payments.SessionID
	Tunnel *tunnel.Client
	Stream network.Stream
	over   wire.Stream
	payer  *payer.Payer
}

// OpenFreeloader opens a session as an honest consumer does and then leaves it to the test.
func (n *Consumer) OpenFreeloader(ctx context.Context, offer registry.SignedOffer) (_ *Freeloader, err error) {
	terms := payments.Terms{
		Session: payments.NewSessionID(), Channel: n.Channel(offer.Offer), PricePerGiB: offer.Offer.PricePerGiB,
		Tick: offer.Offer.Tick, Window: offer.Offer.Window, Offer: offer.CID.String(),
	}
	payer, err := payer.New(ctx, payer.Config{
		Domain: n.Domain, Ledger: n.Ledger, Signer: n.session, Terms: terms, SpendCap: contracts.MaxAmount(),
		Funds: n.View.State,
	})
	if err != nil {
		return nil, err
	}
	first, err := payer.First(ctx)
	if err != nil {
		return nil, err
	}
	private, err := wireguard.GenerateKey()
	if err != nil {
		return nil, err
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	hello := &wire.Hello{
		Versions: wire.Spoken(), Session: terms.Session, Offer: offer.CID.Bytes(), Payer: first.Payer, Signer: first.Signer,
		Token: first.Token, WireGuard: private.Public(), KEM: kem.EncapsulationKey().Bytes(), First: wire.NewPromise(first),
		Time: uint64(time.Now().Unix()),
	}
	stream, err := n.dial(ctx, offer.Offer, wire.SessionProtocol)
	if err != nil {
		return nil, err
	}
	hosts := wire.Hosts{Consumer: stream.Conn().LocalPeer(), Provider: stream.Conn().RemotePeer()}
	if err := hello.Sign(n.Domain, offer.Offer.Payee, hosts, n.session); err != nil {
		return nil, err
	}
	over := wire.NewStream(stream)
	if err := over.Send(hello); err != nil {
		return nil, err
	}
	reply, err := over.Receive(answerTime)
	if err != nil {
		return nil, err
	}
	welcome, ok := reply.(*wire.Welcome)
	if !ok {
		return nil, fmt.Errorf("no welcome: %+v", reply)
	}
	psk, err := wire.Decapsulate(kem, hello, welcome)
	if err != nil {
		return nil, err
	}
	v4, _ := netip.AddrFromSlice(welcome.Inner4)
	v6, _ := netip.AddrFromSlice(welcome.Inner6)
	dns, _ := netip.AddrFromSlice(welcome.DNS)
	at, err := netip.ParseAddrPort(welcome.Endpoints[0].Address)
	if err != nil {
		return nil, err
	}
	client, err := tunnel.Dial(tunnel.ClientConfig{
		Private: private, Preshared: psk, Peer: welcome.WireGuard, Addrs: []netip.Addr{v4, v6}, DNS: dns, MTU: int(welcome.MTU),
		Endpoint: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()),
	})
	if err != nil {
		return nil, err
	}
	if err := client.Handshake(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	go func() { // reads what the provider says, so that its writes succeed; ends with the stream
		for {
			if _, err := over.Receive(0); err != nil {
				return
			}
		}
	}()
	return &Freeloader{terms.Session, client, stream, over, payer}, nil
}

// answerTime is how long a provider has for an answer.
const answerTime = 20 * time.Second

func (n *Consumer) dial(ctx context.Context, o registry.Offer, id protocol.ID) (network.Stream, error) {
	to, err := o.Host.AddrInfo()
	if err != nil {
		return nil, err
	}
	if err := n.IPFS.Host().Connect(ctx, to); err != nil {
		return nil, err
	}
	return n.IPFS.Host().NewStream(ctx, to.ID, id)
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
func (n *Consumer) Greet(ctx context.Context, o registry.Offer, g Greeting) error {
	stream, err := n.GreetAndStay(ctx, o, g)
	if err == nil {
		stream.Reset()
	}
	return err
}

// GreetAndStay does so and leaves the session, or a stream that says "stale", to the test.
func (n *Consumer) GreetAndStay(ctx context.Context, o registry.Offer, g Greeting) (network.Stream, error) {
	stream, err := n.dial(ctx, o, wire.SessionProtocol)
	if err != nil {
		return nil, err
	}
	hello := &g.Hello
	hello.Payer, hello.Signer, hello.Token, hello.First = g.Promise.Payer, g.Promise.Signer, g.Promise.Token, wire.NewPromise(g.Promise)
	if g.Sign != nil {
		if g.Sign.Address() != g.Promise.Signer {
			g.Sign = sessionOf{g.Sign, g.Promise.Signer}
		}
		hosts := wire.Hosts{Consumer: n.IPFS.Host().ID(), Provider: stream.Conn().RemotePeer()}
		if err := hello.Sign(n.Domain, o.Payee, hosts, g.Sign); err != nil {
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
	reply, err := over.Receive(answerTime)
	if err != nil {
		return err
	}
	switch f := reply.(type) {
	case *wire.Refusal:
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
	*wire.RefusalError
	Latest wire.Promise
}

// Unwrap returns the refusal.
func (e *LatestError) Unwrap() error { return e.RefusalError }

// AskReleaseAs asks for the release of this consumer's channel with somebody else's signature.
func (n *Consumer) AskReleaseAs(ctx context.Context, o registry.Offer, key contracts.Signer) error {
	stream, err := n.dial(ctx, o, wire.ReleaseProtocol)
	if err != nil {
		return err
	}
	over := wire.NewStream(stream)
	defer over.Close()
	channel := n.Channel(o)
	ask := &wire.AskRelease{Payer: channel.Payer, Signer: channel.Signer, Token: channel.Token, Time: uint64(time.Now().Unix())}
	hosts := wire.Hosts{Consumer: stream.Conn().LocalPeer(), Provider: stream.Conn().RemotePeer()}
	if err := ask.Sign(n.Domain, o.Payee, hosts, sessionOf{key, channel.Signer}); err != nil {
		return err
	}
	if err := over.Send(ask); err != nil {
		return err
	}
	reply, err := over.Receive(answerTime)
	if err != nil {
		return err
	}
	if refused, ok := reply.(*wire.Refusal); ok {
		return refused.Err()
	}
	return nil
}

// sessionOf signs with a key under another one's name.
type sessionOf struct {
	contracts.Signer
	address common.Address
}

func (s sessionOf) Address() common.Address { return s.address }

// Holds reports whether a block is in the consumer's store.
func (n *Consumer) Holds(ctx context.Context, block cid.Cid) (bool, error) {
	return n.IPFS.Holds(ctx, block)
}

// Lag has the consumer read its channels in a block so far below the newest one, so many times. It returns how many of
// those are left.
func (n *Consumer) Lag(blocks uint64, times int64) (left func() int64) {
	behind := &laggingBackend{ContractBackend: n.Chain, blocks: blocks}
	behind.left.Store(times)
	n.View = chainview.New(behind, n.Network.Deployment)
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

// Package path owns the consumer's life: sessions from Hello to receipt, the money that each needs set aside, the probe
// of an exit before it is trusted, a provider's consent to a channel's end, and the machine while it goes through them.
// Whom to choose from is package market's. It never imports package serve: the two sides meet in package wire alone.
package path

import (
	"context"
	"crypto/mlkem"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/node/account"
	"byway/node/market"
	"byway/node/probe"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/pace"
	"byway/payments/payer"
	"byway/registry"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/meter"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// The patience of a consumer.
const (
	dialTimeout      = 15 * time.Second
	welcomeTimeout   = 20 * time.Second // the provider may read the chain before it answers
	handshakeTimeout = 10 * time.Second
)

// Config says how a consumer chooses and spends.
type Config struct {
	Session contracts.Signer // signs promises
	// SpendCap is the most that one session may cost; more is never signed for.
	SpendCap contracts.Amount
	// Engine is the WireGuard implementation; empty: upstream's.
	Engine wireguard.Implementation
	// OneWayUDP takes, and pays for, what an exit sends on a UDP flow that was opened once, answered or not: see
	// [tunnel.ClientConfig].
	OneWayUDP bool
	// Hold sends the whole machine through the sessions; nil offers them to single programs.
	Hold *Hold
	// Supervised sessions stay when nothing more may be promised, say by their [Standing] how they are, and are patient
	// with a provider that is gone: somebody watches them and leads what goes through them elsewhere. SpendCap is then what
	// is set aside for a session, and Purse what bounds it.
	Supervised bool
	// Purse bounds what the sessions promise together; nil: each is bounded by SpendCap alone.
	Purse payer.Purse
}

// Consumer pays for traffic: it lists offers, deposits, and opens sessions with providers. The account that it spends from
// is its caller's to close, after it.
type Consumer struct {
	*account.Account
	cfg     Config
	hold    *Hold // of the machine; nil: there is none
	market  *market.Market
	funding *payer.Funding
	known   *account.Funds
	mark    uint32     // of the sockets that go past the machine's own tunnel; 0: there is none
	self    *probe.Own // how others see this machine
}

// Open makes a consumer of an account. Where the chain is down, and the home knows the network, it opens all the
// same: see [Consumer.Fund].
func Open(ctx context.Context, p *account.Account, cfg Config) (*Consumer, error) {
	c := &Consumer{Account: p, cfg: cfg, hold: cfg.Hold, self: &probe.Own{}}
	if c.hold != nil {
		c.mark = route.MarkUnderlay
	}
	var err error
	c.funding, err = payer.NewFunding(payer.FundingConfig{
		Backend: p.Chain.Agreed().OrAlone(), Sender: p.Sender, Deployment: p.Network.Deployment, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	if c.known, err = account.ReadFunds(p.Home, p.Network); err != nil {
		return nil, err
	}
	c.market, err = market.OpenOn(ctx, p)
	return c, err
}

// With is a consumer on the same account that chooses and spends otherwise. It holds nothing of its own, but for the
// machine of [Config.Hold], which its caller ends; it must not be closed.
func (c *Consumer) With(change func(*Config)) *Consumer {
	other := *c
	change(&other.cfg)
	if other.hold = other.cfg.Hold; other.hold != nil {
		other.mark = route.MarkUnderlay
	}
	return &other
}

// Close gives the machine back: it is the end that the user asked for. Sessions must be closed before.
func (c *Consumer) Close() error { return c.end("") }

// Abandon ends the consumer at any other end, for a reason in words. A machine that went through a session stays shut: see
// [InspectMachine].
func (c *Consumer) Abandon(reason string) error {
	if reason == "" {
		reason = "the session has ended"
	}
	return c.end(reason)
}

func (c *Consumer) end(reason string) error {
	// The machine first: what the rest meets on its way, such as a home that is gone or a disk that is full, keeps no user
	// from opening it.
	return errors.Join(c.hold.End(reason), c.market.Close())
}

// Market is this consumer's view of who sells.
func (c *Consumer) Market() *market.Market { return c.market }

// WaitReady waits until the IPFS network can be asked for offers.
func (c *Consumer) WaitReady(ctx context.Context) error { return c.IPFS.WaitReady(ctx) }

// Offers lists what is registered, each offer fetched and verified. See [market.Market.Offers].
func (c *Consumer) Offers(ctx context.Context) iter.Seq2[directory.Listing, error] {
	return c.market.Offers(ctx)
}

// Channel is the payment channel from this consumer to the provider of an offer.
func (c *Consumer) Channel(o registry.Offer) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: o.Token, Payer: c.Key.Address(), Signer: c.cfg.Session.Address()},
		Payee: o.Payee,
	}
}

// Connect opens a session on an offer: it dials the provider, prepays the first tick, and returns when the tunnel is up.
// The session lives until it is closed or fails; ctx bounds the opening alone.
func (c *Consumer) Connect(ctx context.Context, offer registry.SignedOffer) (*Session, error) {
	began := time.Now()
	terms := payments.Terms{
		Session: payments.NewSessionID(), Channel: c.Channel(offer.Offer), PricePerGiB: offer.Offer.PricePerGiB,
		Tick: offer.Offer.Tick, Window: offer.Offer.Window, Offer: offer.CID.String(),
	}
	spendCap := c.cfg.SpendCap
	if c.cfg.Supervised {
		spendCap = contracts.MaxAmount()
	}
	payer, err := payer.New(ctx, payer.Config{
		Domain: c.Domain, Ledger: c.Ledger, Signer: c.cfg.Session, Terms: terms, SpendCap: spendCap, Funds: c.funds,
		Purse: c.cfg.Purse,
	})
	if err != nil {
		return nil, err
	}
	opened, err := c.open(ctx, offer, terms, payer)
	var refused *wire.RefusalError
	if errors.As(err, &refused) && refused.Code == wire.RefusedNewcomer {
		if err = c.setAside(ctx, terms.Channel, refused); err == nil {
			opened, err = c.open(ctx, offer, terms, payer)
		}
	}
	if err != nil {
		// What was promised stays the channel's, for the next time.
		_, _, ended := payer.Final(context.WithoutCancel(ctx), payments.Usage{})
		c.market.Failed(offer.Offer.Provider, err)
		return nil, c.Token.InTokens(errors.Join(err, ended))
	}
	s := newSession(c, offer, payer, opened, began)
	s.move(wire.StateOpen)
	if opened.rests {
		s.heard(&wire.Status{Resting: true})
	}
	s.use(s.stream)
	c.market.Background(s.measure)
	// The session outlives the call that opened it; Close and the provider end it.
	go s.run(context.WithoutCancel(ctx))
	if opened.rests {
		c.Log.Warn("all of the provider's places are taken: waiting until one is free or used little", "patience", placePatience)
		if err := s.awaitPlace(ctx); err != nil {
			_, closeErr := s.Close(context.WithoutCancel(ctx))
			c.market.Failed(offer.Offer.Provider, err)
			return nil, c.Token.InTokens(errors.Join(err, closeErr))
		}
	}
	return s, nil
}

// opening is a session that the provider has welcomed, with its tunnel up.
type opening struct {
	stream wire.Stream
	id     payments.SessionID
	tunnel carrier
	shake  time.Duration // WireGuard's handshake, which is a round trip
	rests  bool          // it waits for a place among those that are served
}

// carrier is a session's tunnel as the one who pays for it sees it: [tunnel.Client] or [tunnel.TUNClient].
type carrier interface {
	Handshake(ctx context.Context) error
	Counters() meter.Counters
	SetTick(n uint64)
	Notify() <-chan struct{}
	Ended() <-chan struct{}
	Offence() error
	Close() error
}

// open runs the opening: stream, Hello, Welcome, tunnel, handshake.
func (c *Consumer) open(
	ctx context.Context, offer registry.SignedOffer, terms payments.Terms, payer *payer.Payer,
) (opened *opening, err error) {
	if _, err := c.reach(ctx, offer.Offer); err != nil {
		return nil, err
	}
	private, err := wireguard.GenerateKey()
	if err != nil {
		return nil, err
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, fmt.Errorf("make ML-KEM key: %w", err)
	}
	first, err := payer.First(ctx)
	if err != nil {
		return nil, err
	}
	hello := &wire.Hello{
		Versions: wire.Spoken(), Session: terms.Session, Offer: offer.CID.Bytes(), Payer: first.Payer, Signer: first.Signer,
		Token: first.Token, WireGuard: private.Public(), KEM: kem.EncapsulationKey().Bytes(), First: wire.NewPromise(first),
	}
	if hello.Reserve, err = c.signedReserve(ctx, terms.Channel); err != nil {
		return nil, err
	}
	hello.Extensions = c.extensions()
	hello.Time = uint64(c.Times().Now.Unix())
	hosts := wire.Hosts{Consumer: c.IPFS.Host().ID(), Provider: offer.Offer.Host.Peer}
	if err := hello.Sign(c.Domain, terms.Channel.Payee, hosts, c.cfg.Session); err != nil {
		return nil, err
	}
	// The stream is opened when its first frame is ready: a provider gives it two seconds to come.
	stream, err := c.dial(ctx, offer.Offer)
	if err != nil {
		return nil, err
	}
	over := wire.NewStream(stream)
	// What waits for the provider's word ends with ctx.
	stop := context.AfterFunc(ctx, func() { _ = over.Reset() })
	defer func() {
		if ended := !stop(); ended && err == nil {
			err = errors.Join(ctx.Err(), opened.tunnel.Close())
		} else if ended {
			err = errors.Join(ctx.Err(), err)
		}
		if err != nil {
			over.Reset()
		}
	}()
	if err := over.Send(hello); err != nil {
		return nil, err
	}
	welcome, err := c.readWelcome(ctx, over, payer, terms.Channel)
	if err != nil {
		return nil, err
	}
	psk, err := wire.Decapsulate(kem, hello, welcome)
	if err != nil {
		return nil, &wire.ProtocolError{Err: err}
	}
	if err := checkTerms(welcome, offer.Offer); err != nil {
		return nil, &wire.ProtocolError{Err: err}
	}
	cfg, err := clientConfig(welcome, stream.Conn().RemoteMultiaddr(), c.Network.Private)
	if err != nil {
		return nil, &wire.ProtocolError{Err: err}
	}
	if c.hold != nil {
		if err := checkOnLink(cfg, c.hold.iface); err != nil {
			return nil, err
		}
	}
	cfg.Private, cfg.Preshared, cfg.Engine, cfg.Log = private, psk, c.cfg.Engine, c.Log
	cfg.OneWayUDP = c.cfg.OneWayUDP
	carrier, shake, err := c.raise(ctx, cfg, offer.Offer.Tick)
	if err != nil {
		return nil, err
	}
	return &opening{over, terms.Session, carrier, shake, welcome.Resting}, nil
}

// raise starts the consumer's end of a tunnel and, where the whole machine is to go through it, sends it there. It tells
// how long the handshake took.
func (c *Consumer) raise(
	ctx context.Context, cfg tunnel.ClientConfig, tick uint64,
) (_ carrier, shake time.Duration, err error) {
	var end carrier
	var held *heldTunnel
	began := time.Now()
	if c.hold == nil {
		cfg.Mark = c.mark
		end, err = tunnel.Dial(cfg)
	} else {
		held, err = c.hold.dial(cfg)
		end = held
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end.Close())
		}
	}()
	end.SetTick(pace.WakeEvery(tick))
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := end.Handshake(handshake); err != nil {
		return nil, 0, fmt.Errorf("no WireGuard handshake with %s within %s: %w", cfg.Endpoint, handshakeTimeout, err)
	}
	shake = time.Since(began)
	if held != nil {
		if err := c.hold.carry(ctx, held); err != nil {
			return nil, 0, err
		}
	}
	return end, shake, nil
}

// dial opens a session's stream to the host that the offer names; libp2p proves that it is that host.
func (c *Consumer) dial(ctx context.Context, o registry.Offer) (network.Stream, error) {
	return c.dialProtocol(ctx, o, wire.SessionProtocol)
}

func (c *Consumer) dialProtocol(ctx context.Context, o registry.Offer, id protocol.ID) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	host, err := c.reach(ctx, o)
	if err != nil {
		return nil, err
	}
	stream, err := c.IPFS.Host().NewStream(ctx, host, id)
	if err != nil {
		// Opening waited for what the host says it speaks.
		speaks, known := c.IPFS.Host().Peerstore().GetProtocols(host)
		if known == nil && len(speaks) > 0 && !slices.Contains(speaks, id) {
			return nil, fmt.Errorf("provider %s does not speak %s and must be updated: choose another one until it is: %w",
				o.Provider, id, err)
		}
		return nil, fmt.Errorf("provider %s: open a stream of %s: %w", o.Provider, id, err)
	}
	return stream, nil
}

// reach connects to the host that an offer names.
func (c *Consumer) reach(ctx context.Context, o registry.Offer) (peer.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return c.market.Dial(ctx, o)
}

// readWelcome reads the answer to Hello. A provider that knows a later promise of ours than this disk does says so; our
// own signature proves it, the total is recovered, and a promise above it opens the session. One that knows a later epoch
// of the channel than the Hello's reserve was signed for gets another reserve.
func (c *Consumer) readWelcome(
	ctx context.Context, over wire.Stream, payer *payer.Payer, channel contracts.Channel,
) (*wire.Welcome, error) {
	for recalled, signed := 0, false; ; {
		reply, err := over.Receive(welcomeTimeout)
		if errors.Is(err, io.EOF) {
			err = errors.New("the provider hung up")
		}
		if err != nil {
			return nil, fmt.Errorf("wait for the provider's welcome: %w", err)
		}
		switch f := reply.(type) {
		case *wire.Welcome:
			if !wire.Spoken().Has(f.Version) {
				return nil, &wire.ProtocolError{Err: fmt.Errorf("the provider chose version %d, which was not offered", f.Version)}
			}
			return f, nil
		case *wire.Refusal:
			if f.Code == wire.RefusedReserve && !signed {
				signed = true
				reserve, err := c.signedReserve(ctx, channel)
				if err != nil {
					return nil, err
				}
				if err := over.Send(&wire.Reserve{Reserve: reserve}); err != nil {
					return nil, err
				}
				continue
			}
			if f.Code != wire.RefusedStale || f.Latest == nil {
				return nil, f.Err()
			}
			recalled++
			first, err := c.recall(ctx, payer, f.Latest.On(channel), recalled)
			if err != nil {
				return nil, errors.Join(f.Err(), err)
			}
			if err := over.Send(&wire.Pay{Promise: wire.NewPromise(first)}); err != nil {
				return nil, err
			}
		default:
			return nil, &wire.ProtocolError{Err: fmt.Errorf("%s does not answer Hello", wire.Name(reply))}
		}
	}
}

// recall catches up with what a provider knows of our promises, and returns the one that opens the session then. Where it
// was told all of them before, another machine has used what this home has as unused.
func (c *Consumer) recall(ctx context.Context, payer *payer.Payer, latest payments.Promise, times int) (payments.Promise, error) {
	before := payer.Restored()
	if err := payer.Adopt(ctx, latest); err != nil {
		return payments.Promise{}, fmt.Errorf("the provider claims a later promise of ours: %w", err)
	}
	switch {
	case before != payer.Restored():
		c.Log.Warn("this home had forgotten promises that the provider still holds, as one does that was restored from a "+
			"copy, or where another machine pays with the same key: the total was recovered", "forgotten", payer.Restored().String())
	case times > 1:
		if err := payer.GiveUp(ctx); err != nil {
			return payments.Promise{}, err
		}
		c.Log.Warn("the provider has counted as used what this home had paid ahead: another machine pays with the same key, or " +
			"this home is a copy")
	}
	return payer.First(ctx)
}

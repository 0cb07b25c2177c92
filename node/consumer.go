package node

import (
	"context"
	"crypto/mlkem"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
	"byway/tunnel"
	"byway/tunnel/route"
)

// The patience of a consumer.
const (
	dialTimeout      = 15 * time.Second
	welcomeTimeout   = 20 * time.Second // the provider may read the chain before it answers
	handshakeTimeout = 10 * time.Second
)

// ConsumerConfig is what a consumer decides.
type ConsumerConfig struct {
	Home    Home
	Network Network
	Key     contracts.Signer // owns the deposit and sends the transactions
	Session contracts.Signer // signs promises

	HostListen []string // libp2p multiaddrs; empty: ipfs's default
	// SpendCap is the most that one session may cost; more is never signed for.
	SpendCap contracts.Amount
	// Engine is the WireGuard implementation; empty: upstream's.
	Engine tunnel.Engine
	// OneWayUDP takes, and pays for, what an exit sends on a UDP flow that was opened once, answered or not: see
	// [tunnel.ClientConfig].
	OneWayUDP bool
	// Machine sends the whole machine through the sessions; nil offers them to single programs. The machine is locked from
	// the opening of the consumer until its Close, and after its Abandon.
	Machine *route.Config
	Log     *slog.Logger
}

// Consumer pays for traffic: it lists offers, deposits, and opens sessions with providers.
type Consumer struct {
	*parts
	cfg     ConsumerConfig
	hold    *hold // of the machine; nil without cfg.Machine
	market  *Market
	funding *payments.Funding
	known   *knownFunds
	mark    uint32    // of the sockets that go past the machine's own tunnel; 0: there is none
	self    *ownAddrs // how others see this machine
}

// OpenConsumer opens a consumer's home and checks the chain's contracts. Where the chain is down, and the home knows the
// network, it opens all the same: see [Consumer.Fund].
func OpenConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	if cfg.SpendCap.IsZero() {
		return nil, errors.New("the spend cap is zero: say how much a session may cost")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Consumer{cfg: cfg, self: &ownAddrs{}}
	if err := c.lockMachine(ctx); err != nil {
		return nil, err
	}
	if err := c.openMarket(ctx); err != nil {
		return nil, errors.Join(err, c.hold.end("connecting failed"))
	}
	return c, nil
}

func (c *Consumer) openMarket(ctx context.Context) (err error) {
	cfg := c.cfg
	c.parts, err = openParts(ctx, partsConfig{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Client: true, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	if err := c.openAPI(ctx); err != nil {
		return errors.Join(err, c.close())
	}
	c.funding, err = payments.NewFunding(payments.FundingConfig{
		Backend: c.parts.chain.Agreed().OrAlone(), Sender: c.sender, Deployment: cfg.Network.Deployment, Log: c.log,
	})
	if err != nil {
		return errors.Join(err, c.close())
	}
	if c.known, err = readKnownFunds(c.home, cfg.Network); err != nil {
		return errors.Join(err, c.close())
	}
	if c.market, err = openMarket(ctx, c.parts); err != nil {
		return errors.Join(err, c.close())
	}
	return nil
}

// Close closes the home and gives the machine back: it is the end that the user asked for. Sessions must be closed
// before.
func (c *Consumer) Close() error { return c.end("") }

// Abandon closes the home at any other end, for a reason in words. A machine that went through a session stays shut: see
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
	return errors.Join(c.hold.end(reason), c.market.Close(), c.close())
}

// Market is this consumer's view of who sells.
func (c *Consumer) Market() *Market { return c.market }

// Token returns the metadata of the network's token.
func (c *Consumer) Token() Token { return c.token }

// WaitReady waits until the IPFS network can be asked for offers.
func (c *Consumer) WaitReady(ctx context.Context) error { return c.ipfs.WaitReady(ctx) }

// Offers lists what is registered, each offer fetched and verified. See [Market.Offers].
func (c *Consumer) Offers(ctx context.Context) iter.Seq2[registry.Listing, error] {
	return c.market.Offers(ctx)
}

// Channel is the payment channel from this consumer to the provider of an offer.
func (c *Consumer) Channel(o registry.Offer) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: o.Token, Payer: c.cfg.Key.Address(), Signer: c.cfg.Session.Address()},
		Payee: o.Payee,
	}
}

// Fund makes sure that the channel to an offer's provider can pay amount beyond what has been promised on it: it reserves
// what is missing, and deposits what the vault lacks for that, in one transaction. It sends nothing, and returns a zero
// result, where the reserve suffices already, and fails without sending where the provider cannot be reached: no deposit
// is made for a dead one. While the chain is down the error is an [*OfflineError], which says what the channel can pay as
// far as this home knows; a session can be opened on that.
func (c *Consumer) Fund(ctx context.Context, o registry.Offer, amount contracts.Amount) (chain.Result, error) {
	return c.fund(ctx, o, amount, amount)
}

// FundProbe deposits as [Consumer.Fund] does, and sets aside for the provider what a probe of it may cost and no more:
// the rest stays the vault's, to be spent with anybody. See [Consumer.Inspect].
func (c *Consumer) FundProbe(ctx context.Context, o registry.Offer, amount contracts.Amount) (chain.Result, error) {
	worth, err := ProbeWorth(o)
	if err != nil {
		return chain.Result{}, err
	}
	if amount.Less(worth) {
		worth = amount
	}
	return c.fund(ctx, o, amount, worth)
}

// fund makes the vault able to pay amount, of which aside is for this provider alone.
func (c *Consumer) fund(ctx context.Context, o registry.Offer, amount, aside contracts.Amount) (chain.Result, error) {
	if _, err := c.reach(ctx, o); err != nil {
		return chain.Result{}, err
	}
	channel := c.Channel(o)
	promised, err := c.ledger.Promised(ctx, c.domain, channel)
	if err != nil {
		return chain.Result{}, err
	}
	state, err := c.readFunds(ctx, channel)
	if errors.Is(err, errChainUnread) {
		return chain.Result{}, c.offline(channel, promised, err)
	}
	if err != nil {
		return chain.Result{}, err
	}
	// Others may have claimed for a promise that this disk has lost.
	spent := promised
	if spent.Less(state.Settled) {
		spent = state.Settled
	}
	ceiling, err := spent.Add(amount)
	if err != nil {
		return chain.Result{}, fmt.Errorf("fund %s: %w", channel, err)
	}
	missing := ceiling.SubFloor(state.Ceiling)
	if missing.IsZero() {
		return chain.Result{}, nil
	}
	if !c.settledAtOnce() { // What is missing may be under way.
		if err := c.caughtUp(ctx); err != nil {
			return chain.Result{}, err
		}
		return c.fund(ctx, o, amount, aside)
	}
	if err := c.home.addPayee(channel.Payee); err != nil {
		return chain.Result{}, err
	}
	deposit := missing.SubFloor(state.Free)
	if aside.Less(amount) {
		if deposit.IsZero() {
			return chain.Result{}, nil // The vault's free balance covers a probe.
		}
		if ceiling, err = spent.Add(aside); err != nil {
			return chain.Result{}, fmt.Errorf("fund %s: %w", channel, err)
		}
		if ceiling.Less(state.Ceiling) {
			ceiling = state.Ceiling
		}
	}
	if _, cold := c.cfg.Key.(coldSigner); cold && deposit.IsZero() {
		return chain.Result{}, nil // The session key's signed reserve, in Hello, does it without the account.
	}
	// The session that this is for reads the channel again.
	if err := c.known.expect(channel.Vault, takesFree(ceiling.SubFloor(state.Ceiling))); err != nil {
		return chain.Result{}, err
	}
	var r chain.Result
	if !deposit.IsZero() {
		r, err = c.funding.Open(ctx, "", channel.Signer, channel.Payee, deposit, ceiling)
	} else {
		r, err = c.funding.Reserve(ctx, "", channel.Signer, channel.Payee, ceiling)
	}
	return r, c.token.inTokens(err)
}

// Connect opens a session on an offer: it dials the provider, prepays the first tick, and returns when the tunnel is up.
// The session lives until it is closed or fails; ctx bounds the opening alone.
func (c *Consumer) Connect(ctx context.Context, offer registry.Signed) (*Session, error) {
	began := time.Now()
	terms := payments.Terms{
		Session: payments.NewSessionID(), Channel: c.Channel(offer.Offer), PricePerGiB: offer.Offer.PricePerGiB,
		Tick: offer.Offer.Tick, Window: offer.Offer.Window, Offer: offer.CID.String(),
	}
	payer, err := payments.NewPayer(ctx, payments.PayerConfig{
		Domain: c.domain, Ledger: c.ledger, Signer: c.cfg.Session, Terms: terms, SpendCap: c.cfg.SpendCap,
		Funds: c.funds,
	})
	if err != nil {
		return nil, err
	}
	opened, err := c.open(ctx, offer, terms, payer)
	var refused *wire.RefusedError
	if errors.As(err, &refused) && refused.Code == wire.RefusedNewcomer {
		if err = c.setAside(ctx, terms.Channel, refused); err == nil {
			opened, err = c.open(ctx, offer, terms, payer)
		}
	}
	if err != nil {
		// What was promised stays the channel's, for the next time.
		_, _, ended := payer.Final(context.WithoutCancel(ctx), payments.Usage{})
		c.market.failed(offer.Offer.Provider, err)
		return nil, c.token.inTokens(errors.Join(err, ended))
	}
	s := newSession(c, offer, payer, opened, began)
	s.move(wire.StateOpen)
	if opened.rests {
		s.heard(&wire.Status{Resting: true})
	}
	s.use(s.stream)
	c.market.measuring.Add(1)
	go c.market.measure(s)
	// The session outlives the call that opened it; Close and the provider end it.
	go s.run(context.WithoutCancel(ctx))
	if opened.rests {
		c.log.Warn("all of the provider's places are taken: waiting until one is free or used little", "patience", placePatience)
		if err := s.awaitPlace(ctx); err != nil {
			_, closeErr := s.Close(context.WithoutCancel(ctx))
			c.market.failed(offer.Offer.Provider, err)
			return nil, c.token.inTokens(errors.Join(err, closeErr))
		}
	}
	return s, nil
}

// setAside reserves on chain what a provider asks of a newcomer, out of the vault's free balance and no more than a session
// may cost. A cold account's provider does it with the signed reserve. Where that can't be done the refusal stands.
func (c *Consumer) setAside(ctx context.Context, channel contracts.Channel, refused *wire.RefusedError) error {
	if c.cold() {
		return c.awaitAside(ctx, channel, refused)
	}
	state, err := c.readFunds(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	missing := refused.Need.SubFloor(state.Ceiling)
	if missing.IsZero() {
		return nil
	}
	if state.Free.Less(missing) || c.cfg.SpendCap.Less(missing) {
		return refused
	}
	if err := c.home.addPayee(channel.Payee); err != nil {
		return errors.Join(refused, err)
	}
	if err := c.known.expect(channel.Vault, takesFree(missing)); err != nil {
		return errors.Join(refused, err)
	}
	c.log.Warn("the provider asks newcomers for a reserve: setting it aside", "base_units", missing.String())
	if _, err := c.funding.Reserve(ctx, "", channel.Signer, channel.Payee, refused.Need); err != nil {
		return errors.Join(refused, err)
	}
	return nil
}

// opened is a session that the provider has welcomed, with its tunnel up.
type opened struct {
	stream wire.Stream
	id     payments.SessionID
	tunnel carrier
	shake  time.Duration // WireGuard's handshake, which is a round trip
	rests  bool          // it waits for a place among those that are served
}

// carrier is a session's tunnel as the one who pays for it sees it: [tunnel.Client] or [tunnel.TUNClient].
type carrier interface {
	Handshake(ctx context.Context) error
	Counters() tunnel.Counters
	SetTick(n uint64)
	Notify() <-chan struct{}
	Ended() <-chan struct{}
	Offence() error
	Close() error
}

// open runs the opening: stream, Hello, Welcome, tunnel, handshake.
func (c *Consumer) open(
	ctx context.Context, offer registry.Signed, terms payments.Terms, payer *payments.Payer,
) (_ *opened, err error) {
	if _, err := c.reach(ctx, offer.Offer); err != nil {
		return nil, err
	}
	private, err := tunnel.GenerateKey()
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
	hello.Time = uint64(c.chainTimes().now.Unix())
	hosts := wire.Hosts{Consumer: c.ipfs.Host().ID(), Provider: offer.Offer.Host.Peer}
	if err := hello.Sign(c.domain, terms.Channel.Payee, hosts, c.cfg.Session); err != nil {
		return nil, err
	}
	// The stream is opened when its first frame is ready: a provider gives it two seconds to come.
	stream, err := c.dial(ctx, offer.Offer)
	if err != nil {
		return nil, err
	}
	over := wire.NewStream(stream)
	defer func() {
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
	cfg, err := clientConfig(welcome, stream.Conn().RemoteMultiaddr(), c.network.Private)
	if err != nil {
		return nil, &wire.ProtocolError{Err: err}
	}
	if c.hold != nil {
		if err := checkOnLink(cfg, c.hold.iface); err != nil {
			return nil, err
		}
	}
	cfg.Private, cfg.Preshared, cfg.Engine, cfg.Log = private, psk, c.cfg.Engine, c.log
	cfg.OneWayUDP = c.cfg.OneWayUDP
	carrier, shake, err := c.raise(ctx, cfg, offer.Offer.Tick)
	if err != nil {
		return nil, err
	}
	return &opened{over, terms.Session, carrier, shake, welcome.Resting}, nil
}

// raise starts the consumer's end of a tunnel and, where the whole machine is to go through it, sends it there. It tells
// how long the handshake took.
func (c *Consumer) raise(
	ctx context.Context, cfg tunnel.ClientConfig, tick uint64,
) (_ carrier, shake time.Duration, err error) {
	var end carrier
	began := time.Now()
	if c.hold == nil {
		cfg.Mark = c.mark
		end, err = tunnel.Dial(cfg)
	} else {
		end, err = tunnel.DialTUN(cfg, tunnel.TUNConfig{Name: c.hold.iface, Mark: route.MarkUnderlay})
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end.Close())
		}
	}()
	end.SetTick(payments.WakeEvery(tick))
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := end.Handshake(handshake); err != nil {
		return nil, 0, fmt.Errorf("no WireGuard handshake with %s within %s: %w", cfg.Endpoint, handshakeTimeout, err)
	}
	shake = time.Since(began)
	if c.hold != nil {
		c.hold.carried.Store(true)
		link := route.Link{Addrs: cfg.Addrs, DNS: cfg.DNS, MTU: cfg.MTU}
		if err := c.hold.Up(ctx, link); err != nil {
			return nil, 0, err
		}
		end = &heldTunnel{end, c.hold, link}
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
	stream, err := c.ipfs.Host().NewStream(ctx, host, id)
	if err != nil {
		// Opening waited for what the host says it speaks.
		speaks, known := c.ipfs.Host().Peerstore().GetProtocols(host)
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
	host, err := dialable(o, c.network.Private)
	if err != nil {
		return "", err
	}
	if err := c.ipfs.Host().Connect(ctx, host); err != nil {
		return "", fmt.Errorf("provider %s cannot be reached: %w", o.Provider, err)
	}
	return host.ID, nil
}

// readWelcome reads the answer to Hello. A provider that knows a later promise of ours than this disk does says so; our
// own signature proves it, the total is recovered, and a promise above it opens the session. One that knows a later epoch
// of the channel than the Hello's reserve was signed for gets another reserve.
func (c *Consumer) readWelcome(
	ctx context.Context, over wire.Stream, payer *payments.Payer, channel contracts.Channel,
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
		case *wire.Refused:
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
func (c *Consumer) recall(ctx context.Context, payer *payments.Payer, latest payments.Promise, times int) (payments.Promise, error) {
	before := payer.Restored()
	if err := payer.Adopt(ctx, latest); err != nil {
		return payments.Promise{}, fmt.Errorf("the provider claims a later promise of ours: %w", err)
	}
	switch {
	case before != payer.Restored():
		c.log.Warn("this home had forgotten promises that the provider still holds, as one does that was restored from a "+
			"copy, or where another machine pays with the same key: the total was recovered", "forgotten", payer.Restored().String())
	case times > 1:
		if err := payer.GiveUp(ctx); err != nil {
			return payments.Promise{}, err
		}
		c.log.Warn("the provider has counted as used what this home had paid ahead: another machine pays with the same key, or " +
			"this home is a copy")
	}
	return payer.First(ctx)
}

// Budget says how many bytes an amount buys at an offer's price.
func Budget(o registry.Offer, amount contracts.Amount) uint64 {
	if o.PricePerGiB.IsZero() {
		return math.MaxUint64
	}
	return payments.Bytes(o.PricePerGiB, amount)
}

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/ipfs"
	"byway/registry"
)

// OfferDesk prepares, publishes and retires offers by hand: on the machine that has the provider's key, which may be
// another one than that which serves, and may be offline while it signs.
type OfferDesk struct {
	Home    Home
	Network Network
	Key     contracts.Signer // the provider
	// Now is when what is signed here begins, by the chain's time ([OfferFacts]); zero: now, by this machine's clock.
	Now time.Time
	Log *slog.Logger
}

// OfferFacts are what a new offer depends on besides its terms.
type OfferFacts struct {
	Token Token
	// Sequence is what the registry will call the provider's next offer; 0 where the chain is down.
	Sequence uint64
	// Now is the chain's time; zero while it is down.
	Now time.Time
}

// Facts reads them from the chain. While it is down they are what the home remembers, and the sequence is the user's to
// say.
func (d OfferDesk) Facts(ctx context.Context, provider common.Address) (OfferFacts, error) {
	log := d.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := dialLazy(ctx, d.Network, log)
	if err != nil {
		return OfferFacts{}, err
	}
	defer client.Close()
	facts := OfferFacts{}
	if facts.Token, err = rememberToken(ctx, client, d.Network, &d.Home); err != nil || client.Down() != nil {
		return facts, err
	}
	r, err := registry.New(registry.Config{Backend: client, Deployment: d.Network.Deployment, Blobs: (*ipfs.Node)(nil)})
	if err != nil {
		return facts, err
	}
	if facts.Sequence, err = r.NextSequence(ctx, provider); err != nil {
		return facts, err
	}
	if _, err := client.Head(ctx); err != nil {
		return facts, fmt.Errorf("read head: %w", err)
	}
	facts.Now = chainTimesOf(client, d.Network, lastTime{}).now
	return facts, nil
}

// Host is the consent of the host whose key is in the home to serve this provider at those multiaddrs. It asks nobody, and
// needs no key of the provider's: it is made where the offer will be served.
func (d OfferDesk) Host(provider common.Address, addrs []string) (registry.Host, error) {
	key, err := ipfs.LoadKey(d.Home.path("host.key"))
	if err != nil {
		return registry.Host{}, err
	}
	return registry.BindHost(key, d.Network.ChainID, d.Network.Registry, provider, addrs)
}

// Sign makes the draft an offer of this provider, served by that host. It asks nobody.
func (d OfferDesk) Sign(draft registry.Draft, sequence uint64, host registry.Host) (registry.Signed, error) {
	offer, err := d.Offer(draft, sequence, host)
	if err != nil {
		return registry.Signed{}, err
	}
	signed, err := registry.Sign(offer, d.Key)
	if err != nil {
		return registry.Signed{}, fmt.Errorf("sign offer: %w", err)
	}
	return signed, nil
}

// Offer is what [OfferDesk.Sign] signs, from [OfferDesk.Now] on.
func (d OfferDesk) Offer(draft registry.Draft, sequence uint64, host registry.Host) (registry.Offer, error) {
	o, err := offerOf(draft, d.Network, d.Key.Address())
	if err != nil {
		return registry.Offer{}, err
	}
	o.Sequence, o.Host = sequence, host
	now := d.Now
	if now.IsZero() {
		now = time.Now()
	}
	next := now
	if clock := time.Now(); d.Network.Private && next.Before(clock) {
		next = clock
	}
	return chainTimes{now, next}.valid(o, draft.Lifetime), nil
}

// Publish puts a signed offer on IPFS and into the registry, and lets go of the blocks of earlier ones. The home keeps the
// block, and announces it whenever a node runs there.
func (d OfferDesk) Publish(ctx context.Context, signed registry.Signed, stake contracts.Amount) (_ registry.Receipt, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return registry.Receipt{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	p.hearTime(ctx)
	receipt, err := p.registry.Publish(ctx, p.sender, signed, stake)
	if err != nil {
		return registry.Receipt{}, p.token.inTokens(err)
	}
	if err := disk.WriteFile(p.home.path("offer.cbor"), signed.Block, 0o600); err != nil {
		return receipt, err
	}
	return receipt, p.letGo(ctx, signed.CID)
}

// Retire takes the provider's offer out of the registry and lets go of its blocks. The result says what of the stake can be
// had back, and when.
func (d OfferDesk) Retire(ctx context.Context) (_ registry.Unbonding, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return registry.Unbonding{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	unbonding, err := p.registry.Leave(ctx, p.sender)
	if err != nil {
		return unbonding, err
	}
	return unbonding, p.letGo(ctx, cid.Undef)
}

func (d OfferDesk) open(ctx context.Context) (*parts, error) {
	return openParts(ctx, partsConfig{Home: d.Home, Network: d.Network, Key: d.Key, Log: d.Log})
}

// letGo drops the blocks of this node's own offers but for one: superseded, nobody asks for them any more.
func (p *parts) letGo(ctx context.Context, but cid.Cid) error {
	pinned, err := p.ipfs.Pinned(ctx)
	if err != nil {
		return err
	}
	for _, c := range pinned {
		if c == but {
			continue
		}
		if err := p.ipfs.Drop(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

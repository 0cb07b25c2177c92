// Package offer owns offers that are made by hand: signing them, perhaps without the chain, publishing and retiring
// them, and the same as transactions for a key that is elsewhere. It knows an offer's terms on a network, which package
// provide sells; what an offer may say is package registry's.
package offer

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
	"byway/node/account"
	"byway/node/home"
	"byway/node/token"
	"byway/registry"
	"byway/registry/directory"
)

// Desk prepares, publishes and retires offers by hand: on the machine that has the provider's key, which may be
// another one than that which serves, and may be offline while it signs.
type Desk struct {
	Home    home.Home
	Network home.Network
	Key     contracts.Signer // the provider
	// Now is when what is signed here begins, by the chain's time ([Facts]); zero: now, by this machine's clock.
	Now time.Time
	Log *slog.Logger
}

// Facts complete an offer's terms by what the chain knows.
type Facts struct {
	Token token.Token
	// Sequence is the number that the registry will give the provider's next offer; 0 where the chain is down.
	Sequence uint64
	// Now is the chain's time; zero while it is down.
	Now time.Time
}

// Facts reads them from the chain. While it is down they come from the home's memory, and the sequence is the user's to
// say.
func (d Desk) Facts(ctx context.Context, provider common.Address) (Facts, error) {
	log := d.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := d.Network.DialLazy(ctx, log)
	if err != nil {
		return Facts{}, err
	}
	defer client.Close()
	facts := Facts{}
	if facts.Token, err = token.Remember(ctx, client, d.Network, &d.Home); err != nil || client.Down() != nil {
		return facts, err
	}
	r, err := directory.New(directory.Config{Backend: client, Deployment: d.Network.Deployment, Blobs: (*ipfs.Node)(nil)})
	if err != nil {
		return facts, err
	}
	if facts.Sequence, err = r.NextSequence(ctx, provider); err != nil {
		return facts, err
	}
	if _, err := client.Head(ctx); err != nil {
		return facts, fmt.Errorf("read head: %w", err)
	}
	facts.Now = account.TimesOf(client, d.Network, account.LastTime{}).Now
	return facts, nil
}

// Host is the consent of the host whose key is in the home to serve this provider at those multiaddrs. It asks nobody, and
// needs no key of the provider's: it is made where the offer will be served.
func (d Desk) Host(provider common.Address, addrs []string) (registry.Host, error) {
	key, err := ipfs.LoadKey(d.Home.Path("host.key"))
	if err != nil {
		return registry.Host{}, err
	}
	return registry.BindHost(key, d.Network.ChainID, d.Network.Registry, provider, addrs)
}

// Sign makes the draft an offer of this provider, served by that host. It asks nobody.
func (d Desk) Sign(draft registry.Draft, sequence uint64, host registry.Host) (registry.SignedOffer, error) {
	offer, err := d.Offer(draft, sequence, host)
	if err != nil {
		return registry.SignedOffer{}, err
	}
	signed, err := registry.Sign(offer, d.Key)
	if err != nil {
		return registry.SignedOffer{}, fmt.Errorf("sign offer: %w", err)
	}
	return signed, nil
}

// Offer makes the offer that [Desk.Sign] signs, valid from Desk.Now on.
func (d Desk) Offer(draft registry.Draft, sequence uint64, host registry.Host) (registry.Offer, error) {
	o, err := Of(draft, d.Network, d.Key.Address())
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
	return account.Times{Now: now, Next: next}.Valid(o, draft.Lifetime), nil
}

// Publish puts a signed offer on IPFS and into the registry, and lets go of the blocks of earlier ones. The home keeps the
// block, and announces it whenever a node runs there.
func (d Desk) Publish(ctx context.Context, signed registry.SignedOffer, stake contracts.Amount) (_ directory.Receipt, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return directory.Receipt{}, err
	}
	defer func() { err = errors.Join(err, p.CloseAll()) }()
	p.HearTime(ctx)
	receipt, err := p.Registry.Publish(ctx, p.Sender, signed, stake)
	if err != nil {
		return directory.Receipt{}, p.Token.InTokens(err)
	}
	if err := disk.WriteFile(p.Home.Path("offer.cbor"), signed.Block, 0o600); err != nil {
		return receipt, err
	}
	return receipt, p.LetGo(ctx, signed.CID)
}

// Retire takes the provider's offer out of the registry and lets go of its blocks. The result says what of the stake can be
// had back, and when.
func (d Desk) Retire(ctx context.Context) (_ directory.Unbonding, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return directory.Unbonding{}, err
	}
	defer func() { err = errors.Join(err, p.CloseAll()) }()
	unbonding, err := p.Registry.Leave(ctx, p.Sender)
	if err != nil {
		return unbonding, err
	}
	return unbonding, p.LetGo(ctx, cid.Undef)
}

func (d Desk) open(ctx context.Context) (*account.Account, error) {
	return account.Open(ctx, account.Config{Home: d.Home, Network: d.Network, Key: d.Key, Log: d.Log})
}

package provide

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/text"
	"byway/ipfs/admission"
	"byway/node/account"
	"byway/node/serve"
	"byway/node/token"
	"byway/payments/claim"
	"byway/registry/directory"
	"byway/tunnel"
)

// Status tells what a provider does and has earned.
type Status struct {
	Provider  common.Address        `json:"provider"`
	Offer     string                `json:"offer"`
	Country   string                `json:"country,omitempty"`
	Price     contracts.Amount      `json:"price_per_gib"`
	PerGB     contracts.Amount      `json:"price_per_gb"`
	Since     time.Time             `json:"since"`
	Hosts     []string              `json:"hosts"`
	Endpoints []string              `json:"endpoints"` // of WireGuard; 0.0.0.0 stands for where consumers reached the host
	Reach     Reach                 `json:"reachable"`
	Exit      tunnel.Mode           `json:"exit"`                   // how it forwards, which "auto" chose at the start
	Trouble   string                `json:"exit_trouble,omitempty"` // why it forwards nothing at the moment
	Use       tunnel.ExitUse        `json:"use"`                    // what all sessions have of what they share
	Sessions  []serve.SessionStatus `json:"sessions"`
	Peers     PeersUse              `json:"peers"`
	Refused   map[string]uint64     `json:"refused"`  // how many were turned away since the start, by reason
	Refusals  uint64                `json:"refusals"` // sessions that were refused since the start
	Figures                         // what the ledger's days come to
	Closed    string                `json:"closed,omitempty"` // which of the operator's wishes is against serving at the moment
	Held      string                `json:"held,omitempty"`   // why nothing can be written down at the moment, and what to do about it
	Earnings  account.Earnings      `json:"earnings"`
	Claims    string                `json:"claims"` // by which rule they are made, for people
	// ClaimsLack names what that rule was not told.
	ClaimsLack claim.Lacks    `json:"claims_lack,omitempty"`
	Left       []account.Left `json:"left"` // what is owed and is not claimed by it
	// Strangers sums what vaults that have set nothing aside cost, and may cost.
	Strangers Strangers `json:"strangers"`
	// Unbonding says how much of earlier stakes comes back, and when; null where the chain can't be read.
	Unbonding *directory.Unbonding `json:"unbonding"`
	// Unpublished is why nothing can be published, where the offer is the one that was published before the start.
	Unpublished string `json:"unpublished,omitempty"`
}

// PeersUse counts what a provider's peers hold of it, beside their limits.
type PeersUse struct {
	admission.Use
	Sessions     int            `json:"sessions"`         // that have a place
	Resting      int            `json:"sessions_resting"` // that have none at the moment
	SessionsMost int            `json:"sessions_most"`
	Hellos       serve.HelloUse `json:"hellos"`
	Releases     serve.HelloUse `json:"releases"`
}

// PeersUse counts what the provider's peers hold of it now.
func (p *Provider) PeersUse() PeersUse {
	use := p.server.Use()
	return PeersUse{p.IPFS.Use(), use.Sessions, use.Resting, use.SessionsMost, use.Hellos, use.Releases}
}

// Strangers sums what all vaults that have set nothing aside cost a provider, in base units.
type Strangers struct {
	AtStake contracts.Amount `json:"at_stake"`       // now
	Lost    contracts.Amount `json:"lost_last_hour"` // to them
	Budget  contracts.Amount `json:"budget"`         // for both
	Vaults  int              `json:"vaults"`
}

// Proceeds sums the proceeds of one round of claims, in base units; Fee is in wei.
type Proceeds struct {
	Total    contracts.Amount `json:"total"`
	Channels int              `json:"channels"`
	GasUsed  uint64           `json:"gas_used"`
	Fee      token.Wei        `json:"fee_wei"`
	TxHash   common.Hash      `json:"tx_hash"`
}

// Status reports what the provider does and has earned.
func (p *Provider) Status(ctx context.Context) (Status, error) {
	earnings, err := p.Earnings(ctx)
	if err != nil {
		return Status{}, err
	}
	figures, err := p.Figures(ctx)
	if err != nil {
		return Status{}, err
	}
	reach := p.Reach()
	perGB, err := token.PerGB(p.sells.PricePerGiB)
	if err != nil {
		return Status{}, err
	}
	rule, lacks := p.claimRule(p.claims)
	peers, sessions, unbonding := p.PeersUse(), p.Sessions(), p.unbonding(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{
		Provider: p.Key.Address(), Offer: p.offer.CID.String(), Country: p.offer.Offer.Country, Price: p.sells.PricePerGiB, PerGB: perGB,
		Since: p.started, Hosts: p.IPFS.Addrs(), Endpoints: p.endpoints(), Reach: reach, Exit: p.exit.Mode(),
		Sessions: sessions, Peers: peers, Refused: peers.refusals(), Refusals: p.server.Counts().Refused,
		Figures: figures, Closed: p.Closed(), Held: p.Held(), Earnings: earnings,
		Trouble: p.exitTrouble(), Use: p.exit.Use(), Claims: rule, ClaimsLack: lacks, Left: p.left(), Unbonding: unbonding,
		Strangers: p.strangers(),
	}
	if p.unpublished != nil {
		status.Unpublished = text.Line(p.unpublished.Error())
	}
	return status, nil
}

// refusals adds up by reason who was turned away.
func (u PeersUse) refusals() map[string]uint64 {
	counts := map[string]uint64{}
	for _, of := range []map[string]uint64{u.Refused, u.Hellos.Refused, u.Releases.Refused} {
		for reason, n := range of {
			counts[reason] += n
		}
	}
	return counts
}

func (p *Provider) strangers() Strangers {
	s := p.payee.Strangers()
	return Strangers{AtStake: s.AtStake, Lost: s.Lost, Budget: p.cfg.Budget, Vaults: s.Vaults}
}

// statusPatience is how long the chain may take to tell what a status is not held up for.
const statusPatience = time.Second

// unbonding reads what of the provider's stakes comes back; nil where the chain does not tell at once.
func (p *Provider) unbonding(ctx context.Context) *directory.Unbonding {
	if p.Chain.Down() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	u, err := p.Registry.Unbonding(ctx, p.Key.Address())
	if err != nil {
		return nil
	}
	return &u
}

// exitTrouble says why the exit forwards nothing at the moment; empty when it does.
func (p *Provider) exitTrouble() string {
	if p.cfg.Trouble != nil {
		if why := p.cfg.Trouble(); why != "" {
			return why
		}
	}
	return p.exit.Trouble()
}

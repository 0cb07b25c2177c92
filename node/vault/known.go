package vault

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/text"
)

// A vault is the chain's to tell, and while the chain can't be read, what this home remembers of it is told instead, with
// the block that it is of and the reason. What the home does not know either is unavailable: in JSON it is null, and
// never zero.

// Vault reads the vault and every channel of it that this home has ever paid, or set money aside, on; since is the first
// block whose events are looked through for others, as after the loss of a disk. Nil: on a private network the chain's
// first, elsewhere none. While the chain can't be read it tells what the home knows, unless it was told a block.
func (w *Wallet) Vault(ctx context.Context, since *uint64) (Status, error) {
	if since != nil {
		return w.readVault(ctx, since)
	}
	looking, cancel := context.WithTimeout(ctx, w.LookPatience())
	defer cancel()
	v, err := w.readVault(looking, nil)
	if err == nil || ctx.Err() != nil || errors.Is(err, chain.ErrChainReset) || looking.Err() == nil && !chain.IsOutage(err) {
		return v, err
	}
	return w.knownVault(ctx, err)
}

// knownVault is the vault as this home knows it.
func (w *Wallet) knownVault(ctx context.Context, cause error) (Status, error) {
	why := text.Line(cause.Error())
	status := Status{
		Owner: w.cfg.Owner, Session: w.cfg.Session, Token: w.Token, Unavailable: why, Channels: []ChannelStatus{},
	}
	// What of it is this home's alone is as good as ever, and an error of the ledger is one.
	payees, err := w.knownPayees(ctx)
	if err != nil {
		return status, err
	}
	var reserved contracts.Amount
	complete := true
	if own, ok := w.known.Recall(w.ChannelTo(w.cfg.Owner)); ok {
		status.Free, status.Block, status.Time = &own.Free, own.Block, own.Time
	}
	for _, payee := range payees {
		c := ChannelStatus{Provider: payee}
		if w.Ledger != nil {
			if c.Promised, err = w.Ledger.Promised(ctx, w.Domain, w.ChannelTo(payee)); err != nil {
				return status, err
			}
		}
		known, ok := w.known.Recall(w.ChannelTo(payee))
		if !ok {
			complete = false
			c.Unavailable = why
			status.Channels = append(status.Channels, c)
			continue
		}
		c.fill(known.State()) // an exit counts as running: whether it is over is the chain's to say
		c.Time = known.Time
		if reserved, err = reserved.Add(c.Reserved); err != nil {
			return status, err
		}
		if status.Free == nil || status.Block < known.Block {
			free := known.Free
			status.Free, status.Block, status.Time = &free, known.Block, known.Time
		}
		status.Channels = append(status.Channels, c)
	}
	if complete && status.Free != nil {
		status.Reserved = &reserved
	}
	return status, nil
}

// MarshalJSON writes null for what is not known.
func (c ChannelStatus) MarshalJSON() ([]byte, error) {
	type plain ChannelStatus
	if c.Unavailable == "" {
		return json.Marshal(plain(c))
	}
	return json.Marshal(struct {
		plain
		Settled  *contracts.Amount `json:"settled"`
		Owed     *contracts.Amount `json:"owed"`
		Ceiling  *contracts.Amount `json:"ceiling"`
		Reserved *contracts.Amount `json:"reserved"`
		Exit     *Notice           `json:"exit"`
		Epoch    *uint32           `json:"epoch"`
		Block    *uint64           `json:"block"`
		Time     *time.Time        `json:"time"`
	}{plain: plain(c)})
}

package claim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/ledger"
)

// keptFor reads the reserve that is kept for a channel; found is false where there is none.
func (c *Claimer) keptFor(ctx context.Context, a ledger.Account) (payments.Reserve, bool, error) {
	r, found, err := c.cfg.Ledger.Reserve(ctx, a.ID)
	return payments.Reserve{Channel: a.Channel, Ceiling: r.Ceiling, Epoch: r.Epoch, ValidUntil: r.ValidUntil, Sig: r.Sig}, found, err
}

// trustedPart is the part of a channel's exposure that a posted reserve secures at the least where the price of gas is not
// known: a quarter.
const trustedPart = 4

// posting is a reserve that a round posts.
type posting struct {
	debt
	reserve  payments.Reserve
	exposure contracts.Amount // what is promised above the ceiling
}

// setback counts a payer's postings in vain in a row, whatever its vaults.
type setback struct {
	times int
	until time.Time // nothing is posted for it before
}

// postReserves posts the kept reserves of channels whose exposure, what is promised above the ceiling, deserves it.
//
// The consumer chose what it signed and may empty its vault meanwhile, and the gas is this side's. So a posting must set
// something substantial aside ([Claimer.secures]). Where the price of gas is not known that is ReserveAbove at the least,
// and so much less is exposed then: exits aside, whose delay a consumer waits out, a payer's reserves are posted no more
// often than what it has promised holds ReserveAbove, and all payers' together no more often than what all have promised
// holds it. A posting that sets less aside when it is mined is in vain: after the second in a row for a payer, whatever its
// vaults, the next one waits a minute, then twice as long each time, up to a day. That is a dozen on the first day and one
// on each day from then on for each payer that has promised ReserveAbove, since the start.
//
// The id of the transaction is that of its rows: the same reserves are posted once, whatever happens. Where the contract
// skipped one of them, and a later state says that it would take it, the id is followed by that transaction's hash. So the
// way from the rows to the next transaction is in the sender's journal, and a crash changes nothing about it.
func (c *Claimer) postReserves(ctx context.Context, list []debt) error {
	price, err := c.gasPrice(ctx)
	if err != nil {
		return err // a session goes on within what its consumer is trusted with
	}
	var chosen []posting
	for _, o := range list {
		exposure := o.account.Total.SubFloor(o.state.Ceiling)
		if exposure.IsZero() || exposure.Less(c.cfg.Policy.ReserveAbove) || o.state.Exiting() || len(chosen) == c.cfg.Policy.Batch {
			continue
		}
		r, found, err := c.keptFor(ctx, o.account)
		if err != nil {
			return err
		}
		if !found || !o.state.Takes(r) || o.state.Free.IsZero() {
			continue
		}
		p := posting{o, r, exposure}
		switch {
		case !c.secures(p, r.Ceiling.SubFloor(o.state.Ceiling).Min(o.state.Free), price):
			why := reason{why: "at risk until it is claimed: the reserve that the consumer signed sets less aside than posting it must bring"}
			if price == nil {
				why = reason{"at risk until it is claimed: the reserve that the consumer signed sets little aside, and what gas is " +
					"worth is not known", LacksPrice}
			}
			c.leave(exposure, why)
			continue
		case time.Now().Before(c.vain[r.Payer].until):
			c.leave(exposure, reason{why: "at risk until it is claimed: the consumer's signed reserves were posted in vain, and " +
				"the next one waits"})
			continue
		}
		chosen = append(chosen, p)
	}
	if len(chosen) == 0 {
		return nil
	}
	base, data, err := c.pack(chosen)
	if err != nil {
		return err
	}
	readAt := chosen[0].state.Block
	for _, p := range chosen {
		readAt = min(readAt, p.state.Block)
	}
	for id := base; ; {
		r, err := c.cfg.Sender.Send(ctx, chain.Intent{ID: id, To: &c.claimant.Domain.Contract, Data: data})
		var reverted *chain.RevertError
		if errors.As(err, &reverted) && reverted.TxHash != (common.Hash{}) {
			r.TxHash = reverted.TxHash
		} else if err != nil {
			return fmt.Errorf("post %d reserves: %w", len(chosen), err)
		}
		known := c.noted[r.TxHash]
		all := c.note(chosen, r, price)
		// A revert says no block: it is an old one where this claimer has met it before.
		if old := err == nil && r.Block <= readAt || err != nil && known; !old || all {
			if err != nil {
				return fmt.Errorf("post %d reserves: %w", len(chosen), err)
			}
			return nil
		}
		id = base + "/" + hex.EncodeToString(r.TxHash[:16])
	}
}

// pack makes a transaction's data of the reserves that it posts, and its id of their rows.
func (c *Claimer) pack(list []posting) (id string, data []byte, err error) {
	rows := make([]byte, 0, len(list)*payments.ReserveRowSize)
	for _, p := range list {
		row := p.reserve.Row()
		rows = append(rows, row[:]...)
	}
	if data, err = c.contract.TryPackReserveSigned(c.claimant.Token, c.claimant.Payee, rows); err != nil {
		return "", nil, fmt.Errorf("encode reserves: %w", err)
	}
	return "reserve/" + hex.EncodeToString(crypto.Keccak256(rows)[:16]), data, nil
}

// secures reports whether setting that amount aside is worth its transaction, and the one that claims it.
func (c *Claimer) secures(p posting, amount contracts.Amount, price *big.Int) bool {
	switch {
	case amount.IsZero():
		return false
	case price != nil:
		return c.pays(amount.Big(), reserveGas+c.gasOf(1), price, c.cfg.Policy.Least, 1)
	case c.cfg.Policy.GasFree:
		return true
	}
	part, err := p.exposure.MulDivCeil(1, trustedPart)
	return err == nil && !amount.Less(part.Max(c.cfg.Policy.ReserveAbove))
}

// usedBy reads the ceilings of the channels whose reserves a mined posting has used.
func (c *Claimer) usedBy(r chain.Result) map[contracts.Channel]contracts.Amount {
	ceilings := map[contracts.Channel]contracts.Amount{}
	for _, log := range r.Logs {
		if log.Address != c.claimant.Domain.Contract {
			continue
		}
		e, err := c.contract.UnpackReserveUsedEvent(log)
		if err != nil {
			continue
		}
		if ceiling, err := contracts.AmountFromBig(e.Ceiling); err == nil {
			ceilings[contracts.Channel{
				Vault: contracts.Vault{Token: e.Token, Payer: e.Payer, Signer: e.Signer}, Payee: e.Payee,
			}] = ceiling
		}
	}
	return ceilings
}

// note keeps and logs, once, what a mined posting did, and reports whether it used all the reserves.
func (c *Claimer) note(list []posting, r chain.Result, price *big.Int) bool {
	ceilings := c.usedBy(r)
	if c.noted[r.TxHash] {
		return len(ceilings) == len(list)
	}
	c.noted[r.TxHash] = true
	var sum contracts.Amount
	for _, p := range list {
		raised := ceilings[p.reserve.Channel].SubFloor(p.state.Ceiling)
		sum = sum.AddCap(raised)
		if c.secures(p, raised, price) {
			delete(c.vain, p.reserve.Payer)
			continue
		}
		v := c.vain[p.reserve.Payer]
		if v.times++; v.times > 1 {
			v.until = time.Now().Add(min(time.Minute<<min(v.times-2, 11), 24*time.Hour))
		}
		c.vain[p.reserve.Payer] = v
	}
	c.log.Info("posted reserves", "channels", len(list), "taken", len(ceilings), "set_aside", sum.String(), "tx", r.TxHash,
		"gas", r.GasUsed)
	return len(ceilings) == len(list)
}

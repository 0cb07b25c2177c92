package payments

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
	"byway/payments/ledger"
)

// postMargin is how long before its end a signed reserve is still posted: a transaction takes a while.
const postMargin = 2 * time.Minute

// ErrStaleReserve says that a reserve would not raise anything: its epoch or its time is over, or it is no higher than
// what is reserved. One that was posted is stale: the next one is signed for the channel's next epoch.
var ErrStaleReserve = errors.New("signed reserve is of no use")

// ErrReserveEpoch is the [ErrStaleReserve] of a reserve that would raise something if it were signed for the channel's
// present epoch: its own is over.
var ErrReserveEpoch = fmt.Errorf("%w: its epoch is over", ErrStaleReserve)

// CheckReserve checks a reserve that a payer has signed: [Payee.Open] keeps it with the session that it came with, and the
// [Claimer] posts it when the channel's exposure deserves that. Of one epoch the highest that can still be posted is kept:
// the contract takes one of them. The errors: [ErrWrongChannel], [contracts.ErrBadSignature], [ErrExiting],
// [ErrStaleReserve], [ErrReserveEpoch].
func (p *Payee) CheckReserve(ctx context.Context, r Reserve) error {
	if err := p.owns(r.Channel); err != nil {
		return fmt.Errorf("check reserve: %w", err)
	}
	if err := p.cfg.Domain.VerifyReserve(r); err != nil {
		return err
	}
	ch, err := p.hold(ctx, r.Channel)
	if err != nil {
		return err
	}
	defer p.letGo(ch)
	// What was signed for an epoch that ended a moment ago would be kept in vain.
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return err
	}
	if ch.state.Exiting() {
		return fmt.Errorf("check reserve: %s: %w", r.Channel, ErrExiting)
	}
	if !r.worth(ch.state) {
		stale := ErrStaleReserve
		if again := r; r.Epoch < ch.state.Epoch {
			if again.Epoch = ch.state.Epoch; again.worth(ch.state) {
				stale = ErrReserveEpoch
			}
		}
		return fmt.Errorf("check reserve: %w: to %s in epoch %d, the channel has %s in epoch %d", stale, r.Ceiling, r.Epoch,
			ch.state.Ceiling, ch.state.Epoch)
	}
	return nil
}

// kept is the reserve as the ledger keeps it beside its channel.
func (r Reserve) kept() ledger.Reserve {
	return ledger.Reserve{Ceiling: r.Ceiling, Epoch: r.Epoch, ValidUntil: r.ValidUntil, Sig: r.Sig}
}

// worth reports whether posting r would raise what the channel guarantees. Its time is held against the chain's. In the
// last epoch that there is the contract takes none.
func (r Reserve) worth(s ChannelState) bool {
	return r.Epoch == s.Epoch && r.Epoch < maxEpoch && s.Ceiling.Less(r.Ceiling) && r.ValidUntil <= maxValidUntil &&
		s.clock().Add(postMargin).Unix() <= int64(r.ValidUntil)
}

// Release signs the payer's reserve above what has been promised away, for so long. From then on the payee counts on
// no more of the channel's reserve than that, as long as the payer can still use the release: until its time is over, or
// the channel's epoch, which the next reserve that is posted ends too. It is stored before it is returned. A session that
// is open on the channel forbids it ([ErrSessionExists]).
func (p *Payee) Release(ctx context.Context, c contracts.Channel, key contracts.Signer, valid time.Duration,
) (Release, error) {
	if err := p.owns(c); err != nil {
		return Release{}, fmt.Errorf("release: %w", err)
	}
	ch, err := p.hold(ctx, c)
	if err != nil {
		return Release{}, err
	}
	defer p.letGo(ch)
	for id := range ch.sessions {
		return Release{}, fmt.Errorf("release: %w: %s is open", ErrSessionExists, id)
	}
	// A release for an epoch that ended a moment ago is worth nothing to who asked for it.
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return Release{}, err
	}
	if ch.account.ID == 0 && ch.state.Ceiling == ch.state.Settled {
		return Release{}, fmt.Errorf("release: %w: nothing is set aside on %s", ErrWrongChannel, c)
	}
	r := Release{
		Channel: c, Ceiling: maxAmount(ch.account.Total, ch.state.Settled), Epoch: ch.state.Epoch,
		ValidUntil: uint64(p.chainTimeLocked(ch).Add(valid).Unix()),
	}
	if r, err = p.cfg.Domain.SignRelease(r, key); err != nil {
		return Release{}, err
	}
	next := released{r.Ceiling, r.Epoch, r.ValidUntil}.with(ch.released, ch.state.clock())
	stored := ch.account
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
		if stored, err = withRow(tx, ch.account); err != nil {
			return err
		}
		return tx.StoreRelease(stored.ID, ledger.Release(next))
	}); err != nil {
		return Release{}, err
	}
	ch.account, ch.released = stored, next
	return r, nil
}

// chainTimeLocked is what a block that comes now may say: what the last one said and what went by since it was read. A
// chain for development makes blocks of transactions, so that the last one may be days old, and the next one has the
// clock's time.
func (p *Payee) chainTimeLocked(ch *payeeChannel) time.Time {
	now := time.Now()
	at := ch.state.clock().Add(max(now.Sub(ch.readAt), 0))
	if p.development() {
		return later(at, now)
	}
	return at
}

// released is what a payee has signed away of a channel's reserve. The zero value is nothing.
type released ledger.Release

// with joins two: the lower ceiling holds, until the later end.
func (r released) with(other released, now time.Time) released {
	if other.Epoch == r.Epoch && other.ValidUntil >= uint64(max(now.Unix(), 0)) {
		r.Ceiling = minAmount(r.Ceiling, other.Ceiling)
		r.ValidUntil = max(r.ValidUntil, other.ValidUntil)
	}
	return r
}

// floor is the lifetime total that a channel guarantees, with what may be released any moment left out. A release is over
// when the chain's time says so or its epoch is, beyond the reach of a reorganisation, and not before.
func (r released) floor(s ChannelState) contracts.Amount {
	ceiling := s.Ceiling
	if r.ValidUntil >= uint64(max(s.clock().Unix(), 0)) && r.ValidUntil > 0 && r.Epoch <= s.Epoch && s.Epoch-r.Epoch <= s.Behind {
		ceiling = minAmount(ceiling, r.Ceiling)
	}
	return maxAmount(ceiling, s.Settled)
}

// reserveOf reads the reserve that is kept for a channel; found is false where there is none.
func (l *Ledger) reserveOf(ctx context.Context, a ledger.Account) (Reserve, bool, error) {
	r, found, err := l.Reserve(ctx, a.ID)
	return Reserve{a.Channel, r.Ceiling, r.Epoch, r.ValidUntil, r.Sig}, found, err
}

// trustedPart is the part of a channel's exposure that a posted reserve secures at the least where the price of gas is not
// known: a quarter.
const trustedPart = 4

// posting is a reserve that a round posts.
type posting struct {
	owing
	reserve  Reserve
	exposure contracts.Amount // what is promised above the ceiling
}

// vain is what postings for a payer, of whatever vault, have brought in vain since the start.
type vain struct {
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
func (c *Claimer) postReserves(ctx context.Context, list []owing) error {
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
		r, found, err := c.cfg.Ledger.reserveOf(ctx, o.account)
		if err != nil {
			return err
		}
		if !found || !r.worth(o.state) || o.state.Free.IsZero() {
			continue
		}
		p := posting{o, r, exposure}
		switch {
		case !c.secures(p, minAmount(r.Ceiling.SubFloor(o.state.Ceiling), o.state.Free), price):
			why := "at risk until it is claimed: the reserve that the consumer signed sets less aside than posting it must bring"
			if price == nil {
				why = "at risk until it is claimed: the reserve that the consumer signed sets little aside, and what gas is worth " +
					"is not known: set --gas-price"
			}
			c.leave(exposure, why)
			continue
		case time.Now().Before(c.vain[r.Payer].until):
			c.leave(exposure, "at risk until it is claimed: the consumer's signed reserves were posted in vain, and the next one "+
				"waits")
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
	rows := make([]byte, 0, len(list)*ReserveRowSize)
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
	return err == nil && !amount.Less(maxAmount(part, c.cfg.Policy.ReserveAbove))
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
		sum = addFloor(sum, raised)
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

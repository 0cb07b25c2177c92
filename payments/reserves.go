package payments

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/chain"
)

// postMargin is how long before its end a signed reserve is still posted: a transaction takes a while.
const postMargin = 2 * time.Minute

// ErrStaleReserve says that a reserve would not raise anything: its epoch or its time is over, or it is no higher than
// what is reserved.
var ErrStaleReserve = errors.New("signed reserve is of no use")

// KeepReserve checks a reserve that a payer has signed and stores it; the [Claimer] posts it when the channel's
// exposure deserves that. A lower one than is stored changes nothing. The errors: [ErrWrongChannel], [ErrBadSignature],
// [ErrExiting], [ErrStaleReserve].
func (p *Payee) KeepReserve(ctx context.Context, r Reserve) error {
	if r.Payee != p.cfg.Payee || r.Token != p.cfg.Token {
		return fmt.Errorf("keep reserve: %w: %s", ErrWrongChannel, r.Channel)
	}
	if err := p.cfg.Domain.VerifyReserve(r); err != nil {
		return err
	}
	ch, err := p.channel(ctx, r.Channel)
	if err != nil {
		return err
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if err := p.refreshLocked(ctx, ch, stateRetry); err != nil {
		return err
	}
	if ch.state.Exiting() {
		return fmt.Errorf("keep reserve: %s: %w", r.Channel, ErrExiting)
	}
	if !r.worth(ch.state) {
		return fmt.Errorf("keep reserve: %w: to %s in epoch %d, the channel has %s in epoch %d", ErrStaleReserve, r.Ceiling,
			r.Epoch, ch.state.Ceiling, ch.state.Epoch)
	}
	return p.cfg.Ledger.do(ctx, func(w *writer) error {
		if err := w.exec("INSERT INTO reserve (channel, ceiling, epoch, valid_until, sig) VALUES (?1,?2,?3,?4,?5)"+
			" ON CONFLICT (channel) DO UPDATE SET ceiling = ?2, epoch = ?3, valid_until = ?4, sig = ?5"+
			" WHERE epoch < ?3 OR (epoch = ?3 AND ceiling < ?2)", ch.account.id, blob(r.Ceiling), int64(r.Epoch),
			count(r.ValidUntil), r.Sig[:]); err != nil {
			return err
		}
		return w.seal(reserveTable, reserveTable.byKey(), ch.account.id)
	})
}

// worth reports whether posting r would raise what the channel guarantees. Its time is held against the chain's.
func (r Reserve) worth(s ChannelState) bool {
	return r.Epoch == s.Epoch && s.Ceiling.Less(r.Ceiling) && r.ValidUntil <= maxValidUntil &&
		s.clock().Add(postMargin).Unix() <= int64(r.ValidUntil)
}

// Release signs the payer's reserve above what has been promised away, for so long. From then on the payee counts on
// no more of the channel's reserve than that, as long as the payer can still use the release; it is stored before it is
// returned. A session that is open on the channel forbids it ([ErrSessionExists]).
func (p *Payee) Release(ctx context.Context, c contracts.Channel, key contracts.Signer, valid time.Duration,
) (Release, error) {
	if c.Payee != p.cfg.Payee || c.Token != p.cfg.Token {
		return Release{}, fmt.Errorf("release: %w: %s", ErrWrongChannel, c)
	}
	ch, err := p.channel(ctx, c)
	if err != nil {
		return Release{}, err
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	p.mu.Lock()
	for id, s := range p.sessions {
		if s.channel == ch {
			p.mu.Unlock()
			return Release{}, fmt.Errorf("release: %w: %s is open", ErrSessionExists, id)
		}
	}
	p.mu.Unlock()
	if err := p.refreshLocked(ctx, ch, stateRetry); err != nil {
		return Release{}, err
	}
	r := Release{
		Channel: c, Ceiling: maxAmount(ch.account.total, ch.state.Settled), Epoch: ch.state.Epoch,
		ValidUntil: uint64(p.chainTimeLocked(ch).Add(valid).Unix()),
	}
	if r, err = p.cfg.Domain.SignRelease(r, key); err != nil {
		return Release{}, err
	}
	next := released{r.Ceiling, r.Epoch, r.ValidUntil}.with(ch.released, ch.state.clock())
	if err := p.cfg.Ledger.do(ctx, func(w *writer) error {
		if err := w.exec("INSERT OR REPLACE INTO release (channel, ceiling, epoch, valid_until) VALUES (?,?,?,?)",
			ch.account.id, blob(next.ceiling), int64(next.epoch), count(next.until)); err != nil {
			return err
		}
		return w.seal(releaseTable, releaseTable.byKey(), ch.account.id)
	}); err != nil {
		return Release{}, err
	}
	ch.released = next
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
type released struct {
	ceiling contracts.Amount
	epoch   uint32
	until   uint64 // Unix seconds
}

// with joins two: the lower ceiling holds, until the later end.
func (r released) with(other released, now time.Time) released {
	if other.epoch == r.epoch && other.until >= uint64(max(now.Unix(), 0)) {
		r.ceiling = minAmount(r.ceiling, other.ceiling)
		r.until = max(r.until, other.until)
	}
	return r
}

// floor is the lifetime total that a channel guarantees, with what may be released any moment left out. A release is over
// when the chain's time says so, and not before.
func (r released) floor(s ChannelState) contracts.Amount {
	ceiling := s.Ceiling
	if r.until >= uint64(max(s.clock().Unix(), 0)) && r.until > 0 && r.epoch == s.Epoch {
		ceiling = minAmount(ceiling, r.ceiling)
	}
	return maxAmount(ceiling, s.Settled)
}

// released reads what was signed away of a channel.
func (l *Ledger) released(ctx context.Context, accountID int64) (r released, err error) {
	var ceiling []byte
	var epoch, until int64
	err = l.read.QueryRowContext(ctx, "SELECT ceiling, epoch, valid_until FROM release WHERE channel = ?", accountID).
		Scan(&ceiling, &epoch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err == nil {
		r.epoch, r.until = uint32(epoch), uint64(until)
		r.ceiling, err = contracts.AmountFromBytes(ceiling)
	}
	if err != nil {
		return r, fmt.Errorf("read releases of the ledger: %w", err)
	}
	return r, nil
}

// reserveOf reads the reserve that is kept for a channel; found is false where there is none.
func (l *Ledger) reserveOf(ctx context.Context, a account) (r Reserve, found bool, err error) {
	var ceiling, sig []byte
	var epoch, until int64
	err = l.read.QueryRowContext(ctx, "SELECT ceiling, epoch, valid_until, sig FROM reserve WHERE channel = ?", a.id).
		Scan(&ceiling, &epoch, &until, &sig)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		r.Channel, r.Epoch, r.ValidUntil = a.channel, uint32(epoch), uint64(until)
		copy(r.Sig[:], sig)
		r.Ceiling, err = contracts.AmountFromBytes(ceiling)
	}
	if err != nil {
		return r, false, fmt.Errorf("read reserves of the ledger: %w", err)
	}
	return r, true, nil
}

// postReserves posts the kept reserves of channels whose exposure, what is promised above the ceiling, deserves it. The
// id of the transaction is that of its rows: the same reserves are posted once, whatever happens.
func (c *Claimer) postReserves(ctx context.Context, list []owing) error {
	var rows []byte
	price, err := c.gasPrice(ctx)
	if err != nil {
		return err // a session goes on within what its consumer is trusted with
	}
	n := 0
	for _, o := range list {
		exposure := o.account.total.SubFloor(o.state.Ceiling)
		if exposure.IsZero() || exposure.Less(c.cfg.Policy.ReserveAbove) || o.state.Exiting() || n == c.cfg.Policy.Batch {
			continue
		}
		r, found, err := c.cfg.Ledger.reserveOf(ctx, o.account)
		if err != nil {
			return err
		}
		if !found || !r.worth(o.state) || o.state.Free.IsZero() {
			continue
		}
		// The consumer chose what it signed, and the gas is this side's.
		secured := minAmount(r.Ceiling.SubFloor(o.state.Ceiling), o.state.Free)
		if price != nil && !c.pays(secured.Big(), reserveGas, price, c.cfg.Policy.Least, 1) {
			c.leave(exposure, "at risk until it is claimed: the reserve that the consumer signed sets less aside than posting it must bring")
			continue
		}
		row := r.Row()
		rows = append(rows, row[:]...)
		n++
	}
	if n == 0 {
		return nil
	}
	data, err := c.contract.TryPackReserveSigned(c.group.token, c.group.payee, rows)
	if err != nil {
		return fmt.Errorf("encode reserves: %w", err)
	}
	id := "reserve/" + hex.EncodeToString(crypto.Keccak256(rows)[:16])
	r, err := c.cfg.Sender.Send(ctx, chain.Intent{ID: id, To: &c.group.domain.Contract, Data: data})
	if err != nil {
		return fmt.Errorf("post %d reserves: %w", n, err)
	}
	c.log.Info("posted reserves", "channels", n, "tx", r.TxHash, "gas", r.GasUsed)
	return nil
}

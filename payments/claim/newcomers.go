package claim

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
)

// A newcomer that a payee refuses for want of trust ([byway/payments/payee.NewcomerError]) reserves on chain and comes
// again. One whose account can send nothing itself has a reserve signed, and the claimer posts that, at its own cost
// and before anything is owed. Vaults are free, and a payer can empty its vault in the block before the posting, or
// have the reserve back by an exit. So the cost is bounded by counting: how many are posted in an hour, for all and for
// those who come from one place, and each vault's once. Who finds that used up makes the reserve with its own account.
// Nothing is stored: what was posted is on chain, and after a crash the newcomer comes again.

const (
	asidesAnHour = 32 // newcomers' reserves that are posted in an hour,
	asidesFrom   = 4  // and of those that come from one place
	asidesAtOnce = 8  // that wait or are in the transaction under way
	asideSpan    = time.Hour
	asideLook    = 3 * time.Second // how long the chain may take to say what a vault holds
	// asidePatience bounds the wait for a transaction; it may be mined afterwards.
	asidePatience = time.Minute
)

// aside is a newcomer whose reserve is looked at, waits, or was posted within the hour.
type aside struct {
	reserve payments.Reserve
	need    contracts.Amount
	from    string
	at      time.Time
	over    bool // its transaction is mined or given up
}

// asides are the newcomers of the last hour.
type asides struct {
	mu    sync.Mutex
	list  []*aside
	ready chan *aside // has room for all that are not over
}

func newAsides() asides { return asides{ready: make(chan *aside, asidesAtOnce)} }

var (
	errAsidesUsed  = errors.New("as many reserves of newcomers are or were posted as may be in an hour")
	errAsideAgain  = errors.New("a reserve of this vault was posted within the hour")
	errUnderWay    = errors.New("a reserve of this vault is under way")
	errAsideEnough = errors.New("what is needed is set aside")
)

// take counts a newcomer in.
func (l *asides) take(r payments.Reserve, need contracts.Amount, from string, now time.Time) (*aside, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(a *aside) bool { return a.over && now.Sub(a.at) >= asideSpan })
	near, busy := 0, 0
	for _, a := range l.list {
		if a.reserve.Channel == r.Channel && !a.over {
			return nil, errUnderWay
		}
		if a.reserve.Channel == r.Channel {
			return nil, errAsideAgain
		}
		if from != "" && a.from == from {
			near++
		}
		if !a.over {
			busy++
		}
	}
	if len(l.list) >= asidesAnHour || busy >= asidesAtOnce || near >= asidesFrom {
		return nil, errAsidesUsed
	}
	a := &aside{reserve: r, need: need, from: from, at: now}
	l.list = append(l.list, a)
	return a, nil
}

// drop forgets one that costs nothing.
func (l *asides) drop(a *aside) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(other *aside) bool { return other == a })
}

// end says that nothing more is done for these.
func (l *asides) end(batch []*aside) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range batch {
		a.over = true
	}
}

// SetAside has [Claimer.Run] post the reserve that came with a newcomer, which
// [byway/payments/payee.Payee.CheckReserve] has checked, so that the channel guarantees need, a lifetime total in base
// units. It reads the chain and does not wait for the transaction. From says from which place the newcomer comes; "" is
// not counted. The error is an [*payments.UnfundedError] where the vault does not hold what is needed; any other says
// why else nothing is posted.
func (c *Claimer) SetAside(ctx context.Context, from string, r payments.Reserve, need contracts.Amount) error {
	if r.Ceiling.Less(need) {
		return fmt.Errorf("set aside for a newcomer: the reserve is for %s base units, needed are %s", r.Ceiling, need)
	}
	a, err := c.asides.take(r, need, from, time.Now())
	if errors.Is(err, errUnderWay) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("set aside for a newcomer: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, asideLook)
	defer cancel()
	price, err := c.gasPrice(ctx)
	if err == nil {
		_, err = c.admits(ctx, a, price)
	}
	if err != nil {
		c.asides.drop(a)
		if errors.Is(err, errAsideEnough) {
			return nil // it comes again and is admitted
		}
		return fmt.Errorf("set aside for a newcomer: %w", err)
	}
	c.asides.ready <- a
	return nil
}

// admits makes sure, by the chain as it is now, that a newcomer's reserve sets aside what is needed, and is worth its gas by
// the rule for any other.
func (c *Claimer) admits(ctx context.Context, a *aside, price *big.Int) (posting, error) {
	none, r := posting{}, a.reserve
	s, err := c.cfg.Chain.State(ctx, r.Channel)
	if err != nil {
		return none, err
	}
	p := posting{debt{state: s}, r, a.need.SubFloor(s.Ceiling)}
	raise := r.Ceiling.SubFloor(s.Ceiling).Min(s.Free)
	switch {
	case p.exposure.IsZero():
		return none, errAsideEnough
	case s.Exiting():
		return none, payments.ErrExiting
	case !s.Takes(r):
		return none, payments.ErrStaleReserve
	case raise.Less(p.exposure):
		return none, &payments.UnfundedError{Channel: r.Channel, Have: s.CanPay(), Want: a.need, Free: s.Free}
	case !c.secures(p, raise, price):
		return none, fmt.Errorf("%s base units would be set aside, which is not worth the gas", raise)
	}
	return p, nil
}

// admit posts newcomers' reserves as they come, until ctx ends: those that wait go in one transaction.
func (c *Claimer) admit(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first := <-c.asides.ready:
			c.admitBatch(ctx, first)
			c.Admit(ctx)
		}
	}
}

// Admit posts the reserves of the newcomers that wait, as Run does when they come.
func (c *Claimer) Admit(ctx context.Context) {
	for {
		select {
		case first := <-c.asides.ready:
			c.admitBatch(ctx, first)
		default:
			return
		}
	}
}

// admitBatch posts the reserves that wait, that one first.
func (c *Claimer) admitBatch(ctx context.Context, first *aside) {
	batch := []*aside{first}
	for len(c.asides.ready) > 0 {
		batch = append(batch, <-c.asides.ready)
	}
	defer c.asides.end(batch)
	ctx, cancel := context.WithTimeout(ctx, asidePatience)
	defer cancel()
	if err := c.postAsides(ctx, batch); err != nil {
		c.log.Warn("reserves of newcomers are not posted", "channels", len(batch), "error", err)
	}
}

func (c *Claimer) postAsides(ctx context.Context, batch []*aside) error {
	price, err := c.gasPrice(ctx)
	if err != nil {
		return err
	}
	var chosen []posting
	for _, a := range batch {
		// It may have waited for the transaction before.
		p, err := c.admits(ctx, a, price)
		if err != nil {
			c.asides.drop(a)
			c.log.Debug("a newcomer's reserve is not posted", "error", err)
			continue
		}
		chosen = append(chosen, p)
	}
	if len(chosen) == 0 {
		return nil
	}
	id, data, err := c.pack(chosen)
	if err != nil {
		return err
	}
	r, err := c.cfg.Sender.Send(ctx, chain.Intent{ID: id, To: &c.claimant.Domain.Contract, Data: data})
	if err != nil {
		return fmt.Errorf("post %d reserves: %w", len(chosen), err)
	}
	taken, sum := 0, contracts.Amount{}
	ceilings := c.usedBy(r)
	for _, p := range chosen {
		if raised := ceilings[p.reserve.Channel].SubFloor(p.state.Ceiling); !raised.IsZero() {
			taken, sum = taken+1, sum.AddCap(raised)
		}
	}
	c.log.Info("posted reserves of newcomers", "channels", len(chosen), "taken", taken, "set_aside", sum.String(),
		"tx", r.TxHash, "gas", r.GasUsed)
	return nil
}

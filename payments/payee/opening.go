package payee

import (
	"context"
	"errors"
	"fmt"

	"byway/contracts"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/pace"
)

// Opening is a session that was recorded.
type Opening struct {
	Credit Credit
	// Latest is the payer's newest promise before this session; nil where there was none.
	Latest *payments.Promise
	// Gate is the vault's, for all of its sessions; nil without [Config].NewGate.
	Gate Gate
}

// Open takes a session's first promise and records both in one commit; nothing is stored for who has shown no money. The
// channel must then hold the price of a tick that no session has been billed for: what an earlier session prepaid and was
// not served counts. Reserve, which may be nil, was checked by [Payee.CheckReserve] and is kept with them.
//
// The errors: [payments.ErrWrongChannel], [contracts.ErrBadSignature], [payments.ErrSessionExists] and
// [payments.ErrSessionClosed] (ids are used once), [payments.ErrExiting], a [*StaleError] where the promise does not
// bring a tick, an [*payments.UnfundedError] where the channel could not pay for it, a [*NewcomerError] where the payee
// trusts no more strangers for now.
func (p *Payee) Open(ctx context.Context, terms payments.Terms, first payments.Promise, reserve *payments.Reserve) (Opening, error) {
	terms, err := pace.Complete(terms)
	if err != nil {
		return Opening{}, err
	}
	if err := p.owns(terms.Channel); err != nil {
		return Opening{}, err
	}
	if err := p.check(first, terms.Channel); err != nil {
		return Opening{}, err
	}
	s := &payeeSession{terms: terms, tick: terms.Price(terms.Tick), step: terms.Price(terms.Tick / stepPart)}
	if err := p.enter(ctx, s); err != nil {
		return Opening{}, err
	}
	o, err := p.open(ctx, s, first, reserve)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.sessions, terms.Session)
	}
	return o, err
}

// enter takes a session's id, which nobody else can have from then on.
func (p *Payee) enter(ctx context.Context, s *payeeSession) error {
	id := s.terms.Session
	p.mu.Lock()
	if p.sessions[id] != nil {
		p.mu.Unlock()
		return fmt.Errorf("session %s: %w", id, payments.ErrSessionExists)
	}
	if p.bare.has(id) {
		p.mu.Unlock()
		return fmt.Errorf("session %s: %w", id, payments.ErrSessionClosed)
	}
	p.sessions[id] = s
	p.mu.Unlock()
	row, err := p.cfg.Ledger.Session(ctx, id, true)
	switch {
	case errors.Is(err, payments.ErrUnknownSession):
		return nil
	case err == nil && row.Closed.IsZero():
		err = fmt.Errorf("session %s: %w", id, payments.ErrSessionExists)
	case err == nil:
		err = fmt.Errorf("session %s: %w", id, payments.ErrSessionClosed)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, id)
	return err
}

func (p *Payee) open(ctx context.Context, s *payeeSession, first payments.Promise, reserve *payments.Reserve) (Opening, error) {
	c := s.terms.Channel
	ch, err := p.hold(ctx, c)
	if err != nil {
		return Opening{}, err
	}
	defer p.letGo(ch)
	if err := p.refreshLocked(ctx, ch, stateRetry); err != nil {
		return Opening{}, err
	}
	before := ch.account
	first.Share = contracts.Amount{} // nothing was billed yet
	a, _, rises := ch.takeLocked(s, first)
	again := first.Cumulative == before.Total && (first.Sig == contracts.Signature(before.Sig) || s.terms.PricePerGiB.IsZero())
	if !rises && !again || a.Credit.Less(s.tick) {
		return Opening{}, &StaleError{Latest: before.Promise(), Settled: ch.state.Settled, Credit: before.Credit}
	}
	if a, err = p.grantLocked(ctx, ch, s, a); err != nil {
		return Opening{}, err
	}
	if ch.state.Exiting() {
		return Opening{}, fmt.Errorf("%s: %w", c, payments.ErrExiting)
	}
	if before.Base != a.Base {
		p.log.Warn("the chain has settled more than this ledger knows of: it was restored from a copy, or is new. Promises "+
			"count from there", "channel", c.String(), "known", before.Total.String(), "settled", ch.state.Settled.String())
	}
	stored, row := a, int64(0)
	reads := a.ID == 0 && p.tellsLocked(ch) // there was no row to write it down with when it was read
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
		if stored, err = withRow(tx, a); err != nil {
			return err
		}
		if reads {
			if err := tx.StoreReading(stored.ID, ch.state.Reading(ch.readAt)); err != nil {
				return err
			}
		}
		if row, err = tx.OpenSession(stored, s.terms); err != nil {
			return err
		}
		if reserve != nil {
			if err := tx.KeepReserve(stored.ID, keptReserve(*reserve), ch.state.Clock().Add(payments.PostMargin)); err != nil {
				return err
			}
		}
		return tx.StorePromise(stored, ledger.Share{Session: row})
	}); err != nil {
		return Opening{}, err
	}
	if reads {
		ch.stored, ch.storedAt = ch.state, ch.readAt
	}
	ch.account, s.row, s.tookAt = stored, row, p.now()
	ch.sessions[s.terms.Session] = s
	if ch.gate == nil && p.cfg.NewGate != nil {
		ch.gate = p.cfg.NewGate()
	}
	credit := p.allowLocked(ch, s)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.channel, ch.promised, ch.window = ch, stored.Total, credit.Window
	return Opening{credit, before.Promise(), ch.gate}, nil
}

// idRing remembers the latest ids of sessions that carried nothing: they leave no row, and their ids are used all the same,
// for longer than a Hello can be said again.
type idRing struct {
	ids  [4096]payments.SessionID
	next int
	set  map[payments.SessionID]bool
}

func (r *idRing) has(id payments.SessionID) bool { return r.set[id] }

func (r *idRing) add(id payments.SessionID) {
	if r.set == nil {
		r.set = map[payments.SessionID]bool{}
	}
	delete(r.set, r.ids[r.next])
	r.ids[r.next] = id
	r.set[id] = true
	r.next = (r.next + 1) % len(r.ids)
}

package connection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/path"
	"byway/node/probe"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/payer"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
)

const (
	attempts     = 6                // providers that one search turns to
	openTime     = 30 * time.Second // for one of them
	listTime     = 30 * time.Second // for the market
	hedgeTime    = 2 * time.Second  // that one of them is waited for alone
	abreast      = 4                // that are turned to at a time
	preferTime   = 300 * time.Millisecond
	inspectedFor = time.Hour // that a look through an exit is good for
	mostLooks    = 256
	// A session has half of what is left set aside at its provider, so that something is left for the next one, but no less
	// than so many ticks.
	leastTicks = 64
)

// startSearch begins to open the next session.
func (s *Supervisor) startSearch() {
	s.retry.Stop()
	s.retryAt = time.Time{}
	ctx, cancel := context.WithCancel(context.Background())
	k := &seek{cancel: cancel, ended: make(chan struct{})}
	before := s.seek
	s.seek = k
	job := s.job()
	s.work.Go(func() {
		defer cancel()
		defer close(k.ended)
		if before != nil {
			<-before.ended // it was stopped
		}
		session, late, err := s.search(ctx, &job)
		s.tell(func() { s.sought(k, &job, session, err) })
		cancel()
		if late == nil {
			return
		}
		for one := range late {
			if one.session != nil { // it was opened all the same
				s.tell(func() { s.found(&seek{stopped: true}, one.session) })
			}
		}
	})
}

// sought takes what a search came to.
func (s *Supervisor) sought(k *seek, j *job, session *path.Session, err error) {
	for offer, at := range j.inspected {
		s.inspected[offer] = at
	}
	if len(s.inspected) > mostLooks {
		clear(s.inspected)
	}
	for _, p := range j.failed {
		s.strike(p)
	}
	if session != nil {
		s.found(k, session)
		k.answer(nil)
		return
	}
	k.answer(err)
	if k.stopped || k != s.seek {
		return
	}
	s.failure = err
	s.feed(event{searchFailed, s.reasonOf(err)})
}

func (k *seek) answer(err error) {
	for _, w := range k.tell {
		w <- err
	}
	k.tell = nil
}

func (s *Supervisor) stopSearch() {
	if s.seek != nil {
		s.seek.stopped = true
		s.seek.cancel()
	}
}

// job is what a search goes by, and what it found out.
type job struct {
	want      Want
	purse     *purse
	strikes   map[common.Address]time.Time
	without   *common.Address // the provider that is to be replaced
	fresh     bool            // the market is asked before the index is believed
	seen      map[string]bool // offers whose exits were looked through lately
	inspected map[string]time.Time
	failed    []common.Address
	hold      *path.Hold
}

func (s *Supervisor) job() job {
	j := job{
		want: s.want, purse: s.purse, hold: s.hold, strikes: map[common.Address]time.Time{}, inspected: map[string]time.Time{},
		seen:  map[string]bool{},
		fresh: s.current == nil && (s.retries > 0 || s.total.Sessions == 0 && s.cond.reason != Restarted),
	}
	now := time.Now()
	for p, of := range s.strikes {
		if of.until.After(now) {
			j.strikes[p] = of.until
		}
	}
	for offer, at := range s.inspected {
		if now.Sub(at) < inspectedFor {
			j.seen[offer] = true
		}
	}
	if s.current != nil {
		provider := s.current.provider()
		j.without = &provider
	}
	return j
}

func (s *Supervisor) step(name string) {
	if s.cfg.Step != nil {
		s.cfg.Step(name)
	}
}

var (
	// errNobody says that nobody who fits, or nobody else, answers.
	errNobody = errors.New("none of the providers that fit can be reached")
	// errNobodyElse says that nobody but the present provider fits.
	errNobodyElse = errors.New("no other provider fits")
)

// budgetError says that a budget is used up.
type budgetError struct{ reason Reason }

// Error implements error.
func (e *budgetError) Error() string {
	return map[Reason]string{
		SessionBudget: "what the connection may cost is used up", DayBudget: "what a day may cost is used up",
		MonthBudget: "what a month may cost is used up", Storage: "what was spent can't be read or written down",
	}[e.reason]
}

// machineError says that the machine can't be held.
type machineError struct{ error }

// Unwrap gives the cause.
func (e *machineError) Unwrap() error { return e.error }

func (s *Supervisor) reasonOf(err error) Reason {
	var budget *budgetError
	var capped *payer.SpendCapError
	switch {
	case errors.As(err, &budget):
		return budget.reason
	case s.cfg.Locked != nil && s.cfg.Locked(err):
		return Locked
	case errors.As(err, &capped) && capped.Funds:
		return Funds
	case errors.As(err, &capped):
		_, reason := s.purse.left()
		return reason
	case errors.As(err, new(*machineError)):
		return NoMachine
	case errors.As(err, new(*path.OfflineError)):
		return NoChain
	case errors.As(err, new(*directory.NoOfferError)), errors.Is(err, errNobodyElse):
		return NoOffer
	case errors.Is(err, errNobody):
		return Unreachable
	}
	return Failed
}

// search opens a session with the best of those that fit, answer and serve. Beside the loop.
func (s *Supervisor) search(ctx context.Context, j *job) (_ *path.Session, late <-chan opened, _ error) {
	if j.want.Machine != nil && j.hold == nil {
		var err error
		if asked := s.ask(ctx, func() {
			if err = ctx.Err(); err == nil {
				err = s.holdMachine(ctx)
			}
			j.hold = s.hold
		}); asked != nil {
			return nil, nil, asked
		}
		if err != nil {
			return nil, nil, &machineError{err}
		}
	}
	if err := s.readSpent(ctx, j.purse); err != nil {
		return nil, nil, errors.Join(&budgetError{Storage}, err)
	}
	if left, reason := j.purse.left(); left.IsZero() {
		return nil, nil, &budgetError{reason}
	}
	s.step("offers")
	ranked, err := s.ranked(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	return s.openBest(ctx, j, ranked)
}

// openBest opens a session with the best of those that serve. One that takes its time is not waited for alone: the next one
// is asked beside it, and the first wins. late brings what the others come to, once ctx has ended, and is closed then.
func (s *Supervisor) openBest(
	ctx context.Context, j *job, ranked []choose.Candidate,
) (_ *path.Session, late <-chan opened, _ error) {
	more, stop := iter.Pull(s.answering(ctx, j, ranked))
	defer stop()
	var running sync.WaitGroup
	results, others := make(chan opened, attempts), make(chan opened, attempts)
	defer s.work.Go(func() {
		running.Wait()
		close(results)
		for one := range results {
			others <- one
		}
		close(others)
	})
	var last error
	tried, open := 0, 0
	asked := map[common.Address]bool{} // and has not answered
	var patience <-chan time.Time
	begin := func() bool {
		c, ok := more()
		if !ok {
			return false
		}
		tried, open, asked[c.Offer.Provider] = tried+1, open+1, true
		paid := make(chan time.Time, 1)
		running.Go(func() {
			session, looked, err := s.open(ctx, j, c, ranked, func() {
				time.AfterFunc(hedgeTime, func() { paid <- time.Now() })
			})
			results <- opened{c, session, looked, err}
		})
		if patience = paid; j.hold != nil || open == abreast {
			patience = nil // a machine goes through one tunnel at a time
		}
		return true
	}
	for open > 0 || begin() {
		var one opened
		select {
		case one = <-results:
			open--
			delete(asked, one.c.Offer.Provider)
		case <-patience:
			patience = nil
			begin()
			continue
		}
		if one.looked {
			j.inspected[one.c.CID.String()] = time.Now()
		}
		if one.err == nil {
			// Who was asked before and is slower than the next one is asked last for a while.
			j.failed = slices.AppendSeq(j.failed, maps.Keys(asked))
			return one.session, others, nil
		}
		if ctx.Err() != nil {
			return nil, others, ctx.Err()
		}
		last = one.err
		switch reason := s.reasonOf(last); {
		case reason == Funds: // another channel may have some
		case reason.holds():
			return nil, others, last
		default:
			j.failed = append(j.failed, one.c.Offer.Provider)
			s.note(last)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, others, ctx.Err()
	case last == nil:
		return nil, others, errNobody
	case tried > 1:
		return nil, others, fmt.Errorf("%d providers failed, the last: %w", tried, last)
	}
	return nil, others, last
}

// opened is what turning to one provider came to.
type opened struct {
	c       choose.Candidate
	session *path.Session
	looked  bool // through its exit
	err     error
}

// ranked are the offers that fit, the best first; those whose providers failed lately come last, the one that is to be
// replaced not at all.
func (s *Supervisor) ranked(ctx context.Context, j *job) ([]choose.Candidate, error) {
	m := s.consumer.Market()
	known, err := s.listed(ctx, j.fresh)
	if err != nil {
		return nil, err
	}
	usable := func() ([]choose.Candidate, error) {
		all, err := m.Rank(known, j.want.Criteria)
		all = slices.DeleteFunc(all, func(c choose.Candidate) bool {
			// Who sells too would pay themselves to go nowhere.
			return j.without != nil && c.Offer.Provider == *j.without || c.Offer.Provider == s.consumer.Key.Address()
		})
		if err == nil && len(all) == 0 {
			err = errNobodyElse
		}
		return all, err
	}
	all, err := usable()
	if err != nil && !j.fresh {
		if known, err = s.listed(ctx, true); err == nil {
			all, err = usable()
		}
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b choose.Candidate) int {
		return j.strikes[a.Offer.Provider].Compare(j.strikes[b.Offer.Provider])
	})
	return all[:min(len(all), 4*attempts)], nil
}

// listed are the offers of the index, or of the market.
func (s *Supervisor) listed(ctx context.Context, fresh bool) (offers []directory.Listing, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	list := s.consumer.Market().Known
	if fresh {
		list = s.consumer.Offers
	}
	for l, err := range list(ctx) {
		switch {
		case err == nil:
			offers = append(offers, l)
		case !errors.As(err, new(*directory.Omission)):
			if len(offers) == 0 {
				return nil, err
			}
			return offers, nil
		}
	}
	return offers, nil
}

// answering yields those whose hosts answer a dial, the best first: one that answers later than a worse one is waited for a
// moment. Who does not answer while another one does is remembered for it; where nobody does, this machine's own network is
// as likely to be at fault.
func (s *Supervisor) answering(ctx context.Context, j *job, ranked []choose.Candidate) iter.Seq[choose.Candidate] {
	ranked = ranked[:min(len(ranked), attempts)]
	type answer struct {
		at  int
		err error
	}
	return func(yield func(choose.Candidate) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		answers := make(chan answer, len(ranked))
		for i, c := range ranked {
			s.work.Go(func() { answers <- answer{i, s.consumer.Market().Reach(ctx, c.Offer)} })
		}
		var up, silent []int
		answered := false
		pending := len(ranked)
		worth := func() bool { // to wait for a better one
			return pending > 0 && (len(up) == 0 || slices.Min(up) > 0)
		}
		var prefer <-chan time.Time
		for pending > 0 || len(up) > 0 {
			if len(up) > 0 && prefer == nil {
				prefer = time.After(preferTime)
			}
			if worth() {
				select {
				case a := <-answers:
					pending--
					if a.err != nil {
						silent = append(silent, a.at)
					} else {
						up, answered = append(up, a.at), true
					}
					if !(len(up) > 0 && slices.Min(up) == 0) {
						continue
					}
				case <-prefer:
				case <-ctx.Done():
					return
				}
			}
			if len(up) == 0 {
				continue
			}
			best := slices.Min(up)
			up = slices.DeleteFunc(up, func(i int) bool { return i == best })
			if !yield(ranked[best]) {
				break
			}
			// Whoever has answered meanwhile is next.
			prefer = time.After(0)
		}
		if answered && ctx.Err() == nil {
			for _, i := range silent {
				s.consumer.Market().Unreached(ranked[i].Offer.Provider)
				j.failed = append(j.failed, ranked[i].Offer.Provider)
			}
		}
	}
}

// open looks through an exit where that can be, makes sure that it can be paid, and opens a session. It calls paid when
// nothing but the provider is waited for.
func (s *Supervisor) open(
	ctx context.Context, j *job, c choose.Candidate, ranked []choose.Candidate, paid func(),
) (_ *path.Session, looked bool, _ error) {
	left, reason := j.purse.left()
	if left.IsZero() {
		return nil, false, &budgetError{reason}
	}
	aside, err := worthAside(c.Offer, left)
	if err != nil {
		return nil, false, err
	}
	consumer := s.consumer.With(func(cfg *path.Config) {
		cfg.SpendCap, cfg.Supervised, cfg.Purse = aside, true, j.purse
		cfg.Engine, cfg.OneWayUDP, cfg.Hold = j.want.Engine, j.want.OneWayUDP, j.hold
	})
	s.step("deposit")
	locked, err := s.fund(ctx, consumer, c.Offer, left)
	if err != nil {
		return nil, false, err
	}
	paid()
	if consumer.Probes() && !j.seen[c.CID.String()] {
		s.step("check")
		err := consumer.Inspect(ctx, c.SignedOffer, others(ranked, c))
		switch {
		case err == nil:
			looked = true
		case errors.As(err, new(*probe.LieError)), ctx.Err() != nil:
			return nil, false, err
		case consumer.Market().Reach(ctx, c.Offer) != nil:
			return nil, false, err
		default:
			s.note(fmt.Errorf("not checked: %w", err)) // nothing is known against it: the targets may be down
		}
	}
	if j.hold != nil && !s.cfg.WarmMachine {
		if err := s.leave(ctx); err != nil {
			return nil, looked, err
		}
	}
	s.step("session")
	opening, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	session, err := consumer.Connect(opening, c.SignedOffer)
	if err != nil {
		return nil, looked, errors.Join(err, locked)
	}
	return session, looked, nil
}

// leave ends the present session in order, for a machine whose interface takes one at a time.
func (s *Supervisor) leave(ctx context.Context) error {
	var session *path.Session
	if err := s.ask(ctx, func() {
		if s.current != nil {
			session = s.current.session
			s.drain(s.current, 0)
		}
	}); err != nil || session == nil {
		return err
	}
	select {
	case <-session.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func others(ranked []choose.Candidate, but choose.Candidate) (out []registry.SignedOffer) {
	for _, c := range ranked {
		if c.Offer.Provider != but.Offer.Provider {
			out = append(out, c.SignedOffer)
		}
	}
	return out
}

// worthAside is how much is set aside for one session of what is left.
func worthAside(o registry.Offer, left contracts.Amount) (contracts.Amount, error) {
	least, err := payments.Cost(o.PricePerGiB, leastTicks*o.Tick)
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("price of %s: %w", o.Provider, err)
	}
	half, err := left.MulDiv(1, 2)
	if err != nil {
		return contracts.Amount{}, err
	}
	return half.Max(least).Min(left), nil
}

// fund makes the vault able to pay what is left of the budgets, with deposits inside of them. Where that can't be done for
// now, what is in the vault is used up first: locked is then why the rest waits.
func (s *Supervisor) fund(
	ctx context.Context, consumer *path.Consumer, o registry.Offer, left contracts.Amount,
) (locked, err error) {
	within := func(r record) contracts.Amount { // that may be deposited
		if r.Budgets.Session.IsZero() {
			return left
		}
		return r.Budgets.Session.SubFloor(r.Deposited)
	}
	var sent contracts.Amount
	_, err = consumer.FundWithin(ctx, o, left, within(s.wish.now()), func(deposit contracts.Amount) error {
		return s.wish.try(func(r *record) error {
			if within(*r).Less(deposit) { // another one was made meanwhile
				return &payer.SpendCapError{Limit: within(*r), Want: deposit, Funds: true}
			}
			sent, r.Deposited = deposit, r.Deposited.AddCap(deposit)
			return nil
		})
	})
	var offline *path.OfflineError
	switch {
	case err == nil:
		return nil, nil
	case s.cfg.Locked != nil && s.cfg.Locked(err):
		if !sent.IsZero() { // nothing was
			if undo := s.wish.change(func(r *record) { r.Deposited = r.Deposited.SubFloor(sent) }); undo != nil {
				return nil, undo
			}
		}
		return err, nil
	case errors.As(err, &offline) && !offline.Can.IsZero():
		s.note(offline)
		return nil, nil
	}
	return nil, err
}

// topUp deposits for the present session, whose funds are used up.
func (s *Supervisor) topUp() {
	if s.topping || s.current == nil || s.current.stands.Capped == nil || !s.current.stands.Capped.Funds {
		return
	}
	s.topping = true
	l, purse := s.current, s.purse
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), openTime)
		defer cancel()
		left, reason := purse.left()
		var err error = &budgetError{reason}
		if !left.IsZero() {
			var locked error
			locked, err = s.fund(ctx, s.consumer, l.session.Offer().Offer, left)
			err = cmp.Or(err, locked)
		}
		s.tell(func() {
			s.topping = false
			if l != s.current || s.cond.state != Holding {
				return
			}
			if err != nil {
				s.failure = err
				if reason := s.reasonOf(err); reason.holds() && reason != s.cond.reason {
					s.feed(event{sessionCapped, reason})
				}
				return
			}
			l.session.PayAgain()
		})
	})
}

// readSpent reads what was promised in the periods that have budgets, where that is due.
func (s *Supervisor) readSpent(ctx context.Context, p *purse) error {
	if s.cfg.Spent == nil || !p.stale() {
		return nil
	}
	return s.readNow(ctx, p)
}

func (s *Supervisor) readNow(ctx context.Context, p *purse) error {
	now := s.cfg.Now()
	day, month := dayOf(now), monthOf(now)
	inDay, err := s.cfg.Spent(ctx, day)
	if err != nil {
		return fmt.Errorf("what was spent today: %w", err)
	}
	inMonth, err := s.cfg.Spent(ctx, month)
	if err != nil {
		return fmt.Errorf("what was spent this month: %w", err)
	}
	p.read(day, month, inDay, inMonth)
	return nil
}

func (s *Supervisor) readSpentBeside() {
	s.reading = true
	p := s.purse
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), listTime)
		defer cancel()
		err := s.readNow(ctx, p)
		s.tell(func() {
			s.reading = false
			if err == nil {
				s.spentAt = time.Now()
			} else {
				s.cfg.Log.Warn("budgets can't be read", "error", err)
			}
		})
	})
}

// blame remembers a provider whose session ended otherwise than asked for.
func (s *Supervisor) blame(l *leg, err error) {
	if err == nil {
		return
	}
	var closed *wire.ClosedError
	if errors.As(err, &closed) && time.Since(l.since) > liveLong {
		switch closed.Code {
		case wire.ClosedUnpaid, wire.ClosedUnfunded, wire.ClosedDone:
			return // it may serve again once it is paid
		}
	}
	s.strike(l.provider())
	if errors.As(err, &closed) && closed.Code == wire.ClosedExit {
		s.consumer.Market().Failed(l.provider(), err)
	}
}

// strike leaves a provider out for a while.
func (s *Supervisor) strike(provider common.Address) {
	now := time.Now()
	if len(s.strikes) >= mostStrikes {
		clear(s.strikes) // more than a market has; what is lost costs a worse choice
	}
	of := s.strikes[provider]
	if now.Sub(of.until) > mostStrike {
		of.times = 0
	}
	of.until = now.Add(min(leastStrike<<min(of.times, 10), mostStrike))
	of.times++
	s.strikes[provider] = of
}

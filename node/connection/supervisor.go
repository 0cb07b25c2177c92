package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/text"
	"byway/node/path"
	"byway/tunnel/proxy"
)

// Config says how a connection is led. Every function may be nil. Notify and Note are called one at a time and must not
// wait, nor ask the supervisor anything.
type Config struct {
	// Machine takes hold of the machine before anything else is done about a wish for it, and shuts it; nil:
	// [path.LockMachine].
	Machine func(context.Context, Machine) (*path.Hold, error)
	// WarmMachine says that the machine's interface takes the next session's tunnel before the old one has ended. Without it
	// the old one ends first.
	WarmMachine bool
	// Spent is what this home has promised since a time, in base units; nil: there are no budgets of days and months.
	Spent func(ctx context.Context, since time.Time) (contracts.Amount, error)
	// Locked reports whether an error means that the account's key can't sign now.
	Locked func(error) bool
	// Notify is told each change of the connection.
	Notify func(Status)
	// Step is told what is done to find an exit: offers, check, deposit, session.
	Step func(name string)
	// Note is told what a user may want to know, and need do nothing about: a provider that was left, a [*BudgetWarning].
	Note func(error)
	// Now is the clock of budgets; nil: this machine's.
	Now func() time.Time
	Log *slog.Logger
}

// ErrClosed says that the supervisor has ended.
var ErrClosed = errors.New("the supervisor of the connection has ended")

// ErrWanted says that a connection is wanted already.
var ErrWanted = errors.New("a connection is wanted already")

// ErrUnwanted says that no connection is wanted.
var ErrUnwanted = errors.New("no connection is wanted")

// StandsError says that a connection is wanted and has no session, and why. It goes on trying.
type StandsError struct {
	Status Status
	Err    error // what the last try met
}

// Error implements error.
func (e *StandsError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("the connection is %s: %s", e.Status.State, e.Status.Reason)
	}
	return fmt.Sprintf("the connection is %s: %v", e.Status.State, e.Err)
}

// Unwrap gives what the last try met.
func (e *StandsError) Unwrap() error { return e.Err }

const (
	beat         = time.Second      // of looking at clocks and budgets
	sleptAfter   = 5 * time.Second  // that a beat was late, or the clock was ahead: the machine was asleep, or stopped
	drainTime    = 30 * time.Second // that the flows of a session have which was replaced
	mostDraining = 3
	closeTime    = 40 * time.Second // for the end of a session
	leastRetry   = time.Second
	mostRetry    = 15 * time.Second
	spentEvery   = time.Minute      // that the ledger is asked what was spent
	moneyEvery   = 10 * time.Second // that a connection which holds looks for money
	leastStrike  = 5 * time.Second  // that a provider is left out which failed, and twice as long each time
	mostStrike   = 30 * time.Minute
	mostStrikes  = 1024
	liveLong     = 10 * time.Second // a session that came so far is no provider's fault where it could not be paid
)

// Supervisor leads the connection of one home. One goroutine, in run, owns all that is not guarded; whatever takes long is
// done beside it and reports to it.
type Supervisor struct {
	consumer *path.Consumer
	cfg      Config
	wish     *wish
	steady   *steady

	events chan func()
	quit   chan struct{} // closed to end run
	done   chan struct{} // run has ended
	once   sync.Once
	work   sync.WaitGroup // what is done beside run

	// Owned by run.
	cond      condition
	failure   error // what the last try met
	since     time.Time
	want      Want
	purse     *purse
	hold      *path.Hold
	current   *leg // new flows go there
	legs      map[*leg]struct{}
	seek      *seek
	retries   int
	retry     *time.Timer
	retryAt   time.Time
	strikes   map[common.Address]strike
	inspected map[string]time.Time // offers whose exits were looked through
	total     Receipt
	waiters   []chan error
	heldLeft  contracts.Amount // of the budgets when the connection began to hold
	moneyAt   time.Time
	spentAt   time.Time
	reading   bool
	topping   bool
	rotateAt  time.Time
	lastBeat  time.Time
	settling  chan struct{} // closed once an end that the user asked for is through; nil: there is none
	settled   error
	closing   bool // Close was called

	mu    sync.Mutex
	shown Status
	shows *path.Session
	bound *purse
}

// leg is one session of a connection.
type leg struct {
	session *path.Session
	stands  path.Standing
	since   time.Time
	cut     chan struct{} // closed to end its draining
	gone    chan struct{} // closed when it has ended, and is in the receipt
	drains  bool
}

func (l *leg) provider() common.Address { return l.session.Offer().Offer.Provider }

// seek is one search for an exit.
type seek struct {
	cancel  context.CancelFunc
	ended   chan struct{}
	stopped bool
	tell    []chan error // who waits for it
}

// strike is how often a provider has failed, and how long it is left out for it.
type strike struct {
	times int
	until time.Time
}

// Supervise leads the connection of a consumer's home. Where one was wanted when the daemon ended it is wanted again, and its
// machine is shut before this returns. ctx bounds the opening alone.
func Supervise(ctx context.Context, consumer *path.Consumer, cfg Config) (*Supervisor, error) {
	if cfg.Log == nil {
		cfg.Log = consumer.Log
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Machine == nil {
		cfg.Machine = func(ctx context.Context, m Machine) (*path.Hold, error) {
			machine := m.Route()
			machine.Log = cfg.Log
			return path.LockMachine(ctx, &machine, cfg.Log)
		}
	}
	wish, err := openWish(consumer.Home)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{
		consumer: consumer, cfg: cfg, wish: wish, steady: newSteady(),
		events: make(chan func()), quit: make(chan struct{}), done: make(chan struct{}),
		legs: map[*leg]struct{}{}, strikes: map[common.Address]strike{}, inspected: map[string]time.Time{},
		since: time.Now(), lastBeat: time.Now(), retry: time.NewTimer(time.Hour),
	}
	s.retry.Stop()
	if r := wish.now(); r.On {
		s.begin(r)
		if err := s.holdMachine(ctx); err != nil {
			// The search tries again: nothing goes through a session before the machine is held.
			cfg.Log.Error("the machine is not held", "error", err)
		}
		s.feed(event{kind: restored})
	} else {
		s.publish()
	}
	go s.run()
	return s, nil
}

// begin makes a wish the one that is led. The loop's, or before it runs.
func (s *Supervisor) begin(r record) {
	s.want = r.want()
	s.purse = newPurse(s.want.Budgets, r.Drawn, s.cfg.Now, func(drawn contracts.Amount) error {
		return s.wish.change(func(r *record) { r.Drawn = drawn })
	})
	s.total, s.failure, s.retries, s.rotateAt, s.spentAt = Receipt{}, nil, 0, time.Time{}, time.Time{}
}

func (s *Supervisor) holdMachine(ctx context.Context) error {
	if s.want.Machine == nil || s.hold != nil {
		return nil
	}
	hold, err := s.cfg.Machine(ctx, *s.want.Machine)
	if err != nil {
		return err
	}
	s.hold = hold
	return nil
}

// run is the loop.
func (s *Supervisor) run() {
	defer close(s.done)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	defer s.retry.Stop()
	for {
		select {
		case f := <-s.events:
			f()
		case <-s.retry.C:
			s.retryAt = time.Time{}
			s.feed(event{kind: retryDue})
		case <-tick.C:
			s.beat()
		case <-s.quit:
			return
		}
	}
}

// tell has the loop do something, which is lost where the loop has ended.
func (s *Supervisor) tell(f func()) {
	select {
	case s.events <- f:
	case <-s.done:
	}
}

// ask has the loop do something and waits for it.
func (s *Supervisor) ask(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case s.events <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// feed passes an event through the transition, and does what follows.
func (s *Supervisor) feed(e event) {
	if s.closing {
		return // what is wanted stays so, and nothing is done about it any more
	}
	was := s.cond
	now, actions := next(was, e)
	s.cond = now
	if now.state != was.state || now.reason != was.reason {
		s.since = time.Now()
		s.cfg.Log.Debug("connection", "state", now.state, "reason", now.reason)
	}
	if now.state == Holding && was.state != Holding {
		s.heldLeft, _ = s.purse.left()
		s.moneyAt = time.Now()
		s.warn()
	}
	for _, a := range actions {
		s.act(a)
	}
	s.publish()
	s.answer()
}

func (s *Supervisor) act(a action) {
	switch a {
	case doSearch:
		s.startSearch()
	case stopSearch:
		s.stopSearch()
	case doRetry:
		wait := min(leastRetry<<min(s.retries, 10), mostRetry)
		wait += rand.N(wait / 4)
		s.retries++
		s.retryAt = time.Now().Add(wait)
		s.retry.Reset(wait)
	case payAgain:
		s.current.session.PayAgain()
		s.topUp()
	case doubt:
		s.current.session.Doubt(errWoken)
	case settleAll:
		s.settle()
	case giveMachine:
		s.giveMachine()
	}
}

var errWoken = errors.New("this machine was asleep, or its network has changed")

// Connect makes a connection wanted and returns when it is connected, or with a [*StandsError] where it can't be for now:
// it stays wanted then, as it does when ctx ends. What can't be wanted is refused, with nothing changed.
func (s *Supervisor) Connect(ctx context.Context, w Want) error {
	if err := w.Check(); err != nil {
		return err
	}
	if s.cfg.Spent == nil && (!w.Budgets.Day.IsZero() || !w.Budgets.Month.IsZero()) {
		return &InvalidError{"budget", "of a day or month can't be held: what was spent is not known"}
	}
	answer := make(chan error, 1)
	for {
		var err error
		var settling chan struct{}
		if asked := s.ask(ctx, func() {
			if settling = s.settling; settling == nil {
				err = s.on(ctx, w, answer)
			}
		}); asked != nil {
			return asked
		}
		if settling == nil && err != nil {
			return err
		}
		if settling == nil {
			break
		}
		select { // the one before is not over yet
		case <-settling:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.answered(ctx, answer)
}

// on writes the wish down, takes hold of the machine, and begins.
func (s *Supervisor) on(ctx context.Context, w Want, answer chan error) error {
	if s.cond.state != Off {
		return ErrWanted
	}
	wanted := recordOf(w, s.cfg.Now())
	if err := s.wish.change(func(r *record) { *r = wanted }); err != nil {
		return err
	}
	s.begin(wanted)
	if err := s.holdMachine(ctx); err != nil {
		return errors.Join(err, s.wish.change(func(r *record) { *r = record{} }))
	}
	s.waiters = append(s.waiters, answer)
	s.feed(event{kind: userOn})
	return nil
}

// answer tells who waits for the connection how its opening went.
func (s *Supervisor) answer() {
	var err error
	switch {
	case len(s.waiters) == 0:
		return
	case s.cond.state == Connected:
	case s.cond.state == Off:
		err = ErrUnwanted
	case (s.cond.state == Blocked || s.cond.state == Holding) && !s.cond.searching:
		err = &StandsError{s.Snapshot(), s.failure}
	default:
		return
	}
	for _, w := range s.waiters {
		w <- err
	}
	s.waiters = nil
}

// Off ends the connection, as only its user may: each session is paid to the unit, and a machine that went through it is
// given back. It returns what the connection came to, also with an error. Where ctx ends first it goes on.
func (s *Supervisor) Off(ctx context.Context) (Receipt, error) {
	var settling chan struct{}
	var err, kept error
	if asked := s.ask(ctx, func() {
		if s.cond.state == Off {
			if settling = s.settling; settling == nil {
				err = ErrUnwanted
			}
			return
		}
		// A home that is gone, or a full disk, keeps no user from opening the machine; the next daemon may want it again then.
		kept = s.wish.change(func(r *record) { r.On = false })
		s.feed(event{kind: userOff})
		settling = s.settling
	}); asked != nil {
		return Receipt{}, asked
	}
	if err != nil {
		return Receipt{}, err
	}
	select {
	case <-settling:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
	var receipt Receipt
	if asked := s.ask(ctx, func() { receipt, err = s.total, s.settled }); asked != nil {
		return Receipt{}, asked
	}
	return receipt, errors.Join(err, kept)
}

// settle ends every session.
func (s *Supervisor) settle() {
	s.retry.Stop()
	s.retryAt = time.Time{}
	s.steady.use(nil)
	s.current = nil
	for l := range s.legs {
		s.drain(l, 0)
	}
}

// giveMachine opens the machine once the sessions have ended, or their time is up.
func (s *Supervisor) giveMachine() {
	over := make(chan struct{})
	s.settling = over
	hold, seek := s.hold, s.seek
	s.hold = nil
	s.work.Go(func() {
		patience, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		late := s.allGone(patience, seek)
		err := errors.Join(late, hold.End(""))
		s.tell(func() {
			s.settled = err
			s.total.Duration = time.Since(s.began())
			s.settling = nil
			s.publish()
			close(over)
		})
	})
}

// allGone waits until a search has ended and every session has. Beside the loop.
func (s *Supervisor) allGone(ctx context.Context, k *seek) error {
	var ends []<-chan struct{}
	if k != nil {
		ends = append(ends, k.ended)
	}
	for first := true; len(ends) > 0 || first; first = false {
		for _, end := range ends {
			select {
			case <-end:
			case <-ctx.Done():
				return fmt.Errorf("a session has not ended in order: %w", ctx.Err())
			}
		}
		ends = nil
		if err := s.ask(ctx, func() {
			for l := range s.legs {
				ends = append(ends, l.gone)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Supervisor) began() time.Time { return s.wish.now().Since }

// Rotate takes another exit, whose session is open before the old one is left. It returns when that is so, or with why it
// is not.
func (s *Supervisor) Rotate(ctx context.Context) error {
	answer := make(chan error, 1)
	var err error
	if asked := s.ask(ctx, func() {
		if s.cond.state == Off {
			err = ErrUnwanted
			return
		}
		was := s.current
		s.feed(event{kind: userRotate})
		if s.seek == nil || s.seek.stopped || was == nil {
			err = &StandsError{s.Snapshot(), s.failure}
			return
		}
		s.seek.tell = append(s.seek.tell, answer)
	}); asked != nil {
		return asked
	}
	if err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Spend lets the connection cost more than its budget said. One that holds for want of it goes on.
func (s *Supervisor) Spend(more contracts.Amount) error {
	b := s.Snapshot().Want.Budgets
	if b.Session.IsZero() {
		return &InvalidError{"budget", "of the connection is not set: there is nothing to raise"}
	}
	return s.budgets(func(b Budgets) (Budgets, error) {
		sum, err := b.Session.Add(more)
		b.Session = sum
		return b, err
	})
}

// Bound changes the budgets. What was spent of them stays so.
func (s *Supervisor) Bound(to Budgets) error {
	return s.budgets(func(Budgets) (Budgets, error) { return to, nil })
}

func (s *Supervisor) budgets(change func(Budgets) (Budgets, error)) (err error) {
	asked := s.ask(context.Background(), func() {
		if s.cond.state == Off {
			err = ErrUnwanted
			return
		}
		want := s.want
		if want.Budgets, err = change(want.Budgets); err != nil {
			return
		}
		if err = want.Check(); err != nil {
			return
		}
		if err = s.wish.change(func(r *record) { r.Budgets = want.Budgets }); err != nil {
			return
		}
		s.want = want
		s.purse.bound(want.Budgets)
		s.spentAt = time.Time{}
		s.feed(event{kind: moreMoney})
	})
	return errors.Join(asked, err)
}

// Retry has the connection try again what it waits for, at once: a key was unlocked, a deposit made.
func (s *Supervisor) Retry() {
	s.tell(func() {
		s.retries = 0
		s.feed(event{kind: moreMoney})
		s.feed(event{kind: retryDue})
	})
}

// Woken says that the machine's network is another one, or was away: the session makes sure of its provider.
func (s *Supervisor) Woken() {
	s.tell(func() {
		s.retries = 0
		s.feed(event{kind: woken})
	})
}

// Dialer opens flows through whatever session there is. While there is none a flow waits ten seconds for one.
func (s *Supervisor) Dialer() proxy.Dialer { return s.steady }

// Snapshot returns how the connection stands.
func (s *Supervisor) Snapshot() Status {
	s.mu.Lock()
	status, session, purse := s.shown, s.shows, s.bound
	s.mu.Unlock()
	if session != nil {
		status.Session, status.Machine, status.Trouble = session.Receipt(), session.Machine(), session.Blocked()
	}
	if purse != nil {
		status.Budget, status.Day, status.Month = purse.use()
		status.Left, _ = purse.left()
	}
	status.Deposited = s.wish.now().Deposited
	return status
}

// publish makes the loop's state known.
func (s *Supervisor) publish() {
	status := Status{
		Wanted: s.cond.state != Off, State: s.cond.state, Reason: s.cond.reason, Since: s.since,
		Doubted: s.cond.doubted, Searching: s.cond.searching, Retry: s.retryAt, Rotates: s.rotateAt,
		Sessions: s.total.Sessions + len(s.legs), Total: s.total, Want: s.want,
	}
	if status.Wanted {
		status.Wish = s.began()
	}
	if s.cond.reason != NoReason && s.failure != nil {
		status.Text = text.Lines(s.failure.Error())
	}
	var session *path.Session
	for l := range s.legs {
		if l.drains {
			status.Draining++
		}
	}
	if s.current != nil {
		session = s.current.session
		status.Exit = exitOf(session.Offer().Offer)
	}
	s.mu.Lock()
	s.shown, s.shows, s.bound = status, session, s.purse
	s.mu.Unlock()
	if s.cfg.Notify != nil {
		s.cfg.Notify(s.Snapshot())
	}
}

// warn tells of budgets that are nearly used up.
func (s *Supervisor) warn() {
	for _, warning := range s.purse.warnings() {
		s.note(warning)
	}
}

func (s *Supervisor) note(err error) {
	if s.cfg.Note != nil {
		s.cfg.Note(err)
	}
}

// Close ends the supervisor with its daemon: every session is paid to the unit, the wish stays, and a machine that was held
// stays shut.
func (s *Supervisor) Close(ctx context.Context) error {
	var err error
	s.once.Do(func() { err = s.close(ctx) })
	return err
}

func (s *Supervisor) close(ctx context.Context) error {
	var hold *path.Hold
	var purse *purse
	var k *seek
	var settling chan struct{}
	asked := s.ask(context.WithoutCancel(ctx), func() {
		s.closing = true
		s.stopSearch()
		k, settling = s.seek, s.settling
		s.settle()
		if hold, s.hold = s.hold, nil; s.cond.state != Off {
			purse = s.purse
		}
	})
	late := s.allGone(ctx, k)
	if settling != nil && late == nil {
		select {
		case <-settling:
		case <-ctx.Done():
			late = ctx.Err()
		}
	}
	var shut error
	if hold != nil {
		shut = hold.Abandon("the daemon has ended")
	}
	var kept error
	if purse != nil && late == nil {
		kept = s.wish.change(func(r *record) { r.Drawn = purse.settled() })
	}
	s.steady.end()
	close(s.quit)
	<-s.done
	if late == nil {
		s.work.Wait()
	}
	return errors.Join(asked, late, shut, kept)
}

// beat looks at the clocks, the budgets, and what is due.
func (s *Supervisor) beat() {
	now := time.Now()
	passed, wall := now.Sub(s.lastBeat), now.Round(0).Sub(s.lastBeat.Round(0))
	s.lastBeat = now
	if s.cond.state == Off || s.closing {
		return
	}
	if passed > sleptAfter || wall-passed > sleptAfter {
		s.retries = 0
		s.feed(event{kind: woken})
	}
	if s.cfg.Spent != nil && (s.purse.stale() || now.Sub(s.spentAt) > spentEvery) && !s.reading {
		s.readSpentBeside()
	}
	s.warn()
	if !s.rotateAt.IsZero() && now.After(s.rotateAt) && s.cond.state == Connected && !s.cond.searching {
		s.rotateAt = now.Add(s.want.Rotate)
		s.feed(event{kind: userRotate})
	}
	if s.cond.state != Holding {
		return
	}
	left, _ := s.purse.left()
	switch {
	case s.heldLeft.Less(left):
		s.heldLeft = left
		s.feed(event{kind: moreMoney})
	case s.cond.live && now.Sub(s.moneyAt) > moneyEvery && s.cond.reason != SessionBudget:
		s.moneyAt = now
		s.feed(event{kind: moreMoney})
	}
}

// found takes a session that a search has opened.
func (s *Supervisor) found(k *seek, session *path.Session) {
	l := &leg{session: session, since: time.Now(), cut: make(chan struct{}), gone: make(chan struct{})}
	s.legs[l] = struct{}{}
	s.work.Go(func() { s.watch(l) })
	if k.stopped || s.cond.state == Off || s.closing {
		s.drain(l, 0)
		return
	}
	was := s.current
	s.current = l
	s.failure, s.retries = nil, 0
	s.retry.Stop()
	s.retryAt = time.Time{}
	s.rotateAt = time.Time{}
	if s.want.Rotate > 0 {
		s.rotateAt = time.Now().Add(s.want.Rotate)
	}
	s.steady.use(session.Tunnel())
	if was != nil {
		patience := drainTime
		if was.stands.Doubted {
			patience = 0
		}
		s.drain(was, patience)
	}
	s.feed(event{kind: sessionUp})
}

// watch reports what becomes of a session. It ends with it.
func (s *Supervisor) watch(l *leg) {
	for {
		select {
		case <-l.session.Changed():
			stands := l.session.Standing()
			s.tell(func() { s.stood(l, stands) })
		case <-l.session.Done():
			s.tell(func() { s.ended(l) })
			return
		}
	}
}

func (s *Supervisor) stood(l *leg, now path.Standing) {
	was := l.stands
	l.stands = now
	if l != s.current {
		return
	}
	switch {
	case now.Doubted && !was.Doubted:
		s.feed(event{kind: sessionDoubted})
	case !now.Doubted && was.Doubted:
		s.feed(event{kind: sessionWell})
	}
	switch {
	case now.Capped != nil && (was.Capped == nil || was.Capped.Funds != now.Capped.Funds):
		s.failure = now.Capped
		reason := Funds
		if !now.Capped.Funds {
			_, reason = s.purse.left()
		}
		s.feed(event{sessionCapped, reason})
		if now.Capped.Funds {
			s.topUp()
		}
	case now.Capped == nil && was.Capped != nil:
		s.feed(event{kind: sessionPaid})
	}
}

// ended takes the end of a session.
func (s *Supervisor) ended(l *leg) {
	defer close(l.gone)
	delete(s.legs, l)
	s.total.add(l.session.Receipt())
	err := l.session.Err()
	s.blame(l, err)
	if l != s.current {
		s.publish()
		return
	}
	s.current = nil
	s.steady.use(nil)
	if err != nil {
		s.failure = err
		s.note(err)
	}
	s.feed(event{kind: sessionLost})
}

// drain ends a session after its flows had some time.
func (s *Supervisor) drain(l *leg, patience time.Duration) {
	if l.drains {
		if patience == 0 {
			s.cutOff(l)
		}
		return
	}
	l.drains = true
	if patience == 0 {
		s.cutOff(l)
	}
	var draining []*leg
	for other := range s.legs {
		if other.drains {
			draining = append(draining, other)
		}
	}
	slices.SortFunc(draining, func(a, b *leg) int { return a.since.Compare(b.since) })
	for len(draining) > mostDraining {
		s.cutOff(draining[0])
		draining = draining[1:]
	}
	s.work.Go(func() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.cut:
		case <-l.session.Done():
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if _, err := l.session.Close(ctx); err != nil {
			s.cfg.Log.Debug("a session did not end in order", "session", l.session.ID(), "error", err)
		}
	})
}

func (s *Supervisor) cutOff(l *leg) {
	select {
	case <-l.cut:
	default:
		close(l.cut)
	}
}

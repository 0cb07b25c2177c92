// Package claim turns a payee's promises into tokens, when that is worth its gas or when asked: it posts the reserves that
// payers have signed, answers exits, and books what its transactions did. A claim is stored before its transaction is sent.
package claim

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// maxClaimRows bounds a batch: a transaction of so many rows stays far below every chain's limits.
const maxClaimRows = 500

// Sender sends claims and posted reserves from one account.
type Sender interface {
	Address() common.Address
	Send(ctx context.Context, i chain.Intent) (chain.Result, error)
}

// GasPricer tells what gas costs now, in wei.
type GasPricer interface {
	SuggestGasPrice(ctx context.Context) (*big.Int, error)
}

// Config says whose promises are claimed. Gas and Log may be nil: without Gas its price is not known.
type Config struct {
	Ledger     *ledger.Ledger
	Chain      chainview.Chain
	Sender     Sender
	Deployment contracts.Deployment
	// Payee is paid, in Token. Zero: the sender's account, and the deployment's token.
	Payee, Token common.Address
	Policy       Policy
	Gas          GasPricer
	// Vault is the session key of the payee's own vault; zero: it has none. With ToVault claims are paid into it, to be spent
	// from there.
	Vault   common.Address
	ToVault bool
	// Hold says why no transaction can be made now; nil: one can. Claims then wait for [Claimer.Wake] or the next round.
	Hold func() error
	// Events makes what follows the Channels contract with [Topics], so that an exit is seen within a block and a
	// reorganisation at all. It is called by [Claimer.Run], again while the chain can't be asked, and what it makes belongs
	// to this claimer. Nil: channels are read once an interval.
	Events func(ctx context.Context) (*chain.Follower, error)
	// Withdrawn hears of each withdrawal from a vault, as the events tell of it. Nil: nobody does.
	Withdrawn func(ctx context.Context, v contracts.Vault) error
	Log       *slog.Logger
}

// Proceeds sum up a round of claims.
type Proceeds struct {
	// Total was paid, in base units, for so many channels in so many transactions.
	Total        contracts.Amount
	Channels     int
	Transactions int
	// GasUsed is in gas, Fee in wei.
	GasUsed uint64
	Fee     *big.Int
	// TxHash is the last transaction, zero where there was none.
	TxHash common.Hash
}

// Claimer turns a payee's promises into tokens. Safe for concurrent use; one claim runs at a time.
type Claimer struct {
	cfg      Config
	claimant ledger.Claimant
	contract *channels.Channels
	log      *slog.Logger
	turn     *sync.Mutex
	wake     chan struct{} // holds one token
	start    int           // where a round begins to read, guarded by turn

	unpayable []contracts.Amount // owed on channels that can pay nothing of it, by this round; guarded by turn

	vain  map[common.Address]setback // by payer; guarded by turn
	noted map[common.Hash]bool       // postings that vain knows; guarded by turn

	asides asides // newcomers' reserves

	skippedMu sync.Mutex
	skipped   []Omission
	left      []Leftover // by the last round that Run made
}

// New makes a claimer of the payee's channels in that ledger.
func New(cfg Config) (*Claimer, error) {
	if cfg.Ledger == nil || cfg.Chain == nil || cfg.Sender == nil {
		return nil, errors.New("claimer: ledger, chain and sender are required")
	}
	if cfg.Payee == (common.Address{}) {
		cfg.Payee = cfg.Sender.Address()
	}
	if cfg.Token == (common.Address{}) {
		cfg.Token = cfg.Deployment.Token
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Policy = cfg.Policy.withDefaults()
	claimant := ledger.Claimant{Domain: payments.DomainOf(cfg.Deployment), Token: cfg.Token, Payee: cfg.Payee}
	return &Claimer{
		cfg: cfg, claimant: claimant, contract: channels.NewChannels(), log: cfg.Log, turn: cfg.Ledger.Shared(turnOf(claimant), new(sync.Mutex)).(*sync.Mutex),
		wake: make(chan struct{}, 1), vain: map[common.Address]setback{}, noted: map[common.Hash]bool{},
		asides: newAsides(),
	}, nil
}

// turnOf is the ledger's key of the lock that lets one claim of a claimant's run at a time, whoever makes it.
type turnOf ledger.Claimant

// Run claims by the policy until ctx ends, beginning with what a crash has left half done and what has happened on
// chain meanwhile. A failing chain is waited out; it returns only for ctx and for a ledger that can't store.
func (c *Claimer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if c.cfg.Events != nil {
		group.Go(func() error { return c.follow(ctx) })
	}
	group.Go(func() error { return c.loop(ctx) })
	group.Go(func() error { return c.admit(ctx) })
	return group.Wait()
}

// Wake makes Run look at the channels now: when a session has ended, for instance.
func (c *Claimer) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Claimer) loop(ctx context.Context) error {
	said := ""
	for {
		done, err := c.Round(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ledger.ErrStore):
			return err
		case err != nil:
			if err.Error() != said {
				c.log.Warn("claims wait", "error", err)
			}
		case done.Transactions > 0:
			c.log.Info("claimed", "amount", done.Total.String(), "channels", done.Channels, "fee_wei", done.Fee.String(),
				"tx", done.TxHash)
		}
		said = ""
		if err != nil {
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		case <-time.After(c.cfg.Policy.Interval):
		}
	}
}

// Claim claims everything that can be paid, now: into the payee's own vault, or to the payee.
func (c *Claimer) Claim(ctx context.Context, toVault bool) (Proceeds, error) {
	into := common.Address{}
	if toVault {
		into = c.cfg.Vault
	}
	return c.round(ctx, into, func(_ context.Context, list []debt) ([]debt, error) { return list, nil })
}

// Round claims by the policy, as Run does once an interval.
func (c *Claimer) Round(ctx context.Context) (Proceeds, error) {
	return c.round(ctx, c.cfg.into(), c.work)
}

// into is where automatic claims go: a session key's vault, or with a zero one the payee.
func (c Config) into() common.Address {
	if c.ToVault {
		return c.Vault
	}
	return common.Address{}
}

// Earnings returns the payee's numbers.
func (c *Claimer) Earnings(ctx context.Context) (ledger.Earnings, error) {
	return c.cfg.Ledger.Earnings(ctx, c.claimant)
}

// debt is a channel that owes something which it can pay.
type debt struct {
	account ledger.Account
	state   chainview.State
	value   contracts.Amount // what a claim brings now
}

func (c *Claimer) round(ctx context.Context, into common.Address, choose func(context.Context, []debt) ([]debt, error)) (Proceeds, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	sum := Proceeds{Fee: new(big.Int)}
	if c.cfg.Hold != nil {
		if err := c.cfg.Hold(); err != nil {
			return sum, fmt.Errorf("claim: %w", err)
		}
	}
	// What was recorded goes first: it may be mined already, and its promises are not to be sent twice.
	left, err := c.cfg.Ledger.ClaimsOnTheirWay(ctx, c.claimant)
	if err != nil {
		return sum, err
	}
	for _, record := range left {
		if err := c.send(ctx, record, into, &sum); err != nil {
			return sum, err
		}
	}
	list, err := c.owing(ctx)
	if err != nil {
		return sum, err
	}
	if list, err = choose(ctx, list); err != nil {
		return sum, err
	}
	// What must be claimed before an exit ends comes first, the soonest of it before the rest; then the most valuable, so
	// that a purse that runs dry has paid for those.
	slices.SortStableFunc(list, func(a, b debt) int {
		if a.state.Exiting() != b.state.Exiting() {
			if a.state.Exiting() {
				return -1
			}
			return 1
		}
		return cmp.Or(a.state.ExitAt.Compare(b.state.ExitAt), b.value.Cmp(a.value))
	})
	for batch := range slices.Chunk(list, c.cfg.Policy.Batch) {
		record := ledger.Claim{Intent: "claim/" + rand.Text()}
		for _, o := range batch {
			record.Rows = append(record.Rows, ledger.ClaimRow{
				Account: o.account.ID, Cumulative: o.account.Total, Before: o.state.Settled, Row: o.account.Promise().Row(),
			})
		}
		if err := c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
			record.ID, err = tx.StoreClaim(c.claimant, record)
			return err
		}); err != nil {
			return sum, err
		}
		if err := c.send(ctx, record, into, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// owing reads the claimant's channels from the chain, records what is settled and returns those that can pay something.
func (c *Claimer) owing(ctx context.Context) ([]debt, error) {
	accounts, err := c.cfg.Ledger.Owed(ctx, c.claimant)
	if err != nil {
		return nil, err
	}
	// Among those that seem to owe nothing may be one whose answer was false.
	doubtful, err := c.cfg.Ledger.Unconfirmed(ctx, c.claimant, time.Now(), recheckBatch)
	if err != nil {
		return nil, err
	}
	accounts = append(accounts, doubtful...)
	states, err := c.readStates(ctx, accounts)
	if err != nil {
		return nil, err
	}
	free := map[common.Hash]contracts.Amount{} // of each vault, as far as this round has not planned it away
	var list []debt
	c.unpayable = nil
	for _, a := range accounts {
		s, ok := states[a.ID]
		if !ok {
			continue
		}
		vault := a.Channel.Vault.ID()
		if _, ok := free[vault]; !ok {
			free[vault] = s.Free
		}
		ceiling := s.Ceiling.Max(s.Settled)
		fromReserve := a.Total.Min(ceiling).SubFloor(s.Settled)
		fromFree := a.Total.SubFloor(ceiling).Min(free[vault])
		free[vault] = free[vault].SubFloor(fromFree)
		value, err := fromReserve.Add(fromFree)
		if err != nil {
			return nil, err
		}
		if !value.IsZero() {
			list = append(list, debt{a, s, value})
		}
		if lost := a.Total.SubFloor(s.Settled).SubFloor(value); !lost.IsZero() {
			c.unpayable = append(c.unpayable, lost)
		}
	}
	return list, c.setSettled(ctx, states)
}

// work deals with debts for Run: it secures what is exposed and claims what is worth it.
func (c *Claimer) work(ctx context.Context, list []debt) ([]debt, error) {
	chosen, err := c.worth(ctx, list)
	if err != nil {
		return nil, err
	}
	// What is claimed now is safe in a moment anyway.
	claimed := map[int64]bool{}
	for _, o := range chosen {
		claimed[o.account.ID] = true
	}
	exposed := slices.DeleteFunc(slices.Clone(list), func(o debt) bool { return claimed[o.account.ID] })
	if err := c.postReserves(ctx, exposed); err != nil {
		c.log.Warn("reserves wait", "error", err)
	}
	return chosen, nil
}

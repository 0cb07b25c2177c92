package payments

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
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/payments/ledger"
)

// maxClaimRows bounds a batch: a transaction of so many rows stays far below every chain's limits.
const maxClaimRows = 500

var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// Sender sends transactions exactly once for each intent, across restarts. [chain.Sender] is the real one.
type Sender interface {
	Address() common.Address
	Send(ctx context.Context, i chain.Intent) (chain.Result, error)
}

// GasPricer tells what gas costs now, in wei.
type GasPricer interface {
	SuggestGasPrice(ctx context.Context) (*big.Int, error)
}

// ClaimerConfig says whose promises are claimed. Gas and Log may be nil: without Gas its price is not known.
type ClaimerConfig struct {
	Ledger     *Ledger
	Chain      Chain
	Sender     Sender
	Deployment contracts.Deployment
	// Payee is paid, in Token. Zero: the sender's account, and the deployment's token.
	Payee, Token common.Address
	Policy       Policy
	Gas          GasPricer
	// Events makes what follows the Channels contract with [ClaimerTopics], so that an exit is seen within a block and a
	// reorganisation at all. It is called by [Claimer.Run], again while the chain can't be asked, and what it makes belongs
	// to this claimer. Nil: channels are read once an interval.
	Events func(ctx context.Context) (*chain.Follower, error)
	// Withdrawn hears of each withdrawal from a vault, as the events tell of it. Nil: nobody does.
	Withdrawn func(ctx context.Context, v contracts.Vault) error
	Log       *slog.Logger
}

// ClaimerTopics is what a claimer's [chain.Follower] shall follow on the Channels contract.
func ClaimerTopics(token common.Address) [][]common.Hash {
	events := channels.NewChannels().GetABI().Events
	return [][]common.Hash{
		{
			events[channels.ChannelsClaimedEventName].ID, events[channels.ChannelsExitStartedEventName].ID,
			events[channels.ChannelsWithdrawnEventName].ID,
		},
		{addressWord(token)},
	}
}

// Claimed is what a round of claims has brought.
type Claimed struct {
	// Total is what was paid, in base units, for so many channels in so many transactions.
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
	cfg      ClaimerConfig
	claimant ledger.Claimant
	contract *channels.Channels
	log      *slog.Logger
	turn     *sync.Mutex
	wake     chan struct{} // holds one token
	start    int           // where a round begins to read, guarded by turn

	unpayable []contracts.Amount // owed on channels that can pay nothing of it, by this round; guarded by turn

	vain  map[common.Address]vain // by payer; guarded by turn
	noted map[common.Hash]bool    // postings that vain knows; guarded by turn

	asides asides // newcomers' reserves

	skippedMu sync.Mutex
	skipped   []Skipped
	left      []Unclaimed // by the last round that Run made
}

// NewClaimer makes a claimer of the payee's channels in that ledger.
func NewClaimer(cfg ClaimerConfig) (*Claimer, error) {
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
	claimant := ledger.Claimant{Domain: ledger.Domain(DomainOf(cfg.Deployment)), Token: cfg.Token, Payee: cfg.Payee}
	return &Claimer{
		cfg: cfg, claimant: claimant, contract: channels.NewChannels(), log: cfg.Log, turn: cfg.Ledger.turn(claimant),
		wake: make(chan struct{}, 1), vain: map[common.Address]vain{}, noted: map[common.Hash]bool{},
		asides: newAsides(),
	}, nil
}

// turn is the lock that lets one claim of a claimant's run at a time, whoever makes it.
func (l *Ledger) turn(c ledger.Claimant) *sync.Mutex {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns[c] == nil {
		l.turns[c] = new(sync.Mutex)
	}
	return l.turns[c]
}

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

// follow follows the chain's news from when the chain can be asked.
func (c *Claimer) follow(ctx context.Context) error {
	for {
		events, err := c.cfg.Events(ctx)
		switch {
		case err == nil:
			return events.Run(ctx, c.handle)
		case ctx.Err() != nil:
			return ctx.Err()
		case !chain.IsOutage(err):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(eventsRetry):
		}
	}
}

// eventsRetry is how soon the chain is asked again from where on it is to be followed.
const eventsRetry = 5 * time.Second

// Wake makes Run look at the channels now: when a session has ended, for instance.
func (c *Claimer) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Claimer) loop(ctx context.Context) error {
	for {
		done, err := c.round(ctx, c.work)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrLedger):
			return err
		case err != nil:
			c.log.Warn("claims wait", "error", err)
		case done.Transactions > 0:
			c.log.Info("claimed", "amount", done.Total.String(), "channels", done.Channels, "fee_wei", done.Fee.String(),
				"tx", done.TxHash)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		case <-time.After(c.cfg.Policy.Interval):
		}
	}
}

// handle takes the chain's news: an exit is answered at once, and after a reorganisation the ledger follows the chain.
func (c *Claimer) handle(ctx context.Context, u chain.Update) error {
	if u.Rollback {
		c.turn.Lock() // a claim that is being booked is booked first
		defer c.turn.Unlock()
		list, err := c.cfg.Ledger.SettledSince(ctx, c.claimant, u.From)
		if err != nil {
			return err
		}
		states, unread, err := c.reread(ctx, list)
		if err != nil {
			return err
		}
		c.Wake()
		return c.rolledBack(ctx, u.From, states, unread)
	}
	if slices.ContainsFunc(u.Logs, c.concerns) {
		c.Wake()
	}
	for _, log := range u.Logs {
		if c.cfg.Withdrawn == nil {
			break
		}
		w, err := c.contract.UnpackWithdrawnEvent(&log)
		if err != nil {
			continue // another event
		}
		vault := contracts.Vault{Token: w.Token, Payer: w.Payer, Signer: w.Signer}
		if err := c.cfg.Withdrawn(ctx, vault); ctx.Err() != nil || errors.Is(err, ErrLedger) {
			return err
		} else if err != nil {
			c.log.Debug("a vault that was withdrawn from can't be read", "error", err)
		}
	}
	return nil
}

// concerns reports whether an event is of a channel of this payee's. A claim that settled nothing, which anybody can make
// in any block, is no news: it would have every channel read.
func (c *Claimer) concerns(log types.Log) bool {
	if len(log.Topics) == 0 || log.Topics[len(log.Topics)-1] != addressWord(c.claimant.Payee) { // the last one in either event
		return false
	}
	claimed, err := c.contract.UnpackClaimedEvent(&log)
	return err != nil || len(claimed.Settled) > 0
}

// Claim claims everything that can be paid, now.
func (c *Claimer) Claim(ctx context.Context) (Claimed, error) {
	return c.round(ctx, func(_ context.Context, list []owing) ([]owing, error) { return list, nil })
}

// Earnings returns the payee's numbers.
func (c *Claimer) Earnings(ctx context.Context) (Earnings, error) {
	return c.cfg.Ledger.Ledger.Earnings(ctx, c.claimant)
}

// owing is a channel that owes something which it can pay.
type owing struct {
	account ledger.Account
	state   ChannelState
	value   contracts.Amount // what a claim brings now
}

func (c *Claimer) round(ctx context.Context, choose func(context.Context, []owing) ([]owing, error)) (Claimed, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	sum := Claimed{Fee: new(big.Int)}
	// What was recorded goes first: it may be mined already, and its promises are not to be sent twice.
	left, err := c.cfg.Ledger.ClaimsOnTheirWay(ctx, c.claimant)
	if err != nil {
		return sum, err
	}
	for _, record := range left {
		if err := c.send(ctx, record, &sum); err != nil {
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
	slices.SortStableFunc(list, func(a, b owing) int {
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
				Account: o.account.ID, Cumulative: o.account.Total, Before: o.state.Settled, Row: promiseOf(o.account).Row(),
			})
		}
		if err := c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
			record.ID, err = tx.StoreClaim(c.claimant, record)
			return err
		}); err != nil {
			return sum, err
		}
		if err := c.send(ctx, record, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// owing reads the claimant's channels from the chain, records what is settled and returns those that can pay something.
func (c *Claimer) owing(ctx context.Context) ([]owing, error) {
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
	var list []owing
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
		ceiling := maxAmount(s.Ceiling, s.Settled)
		fromReserve := minAmount(a.Total, ceiling).SubFloor(s.Settled)
		fromFree := minAmount(a.Total.SubFloor(ceiling), free[vault])
		free[vault] = free[vault].SubFloor(fromFree)
		value, err := fromReserve.Add(fromFree)
		if err != nil {
			return nil, err
		}
		if !value.IsZero() {
			list = append(list, owing{a, s, value})
		}
		if lost := a.Total.SubFloor(s.Settled).SubFloor(value); !lost.IsZero() {
			c.unpayable = append(c.unpayable, lost)
		}
	}
	return list, c.setSettled(ctx, states)
}

// work is what Run does with what is owed: it secures what is exposed and claims what is worth it.
func (c *Claimer) work(ctx context.Context, list []owing) ([]owing, error) {
	chosen, err := c.worth(ctx, list)
	if err != nil {
		return nil, err
	}
	// What is claimed now is safe in a moment anyway.
	claimed := map[int64]bool{}
	for _, o := range chosen {
		claimed[o.account.ID] = true
	}
	exposed := slices.DeleteFunc(slices.Clone(list), func(o owing) bool { return claimed[o.account.ID] })
	if err := c.postReserves(ctx, exposed); err != nil {
		c.log.Warn("reserves wait", "error", err)
	}
	return chosen, nil
}

// send sends a recorded claim, again where that was begun before, and books what it did.
func (c *Claimer) send(ctx context.Context, record ledger.Claim, sum *Claimed) error {
	rows := make([]byte, 0, len(record.Rows)*RowSize)
	for _, r := range record.Rows {
		rows = append(rows, r.Row[:]...)
	}
	data, err := c.contract.TryPackClaim(c.claimant.Token, c.claimant.Payee, rows)
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	result, err := c.cfg.Sender.Send(ctx, chain.Intent{ID: record.Intent, To: &c.claimant.Domain.Contract, Data: data})
	if err != nil {
		var reverted *chain.RevertError
		if errors.As(err, &reverted) {
			err = errors.Join(err, c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
				return tx.FailClaim(record.ID, reverted.TxHash, reverted.Reason)
			}))
		}
		return fmt.Errorf("claim of %d channels: %w", len(record.Rows), err)
	}
	done, err := c.settlement(ctx, record, result)
	if err != nil {
		return fmt.Errorf("claim %s: %w", result.TxHash, err)
	}
	if err := c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.SettleClaim(record.ID, done) }); err != nil {
		return err
	}
	if sum.Total, err = sum.Total.Add(done.Paid); err != nil {
		return err
	}
	sum.Channels += len(done.Settled)
	sum.Transactions++
	sum.GasUsed += result.GasUsed
	sum.Fee.Add(sum.Fee, done.Fee)
	sum.TxHash = result.TxHash
	return nil
}

// settlement reads what a mined claim did out of its own events.
func (c *Claimer) settlement(ctx context.Context, record ledger.Claim, r chain.Result) (ledger.Settlement, error) {
	s := ledger.Settlement{
		Tx: r.TxHash, Block: r.Block, Gas: r.GasUsed, Fee: new(big.Int), Settled: map[int64]contracts.Amount{},
	}
	if r.Fee != nil {
		s.Fee.Set(r.Fee)
	}
	byVault := map[common.Address]ledger.ClaimRow{}
	for _, row := range record.Rows {
		account, err := c.cfg.Ledger.AccountByID(ctx, row.Account)
		if err != nil {
			return s, err
		}
		vault := account.Channel.Vault.ID()
		byVault[common.Address(vault[:20])] = row
	}
	for _, log := range r.Logs {
		switch {
		case log.Address == c.claimant.Token && isTransfer(log, c.claimant.Domain.Contract, c.claimant.Payee):
			paid, err := contracts.AmountFromBig(new(big.Int).SetBytes(log.Data))
			if err == nil {
				s.Paid, err = s.Paid.Add(paid)
			}
			if err != nil {
				return s, fmt.Errorf("transfer event: %w", err)
			}
		case log.Address == c.claimant.Domain.Contract:
			event, err := c.contract.UnpackClaimedEvent(log)
			if err != nil || event.Token != c.claimant.Token || event.Payee != c.claimant.Payee {
				continue // another event of the contract's
			}
			for _, word := range event.Settled { // none where somebody else had claimed all of it before
				row, ok := byVault[common.Address(word[:20])]
				if !ok {
					return s, fmt.Errorf("claimed event settles vault %x, which was not claimed", word[:20])
				}
				if s.Settled[row.Account], err = contracts.AmountFromBytes(word[20:]); err != nil {
					return s, err
				}
			}
		}
	}
	return s, nil
}

func isTransfer(log *types.Log, from, to common.Address) bool {
	return len(log.Topics) == 3 && log.Topics[0] == transferTopic && len(log.Data) == 32 &&
		log.Topics[1] == addressWord(from) && log.Topics[2] == addressWord(to)
}

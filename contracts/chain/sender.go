package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"byway/contracts"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// Intent is what a transaction shall do.
type Intent struct {
	// ID makes the intent known again: the same ID is the same transaction, sent at most once, across restarts.
	// Required.
	ID    string
	To    *common.Address // nil: contract creation
	Data  []byte
	Value *big.Int // wei, nil = 0
	Gas   uint64   // 0: what an estimate on the pending state says, and a fifth
}

// Result tells what a mined transaction did.
type Result struct {
	TxHash          common.Hash
	Block           uint64
	GasUsed         uint64
	GasPrice        *big.Int // wei per gas, as charged
	Fee             *big.Int // wei, GasUsed × GasPrice
	Logs            []*types.Log
	ContractAddress common.Address // of a contract creation
}

// SenderConfig says who sends and where.
type SenderConfig struct {
	Client  *Client
	Signer  contracts.Signer
	Journal *Journal
	// Confirmations is how many blocks must stand on a transaction, its own counted, before Send returns. 0 and 1:
	// its own.
	Confirmations uint64
	// Finality is how many blocks must stand on a transaction before no reorganisation can take it back; until then
	// [Sender.Watch] keeps an eye on it. 64 by default, and no less than Confirmations.
	Finality uint64
	// StuckAfter is how long a transaction may wait before it is replaced by one that pays more, 20 s by default.
	StuckAfter time.Duration
	// MaxGasPrice bounds what is paid for a unit of gas in wei, 2,000 gwei by default.
	MaxGasPrice *big.Int
	Log         *slog.Logger
}

// Sender sends the transactions of one account, each exactly once. Before anything leaves, the nonce, the intent and
// the hash of the signed transaction are on disk; so after a crash at any point [Sender.Send] with the same ID, or
// [Sender.Resume], goes on where it stopped. What a reorganisation drops is sent again: by [Sender.Watch] wherever that
// runs, and by any send that waits for the nonce below its own. No two senders may share an account's journal, or an
// account.
type Sender struct {
	client        *Client
	signer        contracts.Signer
	sends         sends
	confirmations uint64
	finality      uint64
	stuckAfter    time.Duration
	maxGasPrice   *big.Int
	log           *slog.Logger

	// hook is called after each step in tests; an error ends the send as a crash would.
	hook func(step string) error

	nonces sync.Mutex // held while a nonce is chosen, recorded and first broadcast

	identity   sync.Mutex
	identified bool // the chain is the journal's, as far as is known; guarded by identity

	mu     sync.Mutex
	active map[string]chan struct{} // sends under way, by ID; closed at their end
	fresh  map[string]bool          // sends settled since Watch looked last

	changed chan struct{} // wakes Watch
}

var (
	// ErrOtherIntent says that an ID was used before, for another transaction.
	ErrOtherIntent = errors.New("the same ID stands for another transaction already")
	// ErrGasPrice says that the chain asks for more than [SenderConfig.MaxGasPrice].
	ErrGasPrice = errors.New("gas costs more than the limit")
)

// FundsError says that an account can't pay for a transaction.
type FundsError struct {
	Address    common.Address
	Have, Need *big.Int // wei
}

// Error implements error.
func (e *FundsError) Error() string {
	return fmt.Sprintf("account %s has %s wei and needs %s wei for value and gas: send it at least %s wei more",
		e.Address, e.Have, e.Need, new(big.Int).Sub(e.Need, e.Have))
}

// NewSender returns a sender. It needs a client, a signer and a journal.
func NewSender(cfg SenderConfig) (*Sender, error) {
	if cfg.Client == nil || cfg.Signer == nil || cfg.Journal == nil {
		return nil, errors.New("new sender: client, signer and journal are required")
	}
	s := &Sender{
		client:        cfg.Client,
		signer:        cfg.Signer,
		sends:         sends{cfg.Journal, cfg.Client.ChainID(), cfg.Signer.Address()},
		confirmations: max(cfg.Confirmations, 1),
		finality:      cfg.Finality,
		stuckAfter:    cfg.StuckAfter,
		maxGasPrice:   cfg.MaxGasPrice,
		log:           cfg.Log,
		hook:          func(string) error { return nil },
		active:        make(map[string]chan struct{}),
		fresh:         make(map[string]bool),
		changed:       make(chan struct{}, 1),
	}
	if s.finality == 0 {
		s.finality = defaultFinality
	}
	s.finality = max(s.finality, s.confirmations)
	if s.stuckAfter <= 0 {
		s.stuckAfter = 20 * time.Second
	}
	if s.maxGasPrice == nil {
		s.maxGasPrice = big.NewInt(2000 * params.GWei)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	// From here on no endpoint is believed that serves another chain than the journal's.
	known, err := s.sends.origins(context.Background())
	if err != nil {
		return nil, fmt.Errorf("new sender: %w", err)
	}
	s.client.expect(known, s.sends.path)
	return s, nil
}

// Address is the account that sends.
func (s *Sender) Address() common.Address { return s.signer.Address() }

// Send sends a transaction and waits until it is mined and confirmed. An ID that was sent before is not sent again:
// Send waits for that transaction, or returns its result at once.
//
// The error is a [*RevertError] where the contract refuses, before or after it was sent, and a [*FundsError] where the
// account can't pay. When ctx ends, the transaction may still be mined: Send it again with the same ID, or Resume.
func (s *Sender) Send(ctx context.Context, i Intent) (Result, error) {
	if i.ID == "" || len(i.ID) > 256 {
		return Result{}, errors.New("send: the intent needs an ID of 1 to 256 bytes")
	}
	if i.Value != nil && (i.Value.Sign() < 0 || i.Value.BitLen() > 256) {
		return Result{}, fmt.Errorf("send %q: the value is out of range", i.ID)
	}
	r, err := s.sendOnce(ctx, i)
	if err != nil {
		return Result{}, fmt.Errorf("send %q: %w", i.ID, err)
	}
	return r, nil
}

func (s *Sender) sendOnce(ctx context.Context, i Intent) (Result, error) {
	release, err := s.enter(ctx, i.ID)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if err := s.checkChain(ctx); err != nil {
		return Result{}, err
	}
	known, err := s.sends.find(ctx, i.ID)
	if err != nil {
		return Result{}, err
	}
	if known == nil {
		if known, err = s.begin(ctx, i); err != nil {
			return Result{}, err
		}
	} else if !known.same(i) {
		return Result{}, ErrOtherIntent
	}
	return s.await(ctx, known)
}

// enter makes the caller the only one who works on that ID.
func (s *Sender) enter(ctx context.Context, id string) (release func(), err error) {
	for {
		release, other := s.tryEnter(id)
		if release != nil {
			return release, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryEnter is enter where nobody works on the ID; other is closed when somebody who does has finished.
func (s *Sender) tryEnter(id string) (release func(), other <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, busy := s.active[id]; busy {
		return nil, other
	}
	done := make(chan struct{})
	s.active[id] = done
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.active, id)
		close(done)
	}, nil
}

// begin gives an intent a nonce, records it and broadcasts its first attempt.
func (s *Sender) begin(ctx context.Context, i Intent) (*send, error) {
	if i.Value == nil {
		i.Value = new(big.Int)
	}
	var err error
	if i.Gas == 0 {
		if i.Gas, err = s.estimate(ctx, i); err != nil {
			return nil, err
		}
	}
	price, err := s.price(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := s.checkFunds(ctx, i, price); err != nil {
		return nil, err
	}
	s.nonces.Lock()
	defer s.nonces.Unlock()
	nonce, err := s.nextNonce(ctx)
	if err != nil {
		return nil, err
	}
	sn := &send{Intent: i, nonce: nonce}
	signed, err := s.sign(sn, price)
	if err != nil {
		return nil, err
	}
	sn.attempts = []*types.Transaction{signed}
	if err := s.hook("signed"); err != nil {
		return nil, err
	}
	if err := s.sends.insert(ctx, sn); err != nil {
		return nil, err
	}
	s.wakeWatch()
	if err := s.hook("recorded"); err != nil {
		return nil, err
	}
	if err := s.broadcast(ctx, sn); err != nil {
		return nil, s.withdraw(ctx, sn, err)
	}
	return sn, s.hook("broadcast")
}

func (s *Sender) nextNonce(ctx context.Context) (uint64, error) {
	ours, err := s.sends.nextNonce(ctx)
	if err != nil {
		return 0, err
	}
	// Whoever else uses the account, against all advice, is given way.
	chains, err := s.client.nextNonce(ctx, s.Address(), ours)
	if err != nil {
		return 0, err
	}
	return max(ours, chains), nil
}

func (s *Sender) estimate(ctx context.Context, i Intent) (uint64, error) {
	gas, err := s.client.EstimateGas(ctx, ethereum.CallMsg{From: s.Address(), To: i.To, Data: i.Data, Value: i.Value})
	if err != nil {
		if funds := s.checkFunds(ctx, i, gasPrice{}); funds != nil {
			return 0, funds
		}
		return 0, err
	}
	// The state may have moved on when the transaction runs. Above the protocol's bound for one transaction (EIP-7825)
	// a margin would make it invalid.
	if padded := gas + gas/5; padded <= params.MaxTxGas || gas > params.MaxTxGas {
		return padded, nil
	}
	return params.MaxTxGas, nil
}

func (s *Sender) checkFunds(ctx context.Context, i Intent, price gasPrice) error {
	have, err := s.client.mostBalance(ctx, s.Address())
	if err != nil {
		return err
	}
	need := new(big.Int).SetUint64(i.Gas)
	need.Mul(need, price.capOrZero())
	if i.Value != nil {
		need.Add(need, i.Value)
	}
	if have.Cmp(need) < 0 {
		return &FundsError{s.Address(), have, need}
	}
	return nil
}

// broadcast hands the newest attempt to the endpoints. An error means that they refuse it for good; where it is
// unknown whether they took it, waiting and sending it again will tell.
func (s *Sender) broadcast(ctx context.Context, sn *send) error {
	sn.taken = false
	err := s.client.SendTransaction(ctx, sn.last())
	switch classify(err) {
	case accepted:
		sn.taken = true
		s.log.Debug("transaction sent", "id", sn.ID, "nonce", sn.nonce, "hash", sn.last().Hash())
		return nil
	case refused:
		return err
	default:
		s.log.Debug("transaction not taken yet", "id", sn.ID, "nonce", sn.nonce, "error", err)
		return nil
	}
}

// withdraw takes back a send whose first attempt was refused for good, and fills its nonce where later ones depend on
// it. The caller holds s.nonces.
func (s *Sender) withdraw(ctx context.Context, sn *send, cause error) error {
	if err := s.sends.forget(ctx, sn); err != nil {
		return errors.Join(cause, err)
	}
	if funds := s.checkFunds(ctx, sn.Intent, priceOf(sn.last())); funds != nil {
		cause = funds
	}
	next, err := s.sends.nextNonce(ctx)
	if err != nil || next <= sn.nonce {
		return errors.Join(cause, err)
	}
	return errors.Join(cause, s.fill(ctx, sn.nonce))
}

// fill spends a nonce on a transfer of nothing to ourselves, so that those above it can be mined.
func (s *Sender) fill(ctx context.Context, nonce uint64) error {
	self := s.Address()
	price, err := s.price(ctx, nil)
	if err != nil {
		return err
	}
	sn := &send{nonce: nonce, Intent: Intent{
		ID: fmt.Sprintf("fill nonce %d", nonce), To: &self, Value: new(big.Int), Gas: params.TxGas,
	}}
	signed, err := s.sign(sn, price)
	if err != nil {
		return err
	}
	sn.attempts = []*types.Transaction{signed}
	if err := s.sends.insert(ctx, sn); err != nil {
		return err
	}
	s.log.Info("filling a nonce that would hold up later transactions", "nonce", nonce)
	return s.broadcast(ctx, sn)
}

// Recognise makes sure that the chain is the one that the journal was written on, [ErrChainReset] where it is not.
func (s *Sender) Recognise(ctx context.Context) error { return s.checkChain(ctx) }

// Open returns how many transactions the journal has in flight: recorded, perhaps sent, and not known to be mined.
func (s *Sender) Open(ctx context.Context) (int, error) {
	open, err := s.sends.pending(ctx)
	return len(open), err
}

// Resume takes up everything that the journal says is in flight, and what a reorganisation has dropped meanwhile: it
// sends it again and waits until all of it is mined. Transactions that revert are settled as such and are no error.
// Call it at start, before or beside the first Send. [ErrChainReset] says that the journal is another chain's.
func (s *Sender) Resume(ctx context.Context) error {
	if err := s.checkChain(ctx); err != nil {
		return fmt.Errorf("resume sending: %w", err)
	}
	if _, err := s.look(ctx, anchor{}); err != nil {
		return fmt.Errorf("resume sending: %w", err)
	}
	open, err := s.sends.pending(ctx)
	if err != nil {
		return fmt.Errorf("resume sending: %w", err)
	}
	if len(open) == 0 {
		return nil
	}
	s.log.Info("resuming transactions in flight", "count", len(open))
	if err := s.fillGaps(ctx, open); err != nil {
		return fmt.Errorf("resume sending: %w", err)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(open))
	slots := make(chan struct{}, 32)
	for n, sn := range open {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.finish(ctx, sn.ID); err != nil {
				errs[n] = fmt.Errorf("%q: %w", sn.ID, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("resume sending: %w", err)
	}
	return nil
}

// finish brings a send that is in the journal to its end. One that is not there any more was taken back. That it
// reverts is an end too.
func (s *Sender) finish(ctx context.Context, id string) error {
	release, err := s.enter(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if err := s.checkChain(ctx); err != nil {
		return err
	}
	sn, err := s.sends.find(ctx, id)
	if err != nil || sn == nil {
		return err
	}
	_, err = s.await(ctx, sn)
	if r := (*RevertError)(nil); errors.As(err, &r) {
		return nil
	}
	return err
}

// mostFilled is how many nonces are filled at once: each costs gas, and crashes leave one.
const mostFilled = 16

// fillGaps fills nonces below those in flight that neither the chain nor the journal knows anything about: a crash
// between taking back a send and filling its nonce leaves one.
func (s *Sender) fillGaps(ctx context.Context, open []*send) error {
	s.nonces.Lock()
	defer s.nonces.Unlock()
	next, err := s.client.usedNonces(ctx, s.Address())
	if err != nil {
		return err
	}
	filled := 0
	for _, sn := range open {
		for ; next < sn.nonce; next++ {
			used, err := s.sends.query(ctx, "nonce = ?", int64(next))
			if err != nil {
				return err
			}
			if len(used) != 0 {
				continue
			}
			if filled++; filled > mostFilled {
				return fmt.Errorf("the next nonce of account %s is said to be %d and a transaction waits with nonce %d: so many are "+
					"not filled, an endpoint has named a false one", s.Address(), next, sn.nonce)
			}
			if err := s.fill(ctx, next); err != nil {
				return err
			}
		}
		next = max(next, sn.nonce+1)
	}
	return nil
}

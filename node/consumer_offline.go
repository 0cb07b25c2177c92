package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/disk"
	"byway/payments"
)

// A consumer goes on while the chain is down: it opens sessions with providers that it knows and promises them what it
// knew to be deposited when the chain was last heard. Nothing is promised that was not there then; whether a provider
// takes promises that it cannot hold against the chain is the provider's decision.

const (
	fundsFile  = "funds.json"
	knownMost  = 1024             // channels that are remembered, the latest read
	knownEvery = 30 * time.Second // a state that is what it was is written down again no sooner
	maxFunds   = 1 << 20          // bytes of the file

	fundsPatience = 5 * time.Second // for one reading of the chain
	downMemory    = 3 * time.Second // a chain that was down is not asked again for so long
)

// errChainUnread says that nothing can be learnt from the chain now: its endpoints don't answer, are left out, or contradict
// each other. The error that wraps it names them and says which it is.
var errChainUnread = errors.New("the chain can't be read")

// OfflineError says that nothing can be deposited because the chain can't be read, and what can be paid without.
type OfflineError struct {
	// Can is what the channel can pay beyond what has been promised on it, as was known at AsOf.
	Can   contracts.Amount
	AsOf  time.Time // the zero time: never
	Cause error
}

// Error implements error.
func (e *OfflineError) Error() string {
	if e.AsOf.IsZero() {
		return fmt.Sprintf("%v, and this home knows of no deposit for this provider", e.Cause)
	}
	return fmt.Sprintf("%v; this home knows of deposits as of %s", e.Cause, e.AsOf.UTC().Format(time.RFC3339))
}

// Unwrap gives the cause.
func (e *OfflineError) Unwrap() error { return e.Cause }

// knownState is what a channel was when it was last read.
type knownState struct {
	Token   common.Address   `json:"token"`
	Payer   common.Address   `json:"payer"`
	Signer  common.Address   `json:"signer"`
	Payee   common.Address   `json:"payee"`
	Free    contracts.Amount `json:"free"`
	Settled contracts.Amount `json:"settled"`
	Ceiling contracts.Amount `json:"ceiling"`
	Epoch   uint32           `json:"epoch"`
	ExitAt  int64            `json:"exit_at,omitempty"` // Unix seconds
	Block   uint64           `json:"block"`
	Time    time.Time        `json:"time,omitzero"` // of that block
	AsOf    time.Time        `json:"as_of"`         // by this machine's clock
}

func (k knownState) channel() contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: k.Token, Payer: k.Payer, Signer: k.Signer}, Payee: k.Payee,
	}
}

func (k knownState) state() payments.ChannelState {
	s := payments.ChannelState{
		Free: k.Free, Settled: k.Settled, Ceiling: k.Ceiling, Epoch: k.Epoch, Block: k.Block, Time: k.Time,
	}
	if k.ExitAt != 0 {
		s.ExitAt = time.Unix(k.ExitAt, 0)
	}
	return s
}

func newKnownState(c contracts.Channel, s payments.ChannelState, now time.Time) knownState {
	k := knownState{
		Token: c.Token, Payer: c.Payer, Signer: c.Signer, Payee: c.Payee,
		Free: s.Free, Settled: s.Settled, Ceiling: s.Ceiling, Epoch: s.Epoch, Block: s.Block, AsOf: now.UTC(),
		Time: s.Time.UTC(),
	}
	if !s.ExitAt.IsZero() {
		k.ExitAt = s.ExitAt.Unix()
	}
	return k
}

// fundsJSON is funds.json.
type fundsJSON struct {
	ChainID  uint64         `json:"chain_id"`
	Contract common.Address `json:"channels"`
	Known    []knownState   `json:"known"`
}

// knownFunds remembers what the chain said of the home's channels.
type knownFunds struct {
	home    Home
	network Network

	mu     sync.Mutex
	known  map[contracts.Channel]knownState
	downAt time.Time // when the chain was last found down
	down   error
}

// readKnownFunds reads funds.json. What another network's chain said is forgotten.
func readKnownFunds(home Home, n Network) (*knownFunds, error) {
	k := &knownFunds{home: home, network: n, known: map[contracts.Channel]knownState{}}
	path := home.path(fundsFile)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, err
	case info.Size() > maxFunds:
		return nil, fmt.Errorf("read %s: it has more than %d bytes", path, maxFunds)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f fundsJSON
	if err := decodeJSON(text, &f); err != nil {
		return nil, fmt.Errorf("read %s: %w; delete it, the chain tells it again", path, err)
	}
	if f.ChainID == n.ChainID && f.Contract == n.Channels {
		for _, s := range f.Known {
			k.known[s.channel()] = s
		}
	}
	return k, nil
}

// remember writes down what the chain says.
func (k *knownFunds) remember(c contracts.Channel, s payments.ChannelState) error {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.downAt, k.down = time.Time{}, nil
	fresh := newKnownState(c, s, now)
	was, ok := k.known[c]
	same := was
	same.Block, same.Time, same.AsOf = fresh.Block, fresh.Time, fresh.AsOf
	changed := !ok || same != fresh || now.Sub(was.AsOf) >= knownEvery
	k.known[c] = fresh
	// The free balance is the whole vault's: what the other channels were said to have of it is outdated with this one's.
	for other, s := range k.known {
		if other.Vault == c.Vault && s.Free != fresh.Free {
			s.Free = fresh.Free
			k.known[other], changed = s, true
		}
	}
	if !changed {
		k.known[c] = was
		return nil
	}
	return k.writeLocked()
}

// expect takes from what is known of a vault, before a transaction is sent, what that may take: whatever becomes of the
// transaction and of the chain, no more is promised than is there. The chain tells the rest afterwards ([Wallet.learn]).
func (k *knownFunds) expect(v contracts.Vault, change func(*knownState)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := false
	for c, s := range k.known {
		if c.Vault != v {
			continue
		}
		was := s
		if change(&s); s != was {
			k.known[c], changed = s, true
		}
	}
	if !changed {
		return nil
	}
	return k.writeLocked()
}

func (k *knownFunds) writeLocked() error {
	f := fundsJSON{ChainID: k.network.ChainID, Contract: k.network.Channels}
	for _, s := range k.known {
		f.Known = append(f.Known, s)
	}
	slices.SortFunc(f.Known, func(a, b knownState) int {
		return cmp.Or(b.AsOf.Compare(a.AsOf), a.Payee.Cmp(b.Payee))
	})
	f.Known = f.Known[:min(len(f.Known), knownMost)]
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return disk.WriteFile(k.home.path(fundsFile), text, 0o600)
}

func (k *knownFunds) recall(c contracts.Channel) (knownState, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.known[c]
	return s, ok
}

// lately returns why the chain was down, where that was found out a moment ago.
func (k *knownFunds) lately() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.downAt) < downMemory {
		return k.down
	}
	return nil
}

func (k *knownFunds) isDown(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.downAt, k.down = time.Now(), err
}

// readFunds reads a channel from the chain, and remembers it. While that can't be the error is [errChainUnread].
func (c *Consumer) readFunds(ctx context.Context, channel contracts.Channel) (payments.ChannelState, error) {
	if err := c.known.lately(); err != nil {
		return payments.ChannelState{}, err
	}
	reading, cancel := context.WithTimeout(ctx, fundsPatience)
	defer cancel()
	err := c.online(reading)
	var state payments.ChannelState
	if err == nil {
		state, err = c.view.State(reading, channel)
	}
	if err == nil {
		return state, c.known.remember(channel, state)
	}
	if ctx.Err() != nil || errors.Is(err, chain.ErrChainReset) {
		return state, err
	}
	// An endpoint that answers has a reason to refuse this; one that gives no head either is down.
	asking, cancel := context.WithTimeout(ctx, chainPatience)
	defer cancel()
	if _, headErr := c.chain.Head(asking); headErr == nil && !chain.IsOutage(err) || ctx.Err() != nil {
		return state, err
	}
	err = fmt.Errorf("%w: %w", errChainUnread, err)
	c.known.isDown(err)
	return state, err
}

// funds is a channel as the chain has it or, while the chain is down, as this home knew it last. A channel that was never
// read is taken to be empty then.
func (c *Consumer) funds(ctx context.Context, channel contracts.Channel) (payments.ChannelState, error) {
	state, err := c.readFunds(ctx, channel)
	if !errors.Is(err, errChainUnread) {
		return state, err
	}
	known, _ := c.known.recall(channel)
	return known.state(), nil
}

// offline says what a channel can pay as far as this home knows.
func (c *Consumer) offline(channel contracts.Channel, promised contracts.Amount, cause error) error {
	known, ok := c.known.recall(channel)
	if !ok {
		return &OfflineError{Cause: cause}
	}
	spent := promised
	if spent.Less(known.Settled) {
		spent = known.Settled
	}
	can, err := known.Ceiling.Add(known.Free)
	if err != nil {
		can = contracts.MaxAmount()
	}
	if known.ExitAt != 0 {
		can = contracts.Amount{} // a provider gives no credit to who is leaving
	}
	return &OfflineError{Can: can.SubFloor(spent), AsOf: known.AsOf, Cause: cause}
}

package account

import (
	"cmp"
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
	"byway/contracts/disk"
	"byway/node/home"
	"byway/payments/chainview"
)

// A consumer goes on while the chain is down: it opens sessions with providers that it knows and promises them what it
// knew to be deposited when the chain was last heard. Nothing is promised that was not there then; whether a provider
// takes promises that it cannot hold against the chain is the provider's decision.

const (
	FundsFile  = "funds.json"
	knownMost  = 1024             // channels that are remembered, the latest read
	knownEvery = 30 * time.Second // a state that is what it was is written down again no sooner
	maxFunds   = 1 << 20          // bytes of the file

	FundsPatience = 5 * time.Second // for one reading of the chain
	downMemory    = 3 * time.Second // a chain that was down is not asked again for so long
)

// ChannelFunds holds a channel's state as it was last read.
type ChannelFunds struct {
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

func (k ChannelFunds) channel() contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: k.Token, Payer: k.Payer, Signer: k.Signer}, Payee: k.Payee,
	}
}

func (k ChannelFunds) State() chainview.State {
	s := chainview.State{
		Free: k.Free, Settled: k.Settled, Ceiling: k.Ceiling, Epoch: k.Epoch, Block: k.Block, Time: k.Time,
	}
	if k.ExitAt != 0 {
		s.ExitAt = time.Unix(k.ExitAt, 0)
	}
	return s
}

func newKnownState(c contracts.Channel, s chainview.State, now time.Time) ChannelFunds {
	k := ChannelFunds{
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
	Known    []ChannelFunds `json:"known"`
}

// Funds remembers what the chain said of the home's channels.
type Funds struct {
	Home    home.Home
	Network home.Network

	mu     sync.Mutex
	known  map[contracts.Channel]ChannelFunds
	downAt time.Time // when the chain was last found down
	down   error
}

// ReadFunds reads funds.json. What another network's chain said is forgotten.
func ReadFunds(folder home.Home, n home.Network) (*Funds, error) {
	k := &Funds{Home: folder, Network: n, known: map[contracts.Channel]ChannelFunds{}}
	path := folder.Path(FundsFile)
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
	if err := home.DecodeJSON(text, &f); err != nil {
		return nil, fmt.Errorf("read %s: %w; delete it, the chain tells it again", path, err)
	}
	if f.ChainID == n.ChainID && f.Contract == n.Channels {
		for _, s := range f.Known {
			k.known[s.channel()] = s
		}
	}
	return k, nil
}

// Remember writes down what the chain says.
func (k *Funds) Remember(c contracts.Channel, s chainview.State) error {
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

// Expect takes from what is known of a vault, before a transaction is sent, what that may take: whatever becomes of the
// transaction and of the chain, no more is promised than is there. The chain tells the rest afterwards (vault.Wallet
// reads it again).
func (k *Funds) Expect(v contracts.Vault, change func(*ChannelFunds)) error {
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

func (k *Funds) writeLocked() error {
	f := fundsJSON{ChainID: k.Network.ChainID, Contract: k.Network.Channels}
	for _, s := range k.known {
		f.Known = append(f.Known, s)
	}
	slices.SortFunc(f.Known, func(a, b ChannelFunds) int {
		return cmp.Or(b.AsOf.Compare(a.AsOf), a.Payee.Cmp(b.Payee))
	})
	f.Known = f.Known[:min(len(f.Known), knownMost)]
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return disk.WriteFile(k.Home.Path(FundsFile), text, 0o600)
}

func (k *Funds) Recall(c contracts.Channel) (ChannelFunds, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.known[c]
	return s, ok
}

// Lately returns why the chain was down, where that was found out a moment ago.
func (k *Funds) Lately() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.downAt) < downMemory {
		return k.down
	}
	return nil
}

func (k *Funds) IsDown(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.downAt, k.down = time.Now(), err
}

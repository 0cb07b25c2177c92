// Package chainview owns the chain's word on a channel: what a block says of it, read through whatever endpoint, at once or
// once it is so many blocks deep, and what of that the ledger keeps. How long the word counts is for payee and claim to
// judge: no answer of the chain is final.
package chainview

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts"
	"byway/payments"
)

// State is the chain's word on a channel, all of one block.
type State struct {
	// Free is the vault's free balance, in base units, which all its channels share.
	Free contracts.Amount
	// Settled is the sum that was ever paid; Ceiling the lifetime total that is guaranteed, never below it.
	Settled, Ceiling contracts.Amount
	// ExitAt is when the payer can take the reserve back; zero where it has not asked for that.
	ExitAt time.Time
	// Epoch counts how often the ceiling was lowered, a signed reserve was used or all of them were revoked: what was signed
	// for an earlier one is worth nothing.
	Epoch uint32
	// Behind is by how many epochs the channel was behind at a payee's depth: a reorganisation may bring those back, and
	// with them releases that were signed for them.
	Behind uint32
	// Block is the block's number, Hash its hash and Time its time; hash and time are zero where only a number was asked
	// for.
	Block uint64
	Hash  common.Hash
	Time  time.Time
	// Since is the time of the oldest block that the ceiling was read in: Time, or that of the block at a payee's depth.
	// An exit that the answer does not show was announced after it.
	Since time.Time
}

// CanPay returns the highest lifetime total, in base units, that a claim would be paid in full now.
func (s State) CanPay() contracts.Amount {
	sum, err := s.Ceiling.Max(s.Settled).Add(s.Free)
	if err != nil {
		return contracts.MaxAmount()
	}
	return sum
}

// Exiting reports whether the payer has begun to take the reserve back.
func (s State) Exiting() bool { return !s.ExitAt.IsZero() }

// Takes reports whether posting r would raise what the channel guarantees. Its time is held against the chain's.
func (s State) Takes(r payments.Reserve) bool { return r.Raises(s.Ceiling, s.Epoch, s.Clock()) }

// Clock returns the chain's time as far as this answer tells it. What has no time was made up in this program, now.
func (s State) Clock() time.Time {
	if s.Time.IsZero() {
		return time.Now()
	}
	return s.Time
}

// Chain reads channels. It may answer from a block that is not yet final, never from a wrong chain; it is used by many
// goroutines at once. [View] is the real one.
type Chain interface {
	State(ctx context.Context, c contracts.Channel) (State, error)
}

func blockTime(head *types.Header) time.Time {
	return time.Unix(int64(min(head.Time, maxBlockTime)), 0)
}

// maxBlockTime is as far into the future, in Unix seconds, as a block's time is believed to be a time at all.
const maxBlockTime = 1 << 40

package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// verdict is what an endpoint's answer to a broadcast means.
type verdict int

const (
	accepted    verdict = iota // it is in the pool
	unknown                    // no answer, or one that says nothing about this transaction
	refused                    // it can never be mined as it is
	nonceUsed                  // its nonce is taken by a mined transaction, maybe one of ours
	underpriced                // it must pay more to be taken
)

// isKnown recognises that a node has the transaction already, in the words of geth, anvil, Nethermind and Erigon.
func isKnown(err error) bool {
	if err == nil {
		return false
	}
	m := strings.ToLower(err.Error())
	for _, s := range []string{"already known", "already imported", "alreadyknown", "known transaction", "already exists",
		"already in mempool"} {
		if strings.Contains(m, s) {
			return true
		}
	}
	return false
}

// classify reads the answer to a broadcast. Nodes only have words for it.
func classify(err error) verdict {
	if err == nil || isKnown(err) {
		return accepted
	}
	m := strings.ToLower(err.Error())
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(m, w) })
	}
	switch {
	case has("nonce too low", "oldnonce", "nonce is too low"):
		return nonceUsed
	case has("underpriced", "max fee per gas less than block base fee", "feetoolow", "gas tip cap"):
		return underpriced
	case has("nonce too high", "nonce gap", "pool is full", "txpool full", "queue"), !allAnswers(err):
		return unknown
	}
	// Funds, gas, size, type: every endpoint has said no, and none has kept it.
	return refused
}

// allAnswers reports whether err, which may join those of several endpoints, consists of answers only.
func allAnswers(err error) bool {
	for err != nil {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if !allAnswers(e) {
					return false
				}
			}
			return true
		}
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
			continue
		}
		return isAnswer(err)
	}
	return false
}

// await brings a recorded send to its end: mined and confirmed. Meanwhile it broadcasts it again when a node may have
// forgotten it, and replaces it when it is stuck.
func (s *Sender) await(ctx context.Context, sn *send) (Result, error) {
	poll := newPoll(20*time.Millisecond, time.Second)
	priced := time.Now()    // since when the newest attempt waits, as far as this process knows
	var sent time.Time      // when it was last broadcast, zero: now is the time
	var nonceGone time.Time // since when its nonce is said to be used, zero: it isn't
	var trouble error       // why there is no news, nil: there is
	told := false           // that the chain does not get on
	warn := func(err error) {
		trouble = err
		if !told && ctx.Err() == nil {
			s.log.Warn("a transaction waits", "id", sn.ID, "error", err)
		}
		told = true
	}
	since := time.Now()
	if sn.taken {
		sent = priced
	}
	below := s.startBelow(ctx)
	defer below.stop()
	for {
		wake := s.client.heads.wake()
		receipt, confirmed, err := s.lookUp(ctx, sn)
		if ctx.Err() == nil {
			if err != nil && trouble == nil { // once, not with every look
				s.log.Warn("no news of a transaction", "id", sn.ID, "error", err)
			}
			if err != nil {
				trouble = err
			}
		}
		switch {
		case err != nil:
		case receipt != nil && confirmed:
			s.client.due.Store(0)
			return s.settle(ctx, sn, receipt)
		case receipt != nil:
			nonceGone = time.Time{}
		case sn.state != inFlight:
			// A reorganisation took it out of the chain after it had been settled.
			s.log.Warn("a settled transaction left the chain", "id", sn.ID, "nonce", sn.nonce)
			if err := s.sends.settle(ctx, sn, inFlight, common.Hash{}, 0, ""); err != nil {
				return Result{}, err
			}
			sent = time.Time{}
			continue
		default:
			if time.Since(since) > stallAfter {
				if err := s.client.stalled(ctx); err != nil {
					warn(err)
				}
			}
			if time.Since(priced) > s.stuckAfter {
				if err := s.replace(ctx, sn, false); err != nil {
					return Result{}, err
				}
				priced, sent = time.Now(), time.Now()
				poll.reset()
			}
			if time.Since(sent) < s.stuckAfter/4 {
				break
			}
			if !sent.IsZero() {
				// It has waited for a while: perhaps not for its own sake.
				if err := below.heal(sn); err != nil {
					trouble = err
				}
			}
			sent = time.Now()
			err := s.client.SendTransaction(ctx, sn.last())
			if classify(err) != accepted {
				trouble = err
			}
			switch classify(err) {
			case underpriced:
				if err := s.replace(ctx, sn, true); err != nil {
					return Result{}, err
				}
				priced, sent = time.Now(), time.Time{}
				if sn.taken {
					sent = priced
				}
				poll.reset()
			case nonceUsed:
				if nonceGone.IsZero() {
					nonceGone = sent
				}
				moved, unsure, err := s.nonceTaken(ctx, sn, time.Since(nonceGone))
				if err != nil {
					return Result{}, err
				}
				if unsure != nil {
					warn(unsure)
				}
				if sent = (time.Time{}); moved {
					priced, nonceGone = time.Now(), time.Time{}
				}
			default:
				nonceGone = time.Time{}
			}
		}
		if err := poll.wait(ctx, wake); err != nil {
			return Result{}, fmt.Errorf("transaction %s is still under way: %w", sn.last().Hash(), errors.Join(err, trouble))
		}
	}
}

// lookUp finds the receipt of whichever attempt was mined, and whether enough blocks stand on it.
func (s *Sender) lookUp(ctx context.Context, sn *send) (*types.Receipt, bool, error) {
	for i := len(sn.attempts) - 1; i >= 0; i-- {
		receipt, err := s.client.Agreed().OrAlone().TransactionReceipt(ctx, sn.attempts[i].Hash())
		if errors.Is(err, ethereum.NotFound) || isMissing(err) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if receipt.TxHash != sn.attempts[i].Hash() || receipt.BlockNumber == nil {
			return nil, false, fmt.Errorf("the endpoint answers with the receipt of another transaction than %s",
				sn.attempts[i].Hash())
		}
		if s.confirmations <= 1 {
			return receipt, true, nil
		}
		head, err := s.client.Agreed().OrAlone().Head(ctx)
		if err != nil {
			return nil, false, err
		}
		return receipt, head.Number+1 >= receipt.BlockNumber.Uint64()+s.confirmations, nil
	}
	return nil, false, nil
}

// settle records the end of a send and reports it.
func (s *Sender) settle(ctx context.Context, sn *send, r *types.Receipt) (Result, error) {
	if err := s.hook("mined"); err != nil {
		return Result{}, err
	}
	state, reason := stateOf(r), ""
	if state == reverted {
		if reason = sn.reason; sn.state != reverted {
			reason = s.whyReverted(ctx, sn, r)
		}
	}
	if sn.state != state || sn.mined != r.TxHash || sn.block != r.BlockNumber.Uint64() {
		if err := s.sends.settle(ctx, sn, state, r.TxHash, r.BlockNumber.Uint64(), reason); err != nil {
			return Result{}, err
		}
		s.watchOver(sn.ID)
	}
	if err := s.hook("settled"); err != nil {
		return Result{}, err
	}
	if state == reverted {
		return Result{}, &RevertError{Reason: reason, TxHash: r.TxHash}
	}
	price := r.EffectiveGasPrice
	if price == nil {
		price = new(big.Int)
	}
	return Result{
		TxHash: r.TxHash, Block: r.BlockNumber.Uint64(), GasUsed: r.GasUsed, GasPrice: price,
		Fee:  new(big.Int).Mul(price, new(big.Int).SetUint64(r.GasUsed)),
		Logs: r.Logs, ContractAddress: r.ContractAddress,
	}, nil
}

// whyReverted runs a reverted transaction again on the state before its block, which is nearly the one it met.
func (s *Sender) whyReverted(ctx context.Context, sn *send, r *types.Receipt) string {
	if r.GasUsed >= sn.Gas-sn.Gas/64 {
		return fmt.Sprintf("probably out of gas: it used %d of %d", r.GasUsed, sn.Gas)
	}
	before := new(big.Int).Sub(r.BlockNumber, big.NewInt(1))
	_, err := s.client.CallContract(ctx, ethereum.CallMsg{
		From: s.Address(), To: sn.To, Data: sn.Data, Value: sn.Value, Gas: sn.Gas,
	}, before)
	var revert *RevertError
	if errors.As(err, &revert) {
		return revert.Reason
	}
	return "for a reason that running it again doesn't show"
}

// replace signs a send again at a higher price, records that and broadcasts it. Where the price can't be raised any
// more the old attempt goes on waiting; an error means that the send can't go on. An attempt that was too cheap for
// anybody to take may be far too cheap: what it has to beat is not known, so its tip is multiplied.
func (s *Sender) replace(ctx context.Context, sn *send, cheap bool) error {
	old := priceOf(sn.last())
	if cheap {
		old.tip = new(big.Int).Lsh(old.tip, 2)
		old.cap = bigMax(old.cap, old.tip)
	}
	price, err := s.price(ctx, &old)
	if err != nil {
		s.log.Warn("a stuck transaction is not replaced", "id", sn.ID, "nonce", sn.nonce, "error", err)
		return nil
	}
	signed, err := s.sign(sn, price)
	if err != nil {
		return err
	}
	if err := s.sends.addAttempt(ctx, sn, signed); err != nil {
		return err
	}
	if err := s.hook("replaced"); err != nil {
		return err
	}
	s.log.Info("replacing a stuck transaction", "id", sn.ID, "nonce", sn.nonce, "attempt", len(sn.attempts),
		"tip_wei", price.tip, "cap_wei", price.cap)
	if err := s.broadcast(ctx, sn); err != nil {
		// The earlier attempts are still good.
		s.log.Warn("a replacement was refused", "id", sn.ID, "nonce", sn.nonce, "error", err)
	}
	return nil
}

const (
	// foreignAfter is how long the receipt of a transaction whose nonce is used may stay unknown before it is looked for
	// what used the nonce, and foreignPatience for how long that is looked for.
	foreignAfter, foreignPatience = 3 * time.Second, 5 * time.Minute
)

// nonceTaken handles "nonce too low": usually one of our own attempts was mined and the endpoint hasn't told us yet. That no
// receipt is known proves nothing: to do it again might do it twice. Only where a block has another transaction with that
// nonce, which only the account can have signed, or where blocks so old are not to be had, it concludes that somebody else
// used the account and moves the send to another nonce; it reports whether it did, and if not why it can't tell.
func (s *Sender) nonceTaken(ctx context.Context, sn *send, since time.Duration) (moved bool, unsure, err error) {
	receipt, _, err := s.lookUp(ctx, sn)
	if err != nil || receipt != nil || since < foreignAfter {
		return false, nil, nil // the next look-up reports it
	}
	used, err := s.client.NonceAt(ctx, s.Address(), nil)
	if err != nil || used <= sn.nonce {
		return false, nil, nil
	}
	switch other, err := s.client.nonceUser(ctx, s.Address(), sn.nonce); {
	case err != nil && since < foreignPatience:
		return false, fmt.Errorf("nonce %d of account %s is used, and by which transaction is not known: %w", sn.nonce,
			s.Address(), err), nil
	case err == nil && slices.ContainsFunc(sn.attempts, func(a *types.Transaction) bool { return a.Hash() == other.tx.Hash() }):
		return false, &endpointError{other.by, fmt.Errorf("transaction %s is in block %d, and it gives no receipt of it: %s",
			other.tx.Hash(), other.block, mendIt)}, nil
	}
	s.nonces.Lock()
	defer s.nonces.Unlock()
	nonce, err := s.nextNonce(ctx)
	if err != nil {
		return false, err, nil
	}
	price, err := s.price(ctx, nil)
	if err != nil {
		return false, err, nil
	}
	s.log.Warn("another program uses this account: moving a transaction to another nonce",
		"id", sn.ID, "from", sn.nonce, "to", nonce, "account", s.Address())
	next := *sn
	next.nonce = nonce
	signed, err := s.sign(&next, price)
	if err != nil {
		return false, nil, err
	}
	if err := s.sends.move(ctx, sn, nonce, signed); err != nil {
		return false, nil, err
	}
	return true, nil, s.broadcast(ctx, sn)
}

package chain

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	// defaultFinality is two epochs of a chain with proof of stake, and far above what other chains reorganise.
	defaultFinality = 64
	// revivals bounds how many sends Watch brings to their end at once.
	revivals = 32
)

// anchor is the block at which every mined send that is not final was seen in the chain. While that block stays in the
// chain so do they. The zero anchor is none.
type anchor = Block

// Watch keeps what was mined mined, until ctx ends: a transaction that a reorganisation takes out of the chain before
// it is final is sent again, the very same or one with the same nonce that pays more, until it is back. It also takes up
// sends whose caller has stopped waiting. While nothing is open it asks the chain nothing. It returns ctx's error, or
// the journal's, or [ErrChainReset] where the chain turns out to be another one.
func (s *Sender) Watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	slots := make(chan struct{}, revivals)
	poll := newPoll(100*time.Millisecond, 5*time.Second)
	var at anchor
	for {
		wake := s.client.heads.wake()
		open, err := s.sends.unsettled(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !open {
			at = anchor{}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.changed:
				poll.reset()
				continue
			}
		}
		next, err := s.look(ctx, at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrChainReset):
			return err
		case err != nil:
			s.log.Debug("mined transactions can't be looked at", "error", err)
		default:
			at = next
		}
		if err := s.takeUp(ctx, &running, slots); err != nil && ctx.Err() == nil {
			return err
		}
		if err := poll.wait(ctx, wake); err != nil {
			return err
		}
	}
}

// takeUp starts what brings sends in flight to their end where nobody does so already. What finds no slot waits for the
// next round.
func (s *Sender) takeUp(ctx context.Context, running *sync.WaitGroup, slots chan struct{}) error {
	pending, err := s.sends.pending(ctx)
	if err != nil {
		return err
	}
	for _, sn := range pending {
		if s.busy(sn.ID) {
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			return nil
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := s.finish(ctx, sn.ID); err != nil && ctx.Err() == nil {
				s.log.Warn("a transaction in flight does not get on", "id", sn.ID, "nonce", sn.nonce, "error", err)
			}
		})
	}
	return nil
}

func (s *Sender) busy(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, busy := s.active[id]
	return busy
}

// watchOver makes Watch look at a send that was just settled, whatever the chain did meanwhile.
func (s *Sender) watchOver(id string) {
	s.mu.Lock()
	s.fresh[id] = true
	s.mu.Unlock()
	s.wakeWatch()
}

func (s *Sender) wakeWatch() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// look compares the mined sends that are not final with the chain and marks those in flight that have left it. It
// returns the block at which all the others were there. With an anchor that is still in the chain only what was
// settled since needs to be asked for.
func (s *Sender) look(ctx context.Context, at anchor) (_ anchor, err error) {
	s.mu.Lock()
	fresh := s.fresh
	s.fresh = make(map[string]bool)
	s.mu.Unlock()
	defer func() {
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for id := range fresh {
				s.fresh[id] = true
			}
		}
	}()
	if err := s.checkChain(ctx); err != nil {
		return at, err
	}
	head, err := s.client.Agreed().OrAlone().Head(ctx)
	if err != nil {
		return at, err
	}
	all := at.Hash == (common.Hash{})
	if !all {
		kept, err := s.canonical(ctx, at)
		if err != nil {
			return at, err
		}
		if !kept {
			all = true
			// So deep a change that the journal's chain is gone would be no reorganisation.
			s.doubt()
			if err := s.checkChain(ctx); err != nil {
				return at, err
			}
		}
	}
	mined, err := s.sends.mined(ctx)
	if err != nil {
		return at, err
	}
	for _, sn := range mined {
		deep := head.Number+1 >= sn.block+s.finality
		if !all && !fresh[sn.ID] && !deep {
			continue
		}
		if err := s.lookAt(ctx, sn.ID, head); err != nil {
			return at, err
		}
	}
	// Had the chain changed under these questions, their answers would be of different chains.
	if kept, err := s.canonical(ctx, head); err != nil {
		return at, err
	} else if !kept {
		return at, errReorganised
	}
	return head, nil
}

// lookAt brings the journal's record of one mined send up to date. Whoever else works on it does that too.
func (s *Sender) lookAt(ctx context.Context, id string, head Block) error {
	release, _ := s.tryEnter(id)
	if release == nil {
		s.watchOver(id)
		return nil
	}
	defer release()
	sn, err := s.sends.find(ctx, id)
	if err != nil || sn == nil || sn.state == inFlight {
		return err
	}
	receipt, _, err := s.lookUp(ctx, sn)
	if err != nil {
		return err
	}
	if receipt == nil {
		s.log.Warn("a mined transaction left the chain: sending it again", "id", sn.ID, "nonce", sn.nonce)
		return s.sends.settle(ctx, sn, inFlight, common.Hash{}, 0, "")
	}
	block := receipt.BlockNumber.Uint64()
	if block > head.Number {
		s.watchOver(id) // newer than the block that this look is about
	}
	if state := stateOf(receipt); state != sn.state || block != sn.block || receipt.TxHash != sn.mined {
		reason := ""
		if state == reverted {
			reason = s.whyReverted(ctx, sn, receipt)
			s.log.Warn("a transaction that a reorganisation moved has reverted", "id", sn.ID, "reason", reason)
		}
		return s.sends.settle(ctx, sn, state, receipt.TxHash, block, reason)
	}
	if head.Number+1 >= block+s.finality {
		return s.sends.finalise(ctx, sn)
	}
	return nil
}

func stateOf(r *types.Receipt) sendState {
	if r.Status == types.ReceiptStatusFailed {
		return reverted
	}
	return succeeded
}

// canonical reports whether a block is still in the chain.
func (s *Sender) canonical(ctx context.Context, b Block) (bool, error) {
	return s.client.Canonical(ctx, b)
}

// below looks after the sends with lower nonces while one waits that can't be mined before them. Where nothing else
// does, and a reorganisation has dropped one of them, all that follow would wait for ever.
type below struct {
	sender  *Sender
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (s *Sender) startBelow(ctx context.Context) *below {
	ctx, cancel := context.WithCancel(ctx)
	return &below{sender: s, ctx: ctx, cancel: cancel}
}

// stop ends it: what has not come to its end by then is in the journal.
func (b *below) stop() {
	b.cancel()
	b.running.Wait()
}

// heal finds the nonces that the chain wants before sn's, and brings to their end what the journal has for them. What it
// has nothing for is filled.
func (b *below) heal(sn *send) error {
	s := b.sender
	used, err := s.client.NonceAt(b.ctx, s.Address(), nil)
	if err != nil || used >= sn.nonce {
		return err
	}
	if err := s.fillGaps(b.ctx, []*send{sn}); err != nil {
		return err
	}
	lower, err := s.sends.query(b.ctx, "nonce >= ? AND nonce < ?", int64(used), int64(sn.nonce))
	if err != nil {
		return err
	}
	for _, l := range lower {
		if s.busy(l.ID) {
			continue
		}
		b.running.Go(func() {
			if err := s.finish(b.ctx, l.ID); err != nil && b.ctx.Err() == nil {
				s.log.Warn("a transaction with a lower nonce does not get on", "id", l.ID, "nonce", l.nonce, "error", err)
			}
		})
	}
	return nil
}

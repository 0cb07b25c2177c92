package ipfs

import (
	"context"
	"errors"
	"sync/atomic"

	"byway/ipfs/store"
)

// Stats counts what a node took from others and what it refused, since it was opened. It has a fixed size, whatever
// others send.
type Stats struct {
	// Fetched counts the blocks that came from outside and were kept.
	Fetched uint64 `json:"fetched"`
	// Refused counts the answers that were not, by reason: "hash" (other bytes than asked for), "too_large", "empty",
	// "not_admitted" (the caller's own check) or "not_stored".
	Refused map[string]uint64 `json:"refused"`
	// SeedsGivenUp counts seed streams that ended early: "lied", "slow" (no byte, or no whole answer, in time) or
	// "broken".
	SeedsGivenUp map[string]uint64 `json:"seeds_given_up"`
}

var (
	refusals = [...]string{"hash", "too_large", "empty", "not_admitted", "not_stored"}
	giveUps  = [...]string{"lied", "slow", "broken"}
)

type counts struct {
	fetched atomic.Uint64
	refused [len(refusals)]atomic.Uint64
	givenUp [len(giveUps)]atomic.Uint64
}

func bump(words []string, counters []atomic.Uint64, word string) {
	for i, w := range words {
		if w == word {
			counters[i].Add(1)
			return
		}
	}
}

func (c *counts) refuse(reason string) { bump(refusals[:], c.refused[:], reason) }

// giveUp counts the end of a seed's stream that was the seed's doing.
func (c *counts) giveUp(err error) {
	reason := "broken"
	var timeout interface{ Timeout() bool }
	switch {
	case lied(err):
		reason = "lied"
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		reason = "slow"
	}
	bump(giveUps[:], c.givenUp[:], reason)
}

// lied reports whether a seed sent what no honest one can have sent.
func lied(err error) bool {
	return errors.Is(err, store.ErrHash) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, errBitmap)
}

// Stats returns the counts so far.
func (n *Node) Stats() Stats {
	s := Stats{Fetched: n.counts.fetched.Load(), Refused: map[string]uint64{}, SeedsGivenUp: map[string]uint64{}}
	for i, word := range refusals {
		if v := n.counts.refused[i].Load(); v > 0 {
			s.Refused[word] = v
		}
	}
	for i, word := range giveUps {
		if v := n.counts.givenUp[i].Load(); v > 0 {
			s.SeedsGivenUp[word] = v
		}
	}
	return s
}

package node

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/node/wire"
	"byway/payments"
	"byway/registry/choose"
	"byway/tunnel"
)

const (
	// sampleEvery is how often a running session is looked at.
	sampleEvery = 250 * time.Millisecond
	// busySample is how many bytes a sample must have moved to say something about the line's rate: less is a user who
	// reads. It is 128 kB/s.
	busySample = 32 << 10
	// stallAfter is how long a session may send and hear nothing before that is a stall.
	stallAfter = time.Second
)

// meter turns samples of a session's counters into what [choose.Observation] needs. A quiet user is no slow provider:
// only samples in which something moved count for the rate, and only sending without an answer for a stall.
type meter struct {
	last      tunnel.Counters
	at        time.Time
	heard     time.Time // when something was received last
	sentSince bool      // and something was sent after that
	stalled   bool

	busy   time.Duration
	moved  uint64
	stalls int
}

func newMeter(c tunnel.Counters, now time.Time) *meter { return &meter{last: c, at: now, heard: now} }

func (m *meter) sample(c tunnel.Counters, now time.Time) {
	rx, tx := c.Rx-min(m.last.Rx, c.Rx), c.Tx-min(m.last.Tx, c.Tx)
	if rx+tx >= busySample {
		m.busy += now.Sub(m.at)
		m.moved += rx + tx
	}
	switch {
	case rx > 0:
		m.heard, m.sentSince, m.stalled = now, false, false
	case tx > 0 && !m.sentSince:
		m.heard, m.sentSince = m.at, true // the wait began with the first packet, not with the last answer
	}
	if m.sentSince && !m.stalled && now.Sub(m.heard) > stallAfter {
		m.stalls++
		m.stalled = true
	}
	m.last, m.at = c, now
}

// rate is the throughput in bit/s while there was something to move; zero where there was too little to tell.
func (m *meter) rate() float64 {
	if m.busy < 2*sampleEvery {
		return 0
	}
	return float64(m.moved) * 8 / m.busy.Seconds()
}

// measure watches a session until it has ended and writes what it was like into the book.
func (m *Market) measure(s *Session) {
	defer m.measuring.Done()
	meter := newMeter(s.tunnel.Counters(), time.Now())
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-s.done:
			running = false
		case <-ticker.C:
			meter.sample(s.tunnel.Counters(), time.Now())
		}
	}
	err := s.Err()
	var protocol *wire.ProtocolError
	m.observe(choose.Observation{
		Provider: s.offer.Offer.Provider, At: time.Now(), SetUp: s.setup, RTT: s.leastRTT(), Rate: meter.rate(),
		Stalls: meter.stalls, Length: time.Since(s.began), Failed: errors.Is(err, ErrProviderGone) || errors.As(err, &protocol),
	})
}

// failed writes down that no session came about, where that was the provider's fault.
func (m *Market) failed(provider common.Address, err error) {
	var refused *wire.RefusedError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, payments.ErrSpendCap):
		return
	case errors.As(err, &refused):
		switch refused.Code {
		case wire.RefusedInternal, wire.RefusedBusy, wire.RefusedOffer:
		default:
			return // it is right not to serve what we sent
		}
	}
	m.observe(choose.Observation{Provider: provider, At: time.Now(), Failed: true})
}

// observe writes into the book. A measurement that is lost costs a worse choice and nothing else.
func (m *Market) observe(o choose.Observation) {
	if err := m.book.Observe(context.Background(), o); err != nil {
		m.log.Warn("a measurement was lost", "provider", o.Provider, "error", err)
	}
}

package path

import (
	"errors"
	"time"

	"byway/node/wire"
	"byway/registry/choose"
	"byway/tunnel/meter"
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

// sampler turns samples of a session's counters into what [choose.Observation] needs. A quiet user is no slow provider:
// only samples in which something moved count for the rate, and only sending without an answer for a stall.
type sampler struct {
	last      meter.Counters
	at        time.Time
	heard     time.Time // when something was received last
	sentSince bool      // and something was sent after that
	stalled   bool

	busy   time.Duration
	moved  uint64
	stalls int
}

func newSampler(c meter.Counters, now time.Time) *sampler {
	return &sampler{last: c, at: now, heard: now}
}

func (m *sampler) sample(c meter.Counters, now time.Time) {
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
func (m *sampler) rate() float64 {
	if m.busy < 2*sampleEvery {
		return 0
	}
	return float64(m.moved) * 8 / m.busy.Seconds()
}

// measure watches the session until it has ended and writes what it was like into the market's book.
func (s *Session) measure() {
	samples := newSampler(s.tunnel.Counters(), time.Now())
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-s.done:
			running = false
		case <-ticker.C:
			samples.sample(s.tunnel.Counters(), time.Now())
		}
	}
	err := s.Err()
	var protocol *wire.ProtocolError
	s.consumer.market.Observe(choose.Observation{
		Provider: s.offer.Offer.Provider, At: time.Now(), SetUp: s.setup, RTT: s.leastRTT(), Rate: samples.rate(),
		Stalls: samples.stalls, Length: time.Since(s.began), Failed: errors.Is(err, ErrProviderGone) || errors.As(err, &protocol),
	})
}

package choose

import (
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Observation records one session, or one probe, with a provider. What was not measured is zero.
type Observation struct {
	Provider common.Address
	At       time.Time
	// Failed: no session came about, or it broke down by the provider's fault.
	Failed bool
	// Lied: the exit did not do what the offer says: it forwarded nothing, rewrote names or intercepted TLS. A liar
	// is not chosen again.
	Lied bool
	// SetUp is the time from Hello to the first byte, RTT the round trip through the tunnel.
	SetUp, RTT time.Duration
	// Rate is the throughput in bit/s while there was something to move.
	Rate float64
	// Stalls counts the pauses of more than a second, and Length is how long the session was.
	Stalls int
	Length time.Duration
}

// What a session is worth: four parts that add up to 1. A part that was not measured counts as middling.
const (
	rateWeight, stallWeight, rttWeight, setUpWeight = 0.5, 0.2, 0.15, 0.15

	halfRate  = 50e6 // bit/s that earn half of the first part
	rttScale  = 200 * time.Millisecond
	timeScale = 2 * time.Second
)

// Reward is the observation's worth from 0 (nothing worked) to 1.
func (o Observation) Reward() float64 {
	if o.Failed || o.Lied {
		return 0
	}
	rate, stalls, rtt, setUp := 0.5, 0.5, 0.5, 0.5
	if o.Rate > 0 && !math.IsInf(o.Rate, 0) {
		rate = o.Rate / (o.Rate + halfRate)
	}
	if o.Length > 0 {
		stalls = math.Exp(-float64(max(o.Stalls, 0)) / max(o.Length.Minutes(), 1))
	}
	if o.RTT > 0 {
		rtt = math.Exp(-o.RTT.Seconds() / rttScale.Seconds())
	}
	if o.SetUp > 0 {
		setUp = math.Exp(-o.SetUp.Seconds() / timeScale.Seconds())
	}
	return rateWeight*rate + stallWeight*stalls + rttWeight*rtt + setUpWeight*setUp
}

const (
	priorMean = 0.45 // of a market that nothing is known about
	noise     = 0.12 // standard deviation of one session's reward about a provider's worth
	spread    = 0.22 // and of providers' worths about the market's mean
	memory    = 0.97 // what is left of the weight of earlier sessions after each
	halfLife  = 14 * 24 * time.Hour
)

// belief sums up the sessions with one provider. The zero value knows nothing.
type belief struct {
	weight float64 // sessions, each counting the less the older it is
	sum    float64 // of their rewards, weighted alike
	last   time.Time
	liar   bool
}

// at returns the belief as it is at a time: knowledge ages even without sessions.
func (b belief) at(now time.Time) belief {
	if age := now.Sub(b.last); b.weight > 0 && age > 0 {
		left := math.Exp2(-float64(age) / float64(halfLife))
		b.weight *= left
		b.sum *= left
	}
	return b
}

// learn returns the belief after one more session.
func (b belief) learn(o Observation) belief {
	b = b.at(o.At)
	b.weight = b.weight*memory + 1
	b.sum = b.sum*memory + o.Reward()
	if o.At.After(b.last) {
		b.last = o.At
	}
	b.liar = b.liar || o.Lied
	return b
}

// normal returns mean and standard deviation of the worth, given the market's mean.
func (b belief) normal(market float64) (mean, deviation float64) {
	// The prior's weight and the noise say the same in two ways: how far sessions move the mean, and how sure it is.
	const prior = noise * noise / (spread * spread)
	mean = (market*prior + b.sum) / (prior + b.weight)
	return mean, noise / math.Sqrt(prior+b.weight)
}

package payments

import (
	"crypto/rand"
	"encoding/hex"
	"math"

	"byway/contracts"
)

// SessionID names one session, for both sides.
type SessionID [16]byte

// String is the id in hexadecimal.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// NewSessionID makes one from the system's randomness.
func NewSessionID() (id SessionID) {
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead.
	return id
}

// Terms hold what both sides of a session have agreed on. A window of zero is the one that pace gives the tick.
type Terms struct {
	Session SessionID
	Channel contracts.Channel
	// PricePerGiB is in base units of the channel's token per 2^30 bytes.
	PricePerGiB contracts.Amount
	// Tick is how many bytes a promise covers and Window how many may be forwarded unpaid.
	Tick, Window uint64
	// Offer is the CID of the offer that says so.
	Offer string
}

// Price returns the cost of so many bytes, in base units; more than any amount is the largest.
func (t Terms) Price(bytes uint64) contracts.Amount {
	sum, err := Cost(t.PricePerGiB, bytes)
	if err != nil {
		return contracts.MaxAmount()
	}
	return sum
}

// Usage counts a session's bytes of inner packets since its start.
type Usage struct {
	// Rx counts bytes that this side received, Tx those that it sent.
	Rx, Tx uint64
	// PeerRx counts bytes that the other side says it received.
	PeerRx uint64
}

// Billed returns the bytes that a consumer pays for: all it received, and of what it sent as much as it and the
// provider both say has arrived. It saturates.
func (u Usage) Billed() uint64 {
	sent := min(u.Tx, u.PeerRx)
	if u.Rx > math.MaxUint64-sent {
		return math.MaxUint64
	}
	return u.Rx + sent
}

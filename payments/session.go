package payments

import (
	"crypto/rand"
	"errors"
	"fmt"

	"byway/payments/ledger"
)

type (
	// SessionID names one session, for both sides.
	SessionID = ledger.SessionID
	// Terms is what both sides of a session have agreed on. A window of zero is [OfferWindow]'s for the tick.
	Terms = ledger.Terms
	// Usage is what a session's meter has counted since its start, in bytes of inner packets.
	Usage = ledger.Usage
)

// NewSessionID makes one from the system's randomness.
func NewSessionID() (id SessionID) {
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead.
	return id
}

func withDefaults(t Terms) (Terms, error) {
	if t.Tick == 0 {
		return t, errors.New("terms: tick is zero")
	}
	if t.Window == 0 {
		t.Window = OfferWindow(t.Tick, 0)
	}
	if t.Window < t.Tick {
		return t, fmt.Errorf("terms: window of %d bytes is below the tick of %d", t.Window, t.Tick)
	}
	if t.Tick > 1<<62 || t.Window > 1<<62 {
		return t, errors.New("terms: tick or window is beyond 2^62 bytes")
	}
	if len(t.Offer) > 256 {
		return t, errors.New("terms: offer is no CID: longer than 256 bytes")
	}
	if _, err := Cost(t.PricePerGiB, t.Tick); err != nil {
		return t, fmt.Errorf("terms: price of a tick: %w", err)
	}
	return t, nil
}

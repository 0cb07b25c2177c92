package payments

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"byway/contracts"
)

// SessionID names one session, for both sides.
type SessionID [16]byte

// NewSessionID makes one from the system's randomness.
func NewSessionID() (id SessionID) {
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead.
	return id
}

// String is the id in hexadecimal.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// Terms is what both sides of a session have agreed on.
type Terms struct {
	Session SessionID
	Channel contracts.Channel
	// PricePerGiB is in base units of the channel's token per 2^30 bytes.
	PricePerGiB contracts.Amount
	// Tick is how many bytes a promise covers and Window how many may be forwarded unpaid. A window of zero is
	// [Window] of the tick.
	Tick, Window uint64
	// Offer is the CID of the offer that says so.
	Offer string
}

func (t Terms) withDefaults() (Terms, error) {
	if t.Tick == 0 {
		return t, errors.New("terms: tick is zero")
	}
	if t.Window == 0 {
		t.Window = Window(t.Tick, 0)
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

package wire

import (
	"errors"
	"fmt"

	"byway/contracts"
	"byway/contracts/text"
	"byway/payments/ledger"
)

// RefusalCode says why a provider refused a session, for programs; the reason beside it is for people.
type RefusalCode uint8

// The refusal codes.
const (
	RefusedInternal RefusalCode = iota + 1 // a fault of the provider's
	RefusedOffer                           // the offer is not the one that is sold now
	RefusedPromise                         // the promise is invalid
	RefusedStale                           // the promise does not rise above the latest; it is attached
	RefusedUnfunded                        // the channel cannot pay
	RefusedBusy                            // no room for another session
	RefusedSigner                          // another signer has a session on this account
	RefusedSession                         // no such session to resume
	RefusedProtocol                        // the message breaks the protocol
	RefusedReserve                         // the reserve was signed for an epoch that is over: sign another one
	RefusedVersion                         // no version of the protocol is spoken by both; the provider's are attached
	RefusedClock                           // the Hello's time is not the chain's
	RefusedNewcomer                        // a stranger is served once funds are set aside on chain; how much is attached
)

// RefusalError is a provider's refusal to open a session.
type RefusalError struct {
	Code   RefusalCode
	Reason string // given by the provider: escaped before it is shown
	// Need must be set aside on chain for this provider, a lifetime total in base units: with RefusedNewcomer.
	Need contracts.Amount
	// Versions are the ones that the provider speaks: with RefusedVersion.
	Versions Versions
}

func (e *RefusalError) Error() string {
	said := "provider refused the session: " + text.Cut(e.Reason, MaxReason)
	if e.Code == RefusedNewcomer && !e.Need.IsZero() {
		said += fmt.Sprintf(": make an on-chain reserve of at least %s base units for this provider, then come again", e.Need)
	}
	return said
}

// NewRefusal is how an error is told to the other side: a [*RefusalError] as it is, anything else as a fault of ours
// that is not explained to strangers.
func NewRefusal(err error) *Refusal {
	var refused *RefusalError
	if !errors.As(err, &refused) {
		return &Refusal{Code: RefusedInternal, Reason: "internal error"}
	}
	f := &Refusal{Code: refused.Code, Reason: text.Cut(refused.Reason, MaxReason)}
	if !refused.Need.IsZero() {
		need := refused.Need.Bytes()
		f.Need = &need
	}
	if refused.Versions != (Versions{}) {
		f.Versions = &refused.Versions
	}
	return f
}

// Err is the refusal as an error.
func (f *Refusal) Err() *RefusalError {
	e := &RefusalError{Code: f.Code, Reason: f.Reason}
	if f.Need != nil {
		e.Need = amountOf(*f.Need)
	}
	if f.Versions != nil {
		e.Versions = *f.Versions
	}
	return e
}

// CloseCode says why a session ends, for programs; the reason beside it is for people.
type CloseCode uint8

// The codes of a Close.
const (
	ClosedDone     CloseCode = iota // as the consumer asked
	ClosedUnpaid                    // promises did not come
	ClosedUnfunded                  // the channel cannot pay any more
	ClosedGaveWay                   // others take the place
	ClosedExit                      // the exit forwards nothing
	ClosedStopping                  // the provider stops
	ClosedProtocol                  // the consumer broke the protocol
)

// Ending is how the ledger writes that end down.
func (c CloseCode) Ending() ledger.Ending {
	if int(c) >= len(endings) {
		return ledger.EndProtocol // no code of the protocol's
	}
	return endings[c]
}

var endings = [...]ledger.Ending{
	ClosedDone: ledger.EndDone, ClosedUnpaid: ledger.EndUnpaid, ClosedUnfunded: ledger.EndUnfunded,
	ClosedGaveWay: ledger.EndGaveWay, ClosedExit: ledger.EndExit, ClosedStopping: ledger.EndStopping,
	ClosedProtocol: ledger.EndProtocol,
}

// ClosedError is a provider's end of an open session.
type ClosedError struct {
	Code   CloseCode
	Reason string // given by the provider: escaped before it is shown
}

func (e *ClosedError) Error() string {
	return "the provider closed the session: " + text.Cut(e.Reason, MaxReason)
}

// ProtocolError says that the other side broke the session protocol.
type ProtocolError struct{ Err error }

func (e *ProtocolError) Error() string { return "session protocol: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

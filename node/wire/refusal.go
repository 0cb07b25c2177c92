package wire

import (
	"errors"
	"fmt"

	"byway/contracts/text"
)

// RefusalCode says why a provider refused a session, for programs; the reason beside it is for people.
type RefusalCode uint8

// The refusal codes of protocol version 1.
const (
	RefusedInternal   RefusalCode = iota + 1 // a fault of the provider's
	RefusedOffer                             // the offer is not the one that is sold now
	RefusedPromise                           // the promise is invalid
	RefusedStale                             // the promise does not rise above the latest; it is attached
	RefusedUnfunded                          // the channel cannot pay
	RefusedBusy                              // no room for another session
	RefusedSigner                            // another signer has a session on this account
	RefusedSession                           // no such session to resume
	RefusedProtocol                          // the message breaks the protocol
	RefusedReserve                           // the reserve was signed for an epoch that is over: sign another one
	refusalCodesBound                        // one past the last
)

// RefusedError is a provider's refusal to open a session.
type RefusedError struct {
	Code   RefusalCode
	Reason string // given by the provider: escaped before it is shown
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("provider refused the session: %s", text.Cut(e.Reason, MaxReason))
}

// ProtocolError says that the other side broke the session protocol.
type ProtocolError struct{ Err error }

func (e *ProtocolError) Error() string { return "session protocol: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// NewRefused is how an error is told to the other side: a [*RefusedError] by its code and reason, anything else as a fault
// of ours that is not explained to strangers.
func NewRefused(err error) *Refused {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return &Refused{Code: refused.Code, Reason: text.Cut(refused.Reason, MaxReason)}
	}
	return &Refused{Code: RefusedInternal, Reason: "internal error"}
}

// Err is the refusal as an error.
func (f *Refused) Err() *RefusedError { return &RefusedError{f.Code, f.Reason} }

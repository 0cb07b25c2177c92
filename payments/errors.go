package payments

import (
	"errors"
	"fmt"

	"byway/contracts"
)

// What is wrong with a promise or a session, for callers that branch on it.
var (
	// ErrWrongChannel says that a promise or session names another token, payer or payee than it must.
	ErrWrongChannel = errors.New("wrong channel")
	// ErrSecondSigner says that a session tried to go on with another session key than it was opened with.
	ErrSecondSigner = errors.New("second signer: a session is paid by the one key that it was opened with")
	// ErrUnknownSession says that no such session was opened.
	ErrUnknownSession = errors.New("unknown session")
	// ErrSessionClosed says that the session has ended; its final counters are recorded.
	ErrSessionClosed = errors.New("session is closed")
	// ErrSessionExists says that a session of that id is open: ids are used once.
	ErrSessionExists = errors.New("a session of this id is open: ids are used once")
	// ErrExiting says that the payer has begun to take the channel's reserve back: no more credit is given.
	ErrExiting = errors.New("the payer is leaving the channel")
)

// UnfundedError says that a promise exceeds what the payee may count on.
type UnfundedError struct {
	Channel contracts.Channel
	// Have is the highest lifetime total that counts now: reserve or settled, and what trust allows of the vault's
	// free balance.
	Have contracts.Amount
	// Want is the lifetime total of the promise.
	Want contracts.Amount
	// Free is the vault's free balance on chain and Trust the most of it that may be relied on without a reserve.
	Free, Trust contracts.Amount
	// Blind says why the chain can't be read now, where it can't: then more may be there than counts.
	Blind error
}

// Error implements error.
func (e *UnfundedError) Error() string {
	if e.Blind != nil {
		return fmt.Sprintf("%s: %s base units of all that was ever promised count while the provider can't read the chain, "+
			"and %s base units are promised: try again once it can", e.Channel, e.Have, e.Want)
	}
	return fmt.Sprintf("%s can pay %s base units in all, promised are %s base units (free in the vault %s base units, "+
		"trusted without a reserve %s base units): deposit and reserve more for this payee", e.Channel, e.Have, e.Want, e.Free, e.Trust)
}

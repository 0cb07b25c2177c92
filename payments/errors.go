package payments

import (
	"errors"
	"fmt"

	"byway/contracts"
	"byway/payments/ledger"
)

// What is wrong with a promise or a session, for callers that branch on it.
var (
	// ErrNotRising says that a promise does not exceed the channel's latest one and is not that very promise again.
	ErrNotRising = errors.New("promise does not rise above the latest one of its channel")
	// ErrWrongChannel says that a promise or session names another token, payer or payee than it must.
	ErrWrongChannel = errors.New("wrong channel")
	// ErrSecondSigner says that a session tried to go on with another session key than it was opened with.
	ErrSecondSigner = errors.New("second signer: a session is paid by the one key that it was opened with")
	// ErrUnknownSession says that no such session was opened.
	ErrUnknownSession = ledger.ErrUnknownSession
	// ErrSessionClosed says that the session has ended; its final counters are recorded.
	ErrSessionClosed = ledger.ErrSessionClosed
	// ErrSessionExists says that a session of that id is open: ids are used once.
	ErrSessionExists = ledger.ErrSessionExists
	// ErrExiting says that the payer has begun to take the channel's reserve back: no more credit is given.
	ErrExiting = errors.New("the payer is leaving the channel")
	// ErrSpendCap is what every [*SpendCapError] is.
	ErrSpendCap = errors.New("spend cap reached")
	// ErrLedger says that the ledger could not store something: nothing was promised, credited or sent, and service
	// must stop until the cause (a full or read-only disk, as a rule) is removed.
	ErrLedger = ledger.ErrStore
	// ErrLedgerInUse says that another process has the ledger open.
	ErrLedgerInUse = ledger.ErrInUse
	// ErrViewOnly says that a ledger was opened for looking at it.
	ErrViewOnly = ledger.ErrViewOnly
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

// SpendCapError says that a payer will sign no more for this session.
type SpendCapError struct {
	// Limit is the most that this session may cost: the cap, or what the channel can still pay where Funds is set.
	Limit contracts.Amount
	// Spent is what the session has paid, Want what its bytes have come to.
	Spent, Want contracts.Amount
	// Funds is set where the deposit, not the configured cap, is what has run out.
	Funds bool
}

// Error implements error.
func (e *SpendCapError) Error() string {
	if e.Funds {
		return fmt.Sprintf("%v: the deposit pays for %s base units of this session, its bytes come to %s base units: "+
			"deposit more to go on",
			ErrSpendCap, e.Limit, e.Want)
	}
	return fmt.Sprintf("%v: the cap of this session is %s base units, its bytes come to %s base units: raise the cap "+
		"to go on",
		ErrSpendCap, e.Limit, e.Want)
}

// Is makes every SpendCapError an [ErrSpendCap].
func (e *SpendCapError) Is(target error) bool { return target == ErrSpendCap }

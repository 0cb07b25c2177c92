package registry

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"
)

// Why an offer is refused. Every error of [Decode], [Offer.Validate], [Signed.Verify] and a [Skipped] wraps one of
// these, with the particulars in its text.
var (
	// ErrMissing: nobody gave us the block in time.
	ErrMissing = errors.New("block cannot be fetched")
	// ErrHash: the store answered with another block than the one registered.
	ErrHash = errors.New("block has another hash than the registered one")
	// ErrSize: the block is longer than [MaxBlock].
	ErrSize = errors.New("block is too large")
	// ErrEncoding: the block is not the canonical encoding of an offer.
	ErrEncoding = errors.New("block is not a canonical offer")
	// ErrSchema: the offer is of a version that this program does not know.
	ErrSchema = errors.New("offer schema is unknown")
	// ErrField: a field has a value that it may not have; [FieldError] names it.
	ErrField = errors.New("offer field is invalid")
	// ErrPrice: the price is nothing, or too large for the window.
	ErrPrice = errors.New("offer price is invalid")
	// ErrLifetime: the offer ends before it begins or lives longer than [MaxLifetime].
	ErrLifetime = errors.New("offer lifetime is invalid")
	// ErrWrongChain: the offer belongs to another chain.
	ErrWrongChain = errors.New("offer is for another chain")
	// ErrWrongContract: the offer names other contracts or another token than this network's.
	ErrWrongContract = errors.New("offer is for other contracts")
	// ErrNotYetValid: the offer's time has not come.
	ErrNotYetValid = errors.New("offer is not valid yet")
	// ErrExpired: the offer's time is over.
	ErrExpired = errors.New("offer has expired")
	// ErrSignature: the provider did not sign this offer.
	ErrSignature = errors.New("offer signature is invalid")
	// ErrHost: the host key did not agree to serve this provider.
	ErrHost = errors.New("offer host binding is invalid")
	// ErrProvider: the offer was registered by somebody else than its provider.
	ErrProvider = errors.New("offer is registered by another account")
	// ErrSequence: the offer carries another sequence number than its registration.
	ErrSequence = errors.New("offer has another sequence than its registration")
	// ErrLeft: the provider is not registered any more; only [Registry.Refresh] says so.
	ErrLeft = errors.New("provider has left the registry")
)

// kinds gives each reason the stable word that counters and machine-readable output use.
var kinds = [...]struct {
	err  error
	word string
}{
	{ErrHash, "hash"}, {ErrSize, "size"}, {ErrSchema, "schema"}, {ErrEncoding, "encoding"}, {ErrPrice, "price"},
	{ErrLifetime, "lifetime"}, {ErrField, "field"}, {ErrWrongChain, "chain"}, {ErrWrongContract, "contract"},
	{ErrNotYetValid, "not_yet_valid"}, {ErrExpired, "expired"}, {ErrHost, "host"}, {ErrSignature, "signature"},
	{ErrProvider, "provider"}, {ErrSequence, "sequence"}, {ErrLeft, "left"},
	{ErrMissing, "missing"},
}

// FieldError says which field of an offer has a value that it may not have. It matches [ErrField] and the more
// particular Err where there is one.
type FieldError struct {
	// Field is the name as the encoding spells it, such as "host.addrs".
	Field string
	// Problem completes the sentence "field …".
	Problem string
	// Err is the more particular sentinel, or nil.
	Err error
}

// Error implements error.
func (e *FieldError) Error() string { return fmt.Sprintf("offer field %s %s", e.Field, e.Problem) }

// Unwrap implements the errors package's multi-error form.
func (e *FieldError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrField}
	}
	return []error{e.Err, ErrField}
}

// StoreError says that the block store failed as a whole: it ends a listing, since nothing is known about the offers that
// were still to come.
type StoreError struct{ Err error }

// Error implements error.
func (e *StoreError) Error() string { return fmt.Sprintf("fetch offers: %v", e.Err) }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }

// Skipped says why a registered offer does not appear in a listing.
type Skipped struct {
	Provider common.Address
	CID      cid.Cid
	Reason   error
}

// Error implements error.
func (e *Skipped) Error() string {
	return fmt.Sprintf("offer of %s (%s): %v", e.Provider, e.CID, e.Reason)
}

// Unwrap returns the reason.
func (e *Skipped) Unwrap() error { return e.Reason }

// Kind returns the reason as one stable word for counting: missing, hash, size, encoding, schema, field, price,
// lifetime, chain, contract, not_yet_valid, expired, signature, host, provider, sequence, left, or other.
func (e *Skipped) Kind() string { return kindOf(e.Reason) }

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.word
		}
	}
	return "other"
}

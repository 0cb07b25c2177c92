package registry

import "fmt"

// Fault is a reason why an offer is refused.
type Fault struct{ word, text string }

// Error implements error.
func (f *Fault) Error() string { return f.text }

// Word names the fault as one stable word, for counters and for programs.
func (f *Fault) Word() string { return f.word }

// Why an offer is refused. Every error of [Decode], [Offer.Validate] and [SignedOffer.Verify] wraps one of these, with the
// particulars in its text.
var (
	// ErrHash: the store answered with another block than the one registered.
	ErrHash = &Fault{"hash", "block has another hash than the registered one"}
	// ErrExpired: the offer's time is over.
	ErrExpired = &Fault{"expired", "offer has expired"}
	// ErrSignature: the provider did not sign this offer.
	ErrSignature = &Fault{"signature", "offer signature is invalid"}

	errSize          = &Fault{"size", "block is too large"}
	errEncoding      = &Fault{"encoding", "block is not a canonical offer"}
	errSchema        = &Fault{"schema", "offer schema is unknown"}
	errField         = &Fault{"field", "offer field is invalid"} // fieldError names it
	errPrice         = &Fault{"price", "offer price is invalid"}
	errLifetime      = &Fault{"lifetime", "offer lifetime is invalid"}
	errWrongChain    = &Fault{"chain", "offer is for another chain"}
	errWrongContract = &Fault{"contract", "offer is for other contracts"} // or another token
	errNotYetValid   = &Fault{"not_yet_valid", "offer is not valid yet"}
	errHost          = &Fault{"host", "offer host binding is invalid"}
)

// Faults lists all there are. An error may be of two kinds: the more particular one comes first.
func Faults() []*Fault {
	return []*Fault{
		ErrHash, errSize, errSchema, errEncoding, errPrice, errLifetime, errField, errWrongChain, errWrongContract,
		errNotYetValid, ErrExpired, errHost, ErrSignature,
	}
}

// fieldError says which field of an offer has a value that it may not have. It matches [errField] and the more
// particular Err where there is one.
type fieldError struct {
	// Field is the name as the encoding spells it, such as "host.addrs".
	Field string
	// Problem completes the sentence "field …".
	Problem string
	// Err is the more particular sentinel, or nil.
	Err error
}

// Error implements error.
func (e *fieldError) Error() string { return fmt.Sprintf("offer field %s %s", e.Field, e.Problem) }

// Unwrap implements the errors package's multi-error form.
func (e *fieldError) Unwrap() []error {
	if e.Err == nil {
		return []error{errField}
	}
	return []error{e.Err, errField}
}

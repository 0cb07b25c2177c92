package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"

	"byway/contracts/text"
	"byway/node/api/spec"
)

// Kind is the kind of an error, in one word that goes over the local API. It is an error itself, so that errors.Is finds the
// same kind on both sides.
type Kind string

// The kinds of errors. What a client meets and does not know stays as it is: an error of that word.
const (
	// ErrNotRunning says that no daemon runs on a home.
	ErrNotRunning Kind = "not_running"
	// ErrIdle says that the daemon does not do what was asked about: it sells nothing, or has no connection.
	ErrIdle         Kind = "idle"
	ErrRequest      Kind = "request"      // the request is malformed
	ErrUnauthorized Kind = "unauthorized" // no bearer, or one that is over
	ErrForbidden    Kind = "forbidden"    // another user, host or origin
	ErrUnknown      Kind = "unknown"      // no such operation or channel
	ErrConflict     Kind = "conflict"     // the same key with another request, or what excludes it goes on
	ErrBusy         Kind = "busy"         // too much of it at once, or too many guesses
	ErrLarge        Kind = "large"        // more than either side reads
	ErrLate         Kind = "late"         // it took too long
	ErrCancelled    Kind = "cancelled"    // as was asked
	ErrInterrupted  Kind = "interrupted"  // the daemon ended before it was done: what it came to is not known
	ErrInternal     Kind = "internal"     // of no other kind

	ErrLocked    Kind = "locked"     // the account's key is locked
	ErrPassword  Kind = "password"   // the password is wrong
	ErrCold      Kind = "cold"       // the account's key is elsewhere
	ErrNoAccount Kind = "no_account" // the home has no account
	ErrTaken     Kind = "taken"      // the home has one already
	ErrInUse     Kind = "in_use"     // another process runs on the home
	ErrNoNetwork Kind = "no_network" // no such network
	ErrDisk      Kind = "disk"       // the home cannot be written to

	ErrFunds       Kind = "funds"        // the account or the vault lacks tokens or gas
	ErrBudget      Kind = "budget"       // a budget is used up
	ErrNothingFree Kind = "nothing_free" // all of the vault is set aside
	ErrNoReserve   Kind = "no_reserve"   // nothing is set aside for the provider
	ErrExiting     Kind = "exiting"      // an exit is announced
	ErrEarly       Kind = "early"        // an exit's delay is not over
	ErrPending     Kind = "pending"      // earlier transactions are not mined
	ErrNoStake     Kind = "no_stake"     // nothing is being unbonded
	ErrHost        Kind = "host"         // an offer is for another host
	ErrMismatch    Kind = "mismatch"     // the chain has other contracts
	ErrChain       Kind = "chain"        // the chain cannot be read

	ErrNoOffer  Kind = "no_offer" // no offer fits
	ErrNewcomer Kind = "newcomer" // something has to be set aside on chain first
	ErrRefused  Kind = "refused"  // by the provider
	ErrGone     Kind = "gone"     // the provider went away
	ErrOffence  Kind = "offence"  // the provider broke its promise

	ErrShut       Kind = "shut"       // this machine is shut
	ErrLockdown   Kind = "lockdown"   // and was asked to stay so
	ErrCapability Kind = "capability" // the machine's network is root's to change
	ErrNoTUN      Kind = "no_tun"     // the kernel makes no tunnels
	ErrUndone     Kind = "undone"     // half of a change of the machine's network
	ErrRelease    Kind = "release"    // another release has written it
)

// statuses are those of HTTP for the kinds that are no 500.
var statuses = map[Kind]int{
	ErrNotRunning: http.StatusNotFound, ErrIdle: http.StatusNotFound, ErrUnknown: http.StatusNotFound,
	ErrRequest: http.StatusBadRequest, ErrUnauthorized: http.StatusUnauthorized, ErrForbidden: http.StatusForbidden,
	ErrConflict: http.StatusConflict, ErrBusy: http.StatusTooManyRequests, ErrLarge: http.StatusRequestEntityTooLarge,
	ErrLate: http.StatusGatewayTimeout, ErrCancelled: http.StatusConflict, ErrInterrupted: http.StatusConflict,

	ErrLocked: http.StatusLocked, ErrPassword: http.StatusForbidden, ErrCold: http.StatusConflict,
	ErrNoAccount: http.StatusNotFound, ErrTaken: http.StatusConflict, ErrInUse: http.StatusConflict,
	ErrNoNetwork: http.StatusNotFound, ErrDisk: http.StatusInsufficientStorage,

	ErrFunds: http.StatusPaymentRequired, ErrBudget: http.StatusPaymentRequired, ErrNothingFree: http.StatusPaymentRequired,
	ErrNoReserve: http.StatusConflict, ErrExiting: http.StatusConflict, ErrEarly: http.StatusConflict,
	ErrPending: http.StatusConflict, ErrNoStake: http.StatusConflict, ErrHost: http.StatusConflict,
	ErrMismatch: http.StatusConflict, ErrChain: http.StatusServiceUnavailable,

	ErrNoOffer: http.StatusNotFound, ErrNewcomer: http.StatusPaymentRequired, ErrRefused: http.StatusBadGateway,
	ErrGone: http.StatusBadGateway, ErrOffence: http.StatusBadGateway,

	ErrShut: http.StatusConflict, ErrLockdown: http.StatusConflict, ErrCapability: http.StatusForbidden,
	ErrNoTUN: http.StatusConflict, ErrUndone: http.StatusConflict, ErrRelease: http.StatusConflict,
}

// words are what kinds say of themselves where their name is not enough.
var words = map[Kind]string{
	ErrNotRunning:  "no byway daemon runs here",
	ErrInterrupted: "the daemon ended before it was done, and what it came to is not known",
	ErrForbidden:   "only the home's owner and root may ask",
	ErrBusy:        "try again later",
	ErrUnknown:     "there is none",
}

// Status is the HTTP status of the kind.
func (k Kind) Status() int {
	if s, ok := statuses[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Error implements error.
func (k Kind) Error() string {
	if said, ok := words[k]; ok {
		return said
	}
	return text.Line(strings.ReplaceAll(string(k), "_", " "))
}

// Error is an error that goes over the local API, or came over it. errors.Is finds its [Kind] in it.
type Error struct {
	Code    Kind
	Status  int // of HTTP
	Message string
	Next    string            // what to do next; empty where the server knows nothing
	Details map[string]string // what the kind says beside the message, such as a refusal's code
	cause   error
}

// Errorf is an error of the kind in words, which wraps what the format wraps.
func (k Kind) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: k, Status: k.Status(), Message: err.Error(), cause: err}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns what the error wraps; nil where it came over the API.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether the target is the error's kind.
func (e *Error) Is(target error) bool { return target == error(e.Code) }

// Mapping gives a kind to errors of the rooms below. As reports whether an error's tree has one, and what it says beside its
// message; where As is nil, Is is looked for.
type Mapping struct {
	Kind Kind
	Is   error
	As   func(error) (details map[string]string, ok bool)
}

// kindly gives an error its kind: its own where it has one, else that of the first mapping that knows it.
func kindly(err error, kinds []Mapping) *Error {
	e := &Error{Code: ErrInternal, Message: err.Error(), cause: err}
	var said *Error
	var kind Kind
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &said):
		e.Code, e.Next, e.Details = said.Code, said.Next, said.Details
	case errors.As(err, &kind):
		e.Code = kind
	case e.mapped(err, kinds):
	case errors.As(err, &large):
		e.Code = ErrLarge
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Code = ErrLate
	case errors.Is(err, context.Canceled):
		e.Code = ErrCancelled
	}
	e.Status = e.Code.Status()
	return e
}

// mapped takes the kind of the first mapping that knows the error.
func (e *Error) mapped(err error, kinds []Mapping) bool {
	for _, m := range kinds {
		if m.As != nil {
			if details, ok := m.As(err); ok {
				e.Code, e.Details = m.Kind, details
				return true
			}
		} else if errors.Is(err, m.Is) {
			e.Code = m.Kind
			return true
		}
	}
	return false
}

// What an error may hold on its way, in bytes.
const (
	maxMessage = 16 << 10
	maxDetails = 32
	maxDetail  = 4 << 10
)

// problem is the error as it goes over the API.
func (e *Error) problem() *spec.Problem {
	p := &spec.Problem{Code: string(e.Code), Message: cut(e.Message, maxMessage), Next: cut(e.Next, maxMessage)}
	for key, value := range e.Details {
		if len(p.Details) == maxDetails {
			break
		}
		if p.Details == nil {
			p.Details = map[string]string{}
		}
		p.Details[cut(key, maxDetail)] = cut(value, maxDetail)
	}
	return p
}

// errorOf is what came over the API as an error again.
func errorOf(p *spec.Problem, status int) *Error {
	e := &Error{Code: Kind(p.Code), Status: status, Message: p.Message, Next: p.Next, Details: p.Details}
	if status == 0 {
		e.Status = e.Code.Status()
	}
	if e.Message == "" {
		e.Message = e.Code.Error()
	}
	return e
}

// cut shortens a text to so many bytes at the boundary of a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

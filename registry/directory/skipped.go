package directory

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"byway/registry"
)

// Why a registration is not listed although its block may be an offer. Every [Omission] wraps one of these or of the
// reasons why an offer is refused.
var (
	// ErrMissing: nobody gave us the block in time.
	ErrMissing = errors.New("block cannot be fetched")
	// ErrProvider: the offer was registered by somebody else than its provider.
	ErrProvider = errors.New("offer is registered by another account")
	// ErrSequence: the offer carries another sequence number than its registration.
	ErrSequence = errors.New("offer has another sequence than its registration")
	// ErrLeft: the provider is not registered any more; only [Directory.Refresh] says so.
	ErrLeft = errors.New("provider has left the registry")
)

// kind is a reason and the stable word for it that counters and machine-readable output use.
type kind struct {
	err  error
	word string
}

var kinds = func() (all []kind) {
	for _, f := range registry.Faults() {
		all = append(all, kind{f, f.Word()})
	}
	return append(all, kind{ErrProvider, "provider"}, kind{ErrSequence, "sequence"}, kind{ErrLeft, "left"}, kind{ErrMissing, "missing"})
}()

// StoreError says that the block store failed as a whole: it ends a listing, since nothing is known about the offers that
// were still to come.
type StoreError struct{ Err error }

// Error implements error.
func (e *StoreError) Error() string { return fmt.Sprintf("fetch offers: %v", e.Err) }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }

// Omission says why a registered offer does not appear in a listing.
type Omission struct {
	Provider common.Address
	CID      cid.Cid
	Reason   error
}

// Error implements error.
func (e *Omission) Error() string {
	return fmt.Sprintf("offer of %s (%s): %v", e.Provider, e.CID, e.Reason)
}

// Unwrap returns the reason.
func (e *Omission) Unwrap() error { return e.Reason }

// Kind returns the reason as one stable word for counting: missing, hash, size, encoding, schema, field, price,
// lifetime, chain, contract, not_yet_valid, expired, signature, host, provider, sequence, left, or other.
func (e *Omission) Kind() string { return kindOf(e.Reason) }

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.word
		}
	}
	return "other"
}

// Stats counts what listings came to since the registry was opened. Memory does not grow with what is refused.
type Stats struct {
	// Listed counts the offers that passed every check, Skipped those that did not, by [Omission.Kind]. An offer counts
	// once for each time that it was checked.
	Listed  uint64            `json:"listed"`
	Skipped map[string]uint64 `json:"skipped"`
}

// counters count what listings came to; what is skipped by the word of its kind.
type counters struct {
	listed  atomic.Uint64
	mu      sync.Mutex
	skipped map[string]uint64 // guarded by mu
}

func (c *counters) skip(word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.skipped == nil {
		c.skipped = map[string]uint64{}
	}
	c.skipped[word]++
}

// Stats returns the counts so far.
func (r *Directory) Stats() Stats {
	s := Stats{Listed: r.stats.listed.Load(), Skipped: map[string]uint64{}}
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	maps.Copy(s.Skipped, r.stats.skipped)
	return s
}

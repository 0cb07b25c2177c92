package payments

import (
	"errors"
	"fmt"
	"time"

	"byway/contracts"
)

// Limits of the contracts' fields.
const (
	maxEpoch      = 1<<24 - 1
	maxValidUntil = 1<<40 - 1
)

// ReserveRowSize is one reserve in a transaction, in bytes.
const ReserveRowSize = 128

// reserveSize is a [Reserve] or [Release] in bytes on the wire.
const reserveSize = channelSize + contracts.AmountSize + 3 + 5 + contracts.SignatureSize

// PostMargin is how long before its end a signed reserve is still posted: a transaction takes a while.
const PostMargin = 2 * time.Minute

// ErrStaleReserve says that a reserve would not raise anything: its epoch or its time is over, or it is no higher than
// what is reserved. One that was posted is stale: the next one is signed for the channel's next epoch.
var ErrStaleReserve = errors.New("signed reserve is of no use")

var errTermRange = errors.New("epoch or time does not fit the contract's field")

// Reserve is the payer's signed wish to set a part of its vault aside for one payee. Anyone may post it, and once: when it
// has raised anything, however little, the channel is in its next epoch.
type Reserve struct {
	contracts.Channel
	// Ceiling is the lifetime total, in base units, that the channel shall guarantee.
	Ceiling contracts.Amount
	// Epoch is the channel's epoch (24 bits): an exit, a release, a revocation or another reserve that was posted ends every
	// reserve signed before it.
	Epoch uint32
	// ValidUntil is the last second, of the Unix clock (40 bits), at which it may be posted.
	ValidUntil uint64
	// Sig is by the channel's signer.
	Sig contracts.Signature
}

// Release is the payee's signed consent to give up the part of the channel's reserve above a ceiling at once, so that
// the payer need not wait out the exit delay.
type Release struct {
	contracts.Channel
	// Ceiling is the lifetime total, in base units, that stays guaranteed.
	Ceiling contracts.Amount
	// Epoch is the channel's epoch (24 bits) that it is good for: a reserve that is posted ends it too.
	Epoch uint32
	// ValidUntil is the last second, of the Unix clock (40 bits), at which it may be posted.
	ValidUntil uint64
	// Sig is by the channel's payee.
	Sig contracts.Signature
}

// Raises reports whether posting r when the chain's time is at would raise what its channel guarantees, which is a ceiling in
// an epoch. In the last epoch that there is the contract takes none.
func (r Reserve) Raises(ceiling contracts.Amount, epoch uint32, at time.Time) bool {
	return r.Epoch == epoch && r.Epoch < maxEpoch && ceiling.Less(r.Ceiling) && r.ValidUntil <= maxValidUntil &&
		at.Add(PostMargin).Unix() <= int64(r.ValidUntil)
}

// Row is the reserve as a transaction carries it: [payer:160|ceiling:96][0:192|epoch:24|validUntil:40][r][yParity|s].
func (r Reserve) Row() (row [ReserveRowSize]byte) {
	b := append(row[:0], r.Payer[:]...)
	sum := r.Ceiling.Bytes()
	b = append(b, sum[:]...)
	b = appendUint(b[:56], uint64(r.Epoch), 3)
	appendUint(b, r.ValidUntil, 5) // in place: the row has room
	copy(row[64:], r.Sig[:])
	return row
}

// MarshalBinary writes token, payer, signer, payee, ceiling, epoch (3 bytes), validUntil (5) and signature.
func (r Reserve) MarshalBinary() ([]byte, error) {
	if r.Epoch > maxEpoch || r.ValidUntil > maxValidUntil {
		return nil, fmt.Errorf("encode reserve: %w", errTermRange)
	}
	b := appendChannel(make([]byte, 0, reserveSize), r.Channel)
	sum := r.Ceiling.Bytes()
	b = append(b, sum[:]...)
	b = appendUint(b, uint64(r.Epoch), 3)
	b = appendUint(b, r.ValidUntil, 5)
	return append(b, r.Sig[:]...), nil
}

// UnmarshalBinary reads what [Reserve.MarshalBinary] writes. It checks the form only, not the signature.
func (r *Reserve) UnmarshalBinary(b []byte) error {
	if len(b) != reserveSize {
		return fmt.Errorf("reserve has %d bytes, want %d", len(b), reserveSize)
	}
	var q Reserve
	var epoch uint64
	q.Channel, b = cutChannel(b)
	q.Ceiling, b = cutAmount(b)
	epoch, b = cutUint(b, 3)
	q.Epoch = uint32(epoch)
	q.ValidUntil, b = cutUint(b, 5)
	q.Sig = contracts.Signature(b)
	*r = q
	return nil
}

// MarshalBinary writes the same fields as [Reserve.MarshalBinary].
func (r Release) MarshalBinary() ([]byte, error) {
	b, err := Reserve(r).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode release: %w", errTermRange)
	}
	return b, nil
}

// UnmarshalBinary reads what [Release.MarshalBinary] writes. It checks the form only, not the signature.
func (r *Release) UnmarshalBinary(b []byte) error {
	if len(b) != reserveSize {
		return fmt.Errorf("release has %d bytes, want %d", len(b), reserveSize)
	}
	return (*Reserve)(r).UnmarshalBinary(b)
}

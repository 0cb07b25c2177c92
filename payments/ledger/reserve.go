package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// Reserve is a payer's signed reserve as a payee keeps it, one for each channel.
type Reserve struct {
	Ceiling    contracts.Amount // lifetime total, in base units
	Epoch      uint32
	ValidUntil uint64 // Unix seconds
	Sig        [64]byte
}

// Release lowers a channel's reserve by its payee's signature. The zero value signs nothing away.
type Release struct {
	Ceiling    contracts.Amount // lifetime total that stays guaranteed, in base units
	Epoch      uint32
	ValidUntil uint64 // Unix seconds
}

// Reading keeps the chain's word on a channel in one block.
type Reading struct {
	// Settled and Ceiling are lifetime totals, in base units.
	Settled, Ceiling contracts.Amount
	Epoch            uint32
	// ExitAt is by the chain's clock, in whole seconds; zero where the payer has not asked for its reserve.
	ExitAt time.Time
	// Block is the block's number, Hash its hash and Time its time.
	Block uint64
	Hash  common.Hash
	Time  time.Time
	// Since is the time of the oldest block that the ceiling was read in.
	Since time.Time
	// ReadAt is when it was read, by this machine's clock.
	ReadAt time.Time
}

// Reserve returns the reserve that is kept for an account; found is false where there is none.
func (l *Ledger) Reserve(ctx context.Context, account int64) (r Reserve, found bool, err error) {
	var ceiling, sig []byte
	var epoch, until int64
	err = l.read.QueryRowContext(ctx, "SELECT ceiling, epoch, valid_until, sig FROM reserve WHERE channel = ?", account).
		Scan(&ceiling, &epoch, &until, &sig)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		r.Epoch, r.ValidUntil = uint32(epoch), uint64(until)
		copy(r.Sig[:], sig)
		r.Ceiling, err = contracts.AmountFromBytes(ceiling)
	}
	if err != nil {
		return r, false, fmt.Errorf("read reserves of the ledger: %w", err)
	}
	return r, true, nil
}

// Released returns what was signed away of an account, nothing as a rule.
func (l *Ledger) Released(ctx context.Context, account int64) (r Release, err error) {
	var ceiling []byte
	var epoch, until int64
	err = l.read.QueryRowContext(ctx, "SELECT ceiling, epoch, valid_until FROM release WHERE channel = ?", account).
		Scan(&ceiling, &epoch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err == nil {
		r.Epoch, r.ValidUntil = uint32(epoch), uint64(until)
		r.Ceiling, err = contracts.AmountFromBytes(ceiling)
	}
	if err != nil {
		return r, fmt.Errorf("read releases of the ledger: %w", err)
	}
	return r, nil
}

// Reading returns what a payee last read of an account on the chain; found is false where it never did.
func (l *Ledger) Reading(ctx context.Context, account int64) (r Reading, found bool, err error) {
	var epoch, exitAt, block, at, since, readAt int64
	var settled, ceiling, hash []byte
	err = l.read.QueryRowContext(ctx, "SELECT settled, ceiling, epoch, COALESCE(exit_at, 0), block, hash, time, since,"+
		" read_at FROM reading WHERE channel = ?", account).
		Scan(&settled, &ceiling, &epoch, &exitAt, &block, &hash, &at, &since, &readAt)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		var errs [2]error
		r.Settled, errs[0] = contracts.AmountFromBytes(settled)
		r.Ceiling, errs[1] = contracts.AmountFromBytes(ceiling)
		err = errors.Join(errs[:]...)
	}
	if err != nil {
		return r, false, fmt.Errorf("read the chain's answers in the ledger: %w", err)
	}
	r.Epoch, r.Block, r.Hash = uint32(epoch), uint64(block), common.BytesToHash(hash)
	r.Time, r.Since, r.ReadAt = time.UnixMilli(at), time.UnixMilli(since), time.UnixMilli(readAt)
	if exitAt != 0 {
		r.ExitAt = time.Unix(exitAt, 0)
	}
	return r, true, nil
}

// KeepReserve keeps a reserve for an account. The one that is kept already makes way where it is of another epoch, or
// lower, or can't be posted any more at that time.
func (tx *Tx) KeepReserve(account int64, r Reserve, now time.Time) error {
	if err := tx.exec("INSERT INTO reserve (channel, ceiling, epoch, valid_until, sig) VALUES (?1,?2,?3,?4,?5)"+
		" ON CONFLICT (channel) DO UPDATE SET ceiling = ?2, epoch = ?3, valid_until = ?4, sig = ?5"+
		" WHERE epoch <> ?3 OR ceiling < ?2 OR valid_until < ?6", account, blob(r.Ceiling), int64(r.Epoch),
		count(r.ValidUntil), r.Sig[:], now.Unix()); err != nil {
		return err
	}
	return tx.seal(reserveTable, reserveTable.byKey(), account)
}

// StoreRelease takes the place of what was signed away of an account before.
func (tx *Tx) StoreRelease(account int64, r Release) error {
	if err := tx.exec("INSERT OR REPLACE INTO release (channel, ceiling, epoch, valid_until) VALUES (?,?,?,?)",
		account, blob(r.Ceiling), int64(r.Epoch), count(r.ValidUntil)); err != nil {
		return err
	}
	return tx.seal(releaseTable, releaseTable.byKey(), account)
}

// StoreReading takes the place of what was read of an account before.
func (tx *Tx) StoreReading(account int64, r Reading) error {
	var exitAt any
	if !r.ExitAt.IsZero() {
		exitAt = r.ExitAt.Unix()
	}
	if err := tx.exec("INSERT OR REPLACE INTO reading (channel, settled, ceiling, epoch, exit_at, block, hash, time, since,"+
		" read_at) VALUES (?,?,?,?,?,?,?,?,?,?)", account, blob(r.Settled), blob(r.Ceiling), int64(r.Epoch), exitAt,
		count(r.Block), r.Hash[:], r.Time.UnixMilli(), r.Since.UnixMilli(), r.ReadAt.UnixMilli()); err != nil {
		return err
	}
	return tx.seal(readingTable, readingTable.byKey(), account)
}

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
)

// What is settled on a channel is the chain's word, and no answer of the chain is final: each is stored with its block,
// that block's hash and time, and when it was read, and a newer one takes its place also where it says less. What makes
// a channel owe nothing is asked for again: a false answer costs minutes, not the channel.
const (
	// firstRecheck is how soon an answer that leaves nothing owed is asked for again; each time that it is the same the
	// wait doubles, up to lastRecheck.
	firstRecheck = time.Minute
	lastRecheck  = 30 * 24 * time.Hour
	// believedAfter is the wait that an answer above everything that was ever promised has come to when it is believed: a
	// ledger out of a backup may well know less than the chain.
	believedAfter = 4 * firstRecheck
)

// Side is the side of a payment that a row belongs to.
type Side int

// The sides, as the file has them.
const (
	Payer Side = 1
	Payee Side = 2
)

// Account is a channel as one side's ledger has it, in base units: Total = Other + Credit + the amounts of its sessions,
// also of those that have no row any more.
type Account struct {
	ID      int64 // of the row
	Side    Side
	Domain  payments.Domain
	Channel contracts.Channel
	// Total is the highest promise given or received. Credit is the part of it that no session was billed for yet, and
	// Other what is used up and no recorded session has paid.
	Total, Other, Credit contracts.Amount
	// Sig is Total's EIP-2098 signature; it means nothing while Total is zero.
	Sig [64]byte

	// Settled is as last read from the chain, in the block of that number, hash and time, at SettledAt. RecheckAt is when
	// the chain is asked again although nothing is owed.
	Settled      contracts.Amount
	SettledBlock uint64
	SettledHash  common.Hash
	SettledTime  time.Time
	SettledAt    time.Time
	RecheckAt    time.Time

	OwedSince time.Time // zero while nothing is owed

	// The payee's books, see [byway/payments/payee.Account]: they began at the total Base; Counted, Granted and Lost are
	// in base units, Window in bytes. ForgivenAt is when a crash was last held against nobody. On the payer's side Lost is
	// what was given up of it, see [byway/payments/payer.Payer.GiveUp], and the others are zero.
	Base, Counted, Granted, Lost contracts.Amount
	Window                       uint64
	ForgivenAt                   time.Time
}

// Believed returns the sum that counts as settled, in base units: more than was ever promised counts once the chain has
// said it several times.
func (a Account) Believed() contracts.Amount {
	if a.Total.Less(a.Settled) && a.RecheckAt.Sub(a.SettledAt) < believedAfter {
		return a.Total
	}
	return a.Settled
}

// Promise is the latest promise of the account, nil where there was none.
func (a Account) Promise() *payments.Promise {
	if a.Total.IsZero() {
		return nil
	}
	return &payments.Promise{Channel: a.Channel, Cumulative: a.Total, Sig: a.Sig}
}

const (
	accountColumns = "id, role, chain_id, contract, token, payer, signer, payee, total, other, settled, sig," +
		" settled_block, owed_since, settled_hash, settled_time, settled_at, recheck_at, credit, base, counted, granted, lost," +
		" win, forgiven_at"
	accountKey = "role = ? AND chain_id = ? AND contract = ? AND token = ? AND payer = ? AND signer = ? AND payee = ?"
)

func accountArgs(side Side, d payments.Domain, c contracts.Channel) []any {
	return []any{side, int64(d.ChainID), d.Contract[:], c.Token[:], c.Payer[:], c.Signer[:], c.Payee[:]}
}

func scanAccount(scan func(...any) error) (a Account, err error) {
	var contract, token, payer, signer, payee, total, other, settled, sig, hash []byte
	var credit, base, counted, granted, lost []byte
	var chainID, block, blockTime, readAt, recheckAt, window, forgivenAt int64
	var since sql.NullInt64
	if err = scan(&a.ID, &a.Side, &chainID, &contract, &token, &payer, &signer, &payee, &total, &other, &settled,
		&sig, &block, &since, &hash, &blockTime, &readAt, &recheckAt, &credit, &base, &counted, &granted, &lost, &window,
		&forgivenAt); err != nil {
		return a, err
	}
	a.Window, a.ForgivenAt = uint64(window), time.UnixMilli(forgivenAt)
	a.SettledBlock, a.SettledHash = uint64(block), common.BytesToHash(hash)
	a.SettledTime, a.SettledAt = time.UnixMilli(blockTime), time.UnixMilli(readAt)
	a.RecheckAt = time.UnixMilli(recheckAt)
	if since.Valid {
		a.OwedSince = time.UnixMilli(since.Int64)
	}
	a.Domain = payments.Domain{ChainID: uint64(chainID), Contract: common.BytesToAddress(contract)}
	a.Channel = channelOf(token, payer, signer, payee)
	for _, f := range []struct {
		to   *contracts.Amount
		from []byte
	}{
		{&a.Total, total}, {&a.Other, other}, {&a.Settled, settled}, {&a.Credit, credit}, {&a.Base, base},
		{&a.Counted, counted}, {&a.Granted, granted}, {&a.Lost, lost},
	} {
		if *f.to, err = contracts.AmountFromBytes(f.from); err != nil {
			return a, fmt.Errorf("channel row %d: %w", a.ID, err)
		}
	}
	copy(a.Sig[:], sig)
	return a, nil
}

func channelOf(token, payer, signer, payee []byte) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{
			Token: common.BytesToAddress(token), Payer: common.BytesToAddress(payer), Signer: common.BytesToAddress(signer),
		},
		Payee: common.BytesToAddress(payee),
	}
}

// accounts reads the channels that a condition selects, in the order of their ids.
func (l *Ledger) accounts(ctx context.Context, where string, args ...any) ([]Account, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT "+accountColumns+" FROM channel WHERE "+where+" ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("read channels of the ledger: %w", err)
	}
	defer rows.Close()
	var list []Account
	for rows.Next() {
		a, err := scanAccount(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read channels of the ledger: %w", err)
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read channels of the ledger: %w", err)
	}
	return list, nil
}

// Account reads a channel's row; found is false where there is none.
func (l *Ledger) Account(ctx context.Context, side Side, d payments.Domain, c contracts.Channel,
) (a Account, found bool, err error) {
	list, err := l.accounts(ctx, accountKey, accountArgs(side, d, c)...)
	if err != nil || len(list) == 0 {
		return a, false, err
	}
	return list[0], true, nil
}

// Promised is all that this payer has ever promised on a channel, in base units; nothing where the ledger does not know
// the channel.
func (l *Ledger) Promised(ctx context.Context, d payments.Domain, c contracts.Channel) (contracts.Amount, error) {
	a, _, err := l.Account(ctx, Payer, d, c)
	return a.Total, err
}

// AccountByID reads the row of that id, which another row names.
func (l *Ledger) AccountByID(ctx context.Context, id int64) (Account, error) {
	list, err := l.accounts(ctx, "id = ?", id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("ledger has no channel %d", id)
	}
	if err != nil {
		return Account{}, err
	}
	return list[0], nil
}

// OpenAccount returns the channel's row, made now where there is none.
func (l *Ledger) OpenAccount(ctx context.Context, side Side, d payments.Domain, c contracts.Channel) (Account, error) {
	a, found, err := l.Account(ctx, side, d, c)
	if err != nil || found {
		return a, err
	}
	err = l.Do(ctx, func(tx *Tx) (err error) {
		a, err = tx.OpenAccount(side, d, c)
		return err
	})
	return a, err
}

// AccountsOfVault returns a payer's channels of one vault, which share its free balance.
func (l *Ledger) AccountsOfVault(ctx context.Context, d payments.Domain, v contracts.Vault) ([]Account, error) {
	return l.accounts(ctx, "role = ? AND chain_id = ? AND contract = ? AND token = ? AND payer = ? AND signer = ?",
		Payer, int64(d.ChainID), d.Contract[:], v.Token[:], v.Payer[:], v.Signer[:])
}

// Owed returns the channels that have promised a payee more than is settled.
func (l *Ledger) Owed(ctx context.Context, p Claimant) ([]Account, error) {
	return l.accounts(ctx, "role = 2 AND owed_since IS NOT NULL AND chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ?", p.args()...)
}

// SettledSince returns a payee's channels whose settled total was read in that block or later.
func (l *Ledger) SettledSince(ctx context.Context, p Claimant, block uint64) ([]Account, error) {
	return l.accounts(ctx, "role = 2 AND settled_block >= ? AND chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ?", append([]any{count(block)}, p.args()...)...)
}

// Unconfirmed returns at most so many of a payee's channels that owe nothing, by what the chain said, and should be
// asked about again by now: those that have waited longest.
func (l *Ledger) Unconfirmed(ctx context.Context, p Claimant, now time.Time, limit int) ([]Account, error) {
	zero := blob(contracts.Amount{})
	return l.accounts(ctx, "id IN (SELECT id FROM channel WHERE role = 2 AND owed_since IS NULL AND recheck_at <= ?"+
		" AND total != ? AND settled != ? AND chain_id = ? AND contract = ? AND token = ? AND payee = ?"+
		" ORDER BY recheck_at LIMIT ?)",
		append(append([]any{now.UnixMilli(), zero, zero}, p.args()...), limit)...)
}

// OpenAccount returns the channel's row, made in this transaction where there is none.
func (tx *Tx) OpenAccount(side Side, d payments.Domain, c contracts.Channel) (Account, error) {
	const query = "SELECT " + accountColumns + " FROM channel WHERE " + accountKey
	key := accountArgs(side, d, c)
	a, err := scanAccount(tx.row(query, key...).Scan)
	if !errors.Is(err, sql.ErrNoRows) {
		return a, err
	}
	zero := blob(contracts.Amount{})
	id, err := tx.insert("INSERT INTO channel (role, chain_id, contract, token, payer, signer, payee, total,"+
		" sig, other, settled, changed_at) VALUES (?,?,?,?,?,?,?,?,x'',?,?,?)",
		append(key, zero, zero, zero, nowMillis())...)
	if err != nil {
		return a, err
	}
	if err := tx.seal(channelTable, channelTable.byKey(), id); err != nil {
		return a, err
	}
	return scanAccount(tx.row(query, key...).Scan)
}

// The statements of a promise are made once: they are what a busy ledger does.
var (
	updateAccount = channelTable.update("id = ?5", "total = ?1", "other = ?2", "sig = ?3", "changed_at = ?4",
		"owed_since = CASE WHEN ?1 > settled THEN COALESCE(owed_since, ?4) END", "credit = ?6", "base = ?7", "counted = ?8",
		"granted = ?9", "lost = ?10", "win = ?11", "forgiven_at = ?12")
	updateShare = sessionTable.update("id = ?5", "amount = ?1", "promises = promises + 1", "rx = max(rx, ?2)",
		"tx = max(tx, ?3)", "peer_rx = ?4")
	updateSettled = channelTable.update("id = ?4", "settled = ?1", "settled_block = ?2", "settled_hash = ?5",
		"settled_time = ?6", "settled_at = ?3",
		fmt.Sprintf("recheck_at = ?3 + CASE WHEN settled = ?1 AND settled_at > 0 AND recheck_at > settled_at THEN"+
			" min(2 * (recheck_at - settled_at), %d) ELSE %d END", lastRecheck.Milliseconds(), firstRecheck.Milliseconds()),
		"owed_since = CASE WHEN total > ?1 THEN COALESCE(owed_since, ?3) END")
	updateRecheck = channelTable.update("id = ?1", "settled_block = 0", "settled_at = 0", "recheck_at = 0")
)

// Share is a session's part of its channel's total, as billed, with its meter's count. Its row names the session.
type Share struct {
	Session int64
	Amount  contracts.Amount
	Usage   payments.Usage
}

// StorePromise makes a session's share and the account what a promise has made of them: see [Tx.StoreAccount]. What the
// session carried since its last promise is booked on the same day.
func (tx *Tx) StorePromise(a Account, s Share) error {
	var was booked
	var rx, sent int64
	if err := was.read(tx.row("SELECT c.id, c.role, c.token, c.total, c.other, s.rx, s.tx FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.id = ? AND c.id = ?", s.Session, a.ID), &rx, &sent); err != nil {
		return fmt.Errorf("session %d of channel %d: %w", s.Session, a.ID, err)
	}
	rise := was.rise(a)
	rise.promises = 1
	rise.rx, rise.tx = more(rx, s.Usage.Rx), more(sent, s.Usage.Tx)
	if err := tx.book(was, rise); err != nil {
		return err
	}
	if err := tx.storeAccount(a); err != nil {
		return err
	}
	return tx.exec(updateShare, blob(s.Amount), count(s.Usage.Rx), count(s.Usage.Tx), count(s.Usage.PeerRx), s.Session)
}

// more is by how much a session's counter has risen.
func more(stored int64, now uint64) uint64 { return uint64(max(0, count(now)-stored)) }

// StoreAccount makes Total with Sig, Other, Credit and the payee's books the account's latest. What the total rises by is
// booked on the present day.
func (tx *Tx) StoreAccount(a Account) error {
	var was booked
	if err := was.read(tx.row("SELECT id, role, token, total, other FROM channel WHERE id = ?", a.ID)); err != nil {
		return fmt.Errorf("channel %d: %w", a.ID, err)
	}
	if err := tx.book(was, was.rise(a)); err != nil {
		return err
	}
	return tx.storeAccount(a)
}

func (tx *Tx) storeAccount(a Account) error {
	sig := a.Sig[:]
	if a.Total.IsZero() {
		sig = []byte{}
	}
	return tx.exec(updateAccount, blob(a.Total), blob(a.Other), sig, nowMillis(), a.ID, blob(a.Credit), blob(a.Base),
		blob(a.Counted), blob(a.Granted), blob(a.Lost), count(a.Window), max(0, a.ForgivenAt.UnixMilli()))
}

// StoreSettled takes over what the chain says is settled on an account: the reading's Settled, Block, Hash and Time.
func (tx *Tx) StoreSettled(account int64, r Reading) error {
	hash := []byte{}
	if r.Hash != (common.Hash{}) {
		hash = r.Hash[:]
	}
	blockTime := int64(0)
	if !r.Time.IsZero() {
		blockTime = r.Time.UnixMilli()
	}
	return tx.exec(updateSettled, blob(r.Settled), count(r.Block), nowMillis(), account, hash, blockTime)
}

// DoubtSettled has the chain asked again at once about an account, whatever it said last.
func (tx *Tx) DoubtSettled(account int64) error { return tx.exec(updateRecheck, account) }

func blob(a contracts.Amount) []byte {
	b := a.Bytes()
	return b[:]
}

// count fits a byte count to SQLite's 63 bits: nine exabytes in one session are not counted further.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// Loss is a sum that a payee forwarded for, or was promised, and can't have.
type Loss struct {
	At     time.Time
	Amount contracts.Amount // in base units
}

// lossesKept is for how long losses are kept.
const lossesKept = 24 * time.Hour

// Lose records a loss on an account, and drops losses that are older than a day. A loss of nothing is none.
func (tx *Tx) Lose(account int64, at time.Time, amount contracts.Amount) error {
	if amount.IsZero() {
		return nil
	}
	if err := tx.exec("DELETE FROM loss WHERE at < ?", at.Add(-lossesKept).UnixMilli()); err != nil {
		return err
	}
	id, err := tx.insert("INSERT INTO loss (channel, at, amount) VALUES (?,?,?)", account, at.UnixMilli(), blob(amount))
	if err != nil {
		return err
	}
	return tx.seal(lossTable, lossTable.byKey(), id)
}

// LossesSince returns what a payee has lost since then, oldest first. It reaches a day back.
func (l *Ledger) LossesSince(ctx context.Context, p Claimant, since time.Time) ([]Loss, error) {
	list, err := l.readLosses(ctx, p, since)
	if err != nil {
		return nil, fmt.Errorf("read losses of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readLosses(ctx context.Context, p Claimant, since time.Time) ([]Loss, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT l.at, l.amount FROM loss l JOIN channel c ON c.id = l.channel"+
		" WHERE c.chain_id = ? AND c.contract = ? AND c.token = ? AND c.payee = ? AND l.at >= ? ORDER BY l.at",
		append(p.args(), since.UnixMilli())...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Loss
	for rows.Next() {
		var at int64
		var amount []byte
		if err := rows.Scan(&at, &amount); err != nil {
			return nil, err
		}
		sum, err := contracts.AmountFromBytes(amount)
		if err != nil {
			return nil, err
		}
		list = append(list, Loss{time.UnixMilli(at), sum})
	}
	return list, rows.Err()
}

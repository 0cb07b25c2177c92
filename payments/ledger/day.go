package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// What is promised, forwarded, ended and claimed is booked on the day on which the ledger learns of it, in the
// transaction that stores it, twice: for its channel in the table book, and for all of a side in the table day. A day
// that has passed never changes. What takes something back, a reorganisation for one, is booked on its own day.
//
// Days are UTC. Booked is on the later of the clock's day and the last day that anything was booked on, so that a clock
// which steps back rewrites nothing. Where the chain's time is known, a clock that is more than a day from it counts for
// nothing, and no more do days that were booked beyond it: see [Ledger.SetClock].

const (
	dayMillis = 24 * 60 * 60 * 1000
	// earlier is the day of book under which what is no longer kept by day stands together.
	earlier = 0
)

// Day sums one day (UTC) on one side in one token: what was learned on it.
type Day struct {
	Date     time.Time // its midnight
	Received bool      // the payee's side
	Token    common.Address
	Sessions int // that ended
	Promises int
	// Rx and Tx are in bytes, as this side counted them.
	Rx, Tx uint64
	// Amount was promised, in base units. Carried is the part of it that was promised earlier, on a day that the ledger
	// does not know: by an older program, or in a life of the ledger that was lost.
	Amount, Carried contracts.Amount
	// Claimed was paid out on chain by so many claims, in base units. Undone is what a reorganisation took back on this day,
	// by so many claims, whichever day they were booked on.
	Claims, UndoneClaims int
	Claimed, Undone      contracts.Amount
	// GasSpent on the claims is in wei, less that of the undone ones.
	GasSpent *big.Int
}

// Clock tells the time to book by. Chain is the chain's time, zero where it is not known.
type Clock func() (now, chain time.Time)

// SetClock has the ledger book by another clock than the machine's, from the next write on.
func (l *Ledger) SetClock(c Clock) { l.clock.Store(&c) }

// dayOf is the day of a moment. The first ones are no days of this ledger: see earlier.
func dayOf(t time.Time) int64 { return max(earlier+1, t.UnixMilli()/dayMillis) }

// Now is the time that the ledger books by: its clock's, or the chain's where they are more than a day apart.
func (l *Ledger) Now() time.Time {
	now, _ := bookTime(&l.clock)
	return now
}

// bookTime is the time that a clock and the chain's agree on, and the last day that may have been booked on by right.
func bookTime(clock *atomic.Pointer[Clock]) (now time.Time, last int64) {
	c := clock.Load()
	if c == nil {
		return time.Now(), math.MaxInt64
	}
	now, chain := (*c)()
	if chain.IsZero() {
		return now, math.MaxInt64
	}
	if off := now.Sub(chain); off > dayMillis*time.Millisecond || off < -dayMillis*time.Millisecond {
		now = chain
	}
	return now, dayOf(chain) + 1
}

// lastDay reads the last day that anything was booked on.
const lastDay = "SELECT COALESCE(max(day), 0) FROM (SELECT day FROM day UNION ALL SELECT day FROM entry)"

// today is the day to book on.
func (tx *Tx) today() (int64, error) {
	now, most := bookTime(tx.clock)
	day := dayOf(now)
	last := tx.lastDay
	if last > most {
		if err := tx.row(lastDay+" WHERE day <= ?", most).Scan(&last); err != nil {
			return 0, err
		}
		last = max(last, tx.pendingDay(most))
	}
	return max(day, last), nil
}

// bookingDay is the day to book on, which is booked on then.
func (tx *Tx) bookingDay() (int64, error) {
	day, err := tx.today()
	tx.lastDay = max(tx.lastDay, day)
	return day, err
}

// pendingDay is the latest day up to most that this transaction has booked on and not written.
func (tx *Tx) pendingDay(most int64) (day int64) {
	for k := range tx.pending {
		if k.day <= most {
			day = max(day, k.day)
		}
	}
	return day
}

// dayKey names a row of the table day.
type dayKey struct {
	day   int64
	side  Side
	token common.Address
}

// tally is what is added to a day.
type tally struct {
	sessions, promises int64
	rx, tx             uint64
	amount, carried    contracts.Amount
}

func (t *tally) add(o tally) (err error) {
	t.sessions, t.promises = t.sessions+o.sessions, t.promises+o.promises
	t.rx, t.tx = saturate(t.rx, o.rx), saturate(t.tx, o.tx)
	if t.amount, err = t.amount.Add(o.amount); err == nil {
		t.carried, err = t.carried.Add(o.carried)
	}
	return err
}

// saturate adds counts of bytes as the file has them: nine exabytes are not counted further.
func saturate(a, b uint64) uint64 {
	return min(a, math.MaxInt64-min(b, math.MaxInt64)) + min(b, math.MaxInt64)
}

func (t tally) args(key ...any) []any {
	return append(key, t.sessions, t.promises, count(t.rx), count(t.tx), blob(t.amount), blob(t.carried))
}

// scan reads a row: what precedes the columns of a tally, and those.
func (t *tally) scan(scan func(...any) error, key ...any) error {
	var rx, tx int64
	var amount, carried []byte
	if err := scan(append(key, &t.sessions, &t.promises, &rx, &tx, &amount, &carried)...); err != nil {
		return err
	}
	t.rx, t.tx = uint64(rx), uint64(tx)
	var errs [2]error
	t.amount, errs[0] = contracts.AmountFromBytes(amount)
	t.carried, errs[1] = contracts.AmountFromBytes(carried)
	return errors.Join(errs[:]...)
}

// tallies adds to the row of a key, or makes it. Its parameters are the key's values and a tally's.
func (t rowTable) tallies() string {
	n := len(t.key)
	columns, values := "", ""
	set := map[string]string{}
	for i, c := range append(append([]string(nil), t.key...), t.rest...) {
		columns, values = columns+c+", ", values+fmt.Sprintf("?%d, ", i+1)
		set[c] = fmt.Sprintf("?%d", i+1)
	}
	list := ""
	added := map[string]string{}
	for i, c := range t.rest {
		p := fmt.Sprintf("?%d", n+i+1)
		switch c {
		case "amount", "carried":
			added[c] = fmt.Sprintf("%s(%s.%s, %s)", addFunc, t.name, c, p)
		case "rx", "tx":
			added[c] = fmt.Sprintf("min(%s.%s, %d - %s) + %s", t.name, c, int64(math.MaxInt64), p, p)
		default:
			added[c] = fmt.Sprintf("%s.%s + %s", t.name, c, p)
		}
		list += c + " = " + added[c] + ", "
	}
	for _, c := range t.key {
		added[c] = t.name + "." + c
	}
	conflict := ""
	for i, c := range t.key {
		if i > 0 {
			conflict += ", "
		}
		conflict += c
	}
	return "INSERT INTO " + t.name + " (" + columns + "sum) VALUES (" + values + t.sum(set) + ") ON CONFLICT (" + conflict +
		") DO UPDATE SET " + list + "sum = " + t.sum(added)
}

var (
	addToBook = bookTable.tallies()
	addToDay  = dayTable.tallies()
	addToPast = pastTable.tallies()
)

// booked is a channel as booking sees it.
type booked struct {
	id           int64
	side         Side
	token        []byte
	total, other contracts.Amount
}

func (b *booked) read(row interface{ Scan(...any) error }, more ...any) error {
	var total, other []byte
	if err := row.Scan(append([]any{&b.id, &b.side, &b.token, &total, &other}, more...)...); err != nil {
		return err
	}
	var errs [2]error
	b.total, errs[0] = contracts.AmountFromBytes(total)
	b.other, errs[1] = contracts.AmountFromBytes(other)
	return errors.Join(errs[:]...)
}

// rise is what an account that is about to be stored adds to its day: what its total rises by, of which is carried what
// no session can have promised now.
func (b booked) rise(a Account) (t tally) {
	t.amount = a.Total.SubFloor(b.total)
	t.carried = a.Other.SubFloor(b.other).Min(t.amount)
	return t
}

// book adds to the present day of a channel and its side. Of nothing there is no row.
func (tx *Tx) book(b booked, t tally) error {
	if t.sessions == 0 && t.rx == 0 && t.tx == 0 && t.amount.IsZero() {
		return nil
	}
	day, err := tx.bookingDay()
	if err != nil {
		return err
	}
	if err := tx.exec(addToBook, t.args(b.id, day)...); err != nil {
		return err
	}
	key := dayKey{day, b.side, common.BytesToAddress(b.token)}
	sum := tx.pending[key]
	if err := sum.add(t); err != nil {
		return fmt.Errorf("sum of day %d: %w", day, err)
	}
	tx.pending[key] = sum
	return nil
}

// bookDays writes what this transaction has booked: the writes that share a commit share its row of a day.
func (tx *Tx) bookDays() error {
	for k, t := range tx.pending {
		if err := tx.exec(addToDay, t.args(k.day, k.side, k.token[:])...); err != nil {
			return fmt.Errorf("book day %d: %w", k.day, err)
		}
	}
	clear(tx.pending)
	return nil
}

// bookClaim books what a claim has brought.
func (tx *Tx) bookClaim(claim int64, paid contracts.Amount, fee string) error {
	day, err := tx.bookingDay()
	if err != nil {
		return err
	}
	id, err := tx.insert("INSERT INTO entry (claim, day, undone, paid, fee) VALUES (?,?,0,?,?)", claim, day, blob(paid), fee)
	if err != nil {
		return err
	}
	return tx.seal(entryTable, entryTable.byKey(), id)
}

// undoClaims books that the settled claims which a condition selects are not.
func (tx *Tx) undoClaims(where string, args ...any) error {
	day, err := tx.bookingDay()
	if err != nil {
		return err
	}
	var last int64
	if err := tx.row("SELECT COALESCE(max(id), 0) FROM entry").Scan(&last); err != nil {
		return err
	}
	if err := tx.exec("INSERT INTO entry (claim, day, undone, paid, fee) SELECT id, ?, 1, paid, fee FROM claim"+
		" WHERE state = ? AND "+where, append([]any{day, claimSettled}, args...)...); err != nil {
		return err
	}
	return tx.seal(entryTable, "id > ?", last)
}

// Days returns what was booked on the days from one moment to another, both ends included, oldest first; of one side, or
// of both where side is zero. The zero moment is no bound.
func (l *Ledger) Days(ctx context.Context, side Side, from, to time.Time) ([]Day, error) {
	list, err := l.readDays(ctx, side, from, to)
	if err != nil {
		return nil, fmt.Errorf("read days of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readDays(ctx context.Context, side Side, from, to time.Time) ([]Day, error) {
	first, last := int64(0), int64(math.MaxInt64)
	if !from.IsZero() {
		first = dayOf(from)
	}
	if !to.IsZero() {
		last = dayOf(to)
	}
	rows, err := l.read.QueryContext(ctx, "SELECT day, role, token, sessions, promises, rx, tx, amount, carried, '0' FROM day"+
		" WHERE day BETWEEN ?1 AND ?2 AND ?3 IN (0, role)"+
		" UNION ALL SELECT e.day, ?4, c.token, -1 - e.undone, 0, 0, 0, e.paid, e.paid, e.fee FROM entry e"+
		" JOIN claim c ON c.id = e.claim WHERE e.day BETWEEN ?1 AND ?2 AND ?3 IN (0, ?4) ORDER BY 1, 2, 3",
		first, last, side, Payee)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Day
	for rows.Next() {
		var day, rx, tx int64
		var sessions, promises int
		var side Side
		var token, amount, carried []byte
		var fee string
		if err := rows.Scan(&day, &side, &token, &sessions, &promises, &rx, &tx, &amount, &carried, &fee); err != nil {
			return nil, err
		}
		r := Day{
			Date: time.UnixMilli(day * dayMillis).UTC(), Received: side == Payee, Token: common.BytesToAddress(token),
			GasSpent: new(big.Int),
		}
		n := len(list)
		if n == 0 || list[n-1].Date != r.Date || list[n-1].Received != r.Received || list[n-1].Token != r.Token {
			list = append(list, r)
		}
		d := &list[len(list)-1]
		var errs [2]error
		var sum, part contracts.Amount
		sum, errs[0] = contracts.AmountFromBytes(amount)
		part, errs[1] = contracts.AmountFromBytes(carried)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		if sessions >= 0 {
			d.Sessions, d.Promises, d.Rx, d.Tx, d.Amount, d.Carried = sessions, promises, uint64(rx), uint64(tx), sum, part
			continue
		}
		wei, ok := new(big.Int).SetString(fee, 10)
		if !ok {
			return nil, fmt.Errorf("fee %q of a claim is no number", fee)
		}
		if sessions == -1 {
			d.Claims++
			d.GasSpent.Add(d.GasSpent, wei)
			d.Claimed, err = d.Claimed.Add(sum)
		} else {
			d.UndoneClaims++
			d.GasSpent.Sub(d.GasSpent, wei)
			d.Undone, err = d.Undone.Add(sum)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

// SpentSince returns all that the payer's side has promised since the day (UTC) of that moment began, in base units and
// exact to the unit, by what is on the disk. What the ledger learned of on such a day counts too, whenever it was promised,
// and so does what a clock that ran ahead has booked on a later day: a budget must not be exceeded by either. It reads one
// row for each day.
func (l *Ledger) SpentSince(ctx context.Context, since time.Time) (contracts.Amount, error) {
	sum, err := l.spentSince(ctx, since)
	if err != nil {
		return sum, fmt.Errorf("add up what was spent: %w", err)
	}
	return sum, nil
}

func (l *Ledger) spentSince(ctx context.Context, since time.Time) (sum contracts.Amount, err error) {
	rows, err := l.read.QueryContext(ctx, "SELECT amount FROM day WHERE role = ? AND day >= ?", Payer, dayOf(since))
	if err != nil {
		return sum, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return sum, err
		}
		one, err := contracts.AmountFromBytes(b)
		if err == nil {
			sum, err = sum.Add(one)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, rows.Err()
}

// carryOver books what an older program's ledger holds: each ended session on the day of its end, all else on the day of
// the channel's last change. A row of a day whose checksum was wrong stays without a right one.
func carryOver(ctx context.Context, conn *sql.Conn) error {
	wrong, err := wrongDays(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "DELETE FROM day"); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, "SELECT c.id, c.role, c.token, s.closed_at / 86400000, 1, s.promises, s.rx, s.tx,"+
		" s.amount, x'000000000000000000000000' FROM session s JOIN channel c ON c.id = s.channel WHERE s.closed_at IS NOT NULL"+
		" UNION ALL SELECT c.id, c.role, c.token, c.changed_at / 86400000, 0, s.promises, s.rx, s.tx, s.amount,"+
		" x'000000000000000000000000' FROM session s JOIN channel c ON c.id = s.channel WHERE s.closed_at IS NULL"+
		" UNION ALL SELECT id, role, token, changed_at / 86400000, 0, 0, 0, 0, other, credit FROM channel")
	if err != nil {
		return err
	}
	defer rows.Close()
	type bookKey struct{ channel, day int64 }
	books, days := map[bookKey]tally{}, map[dayKey]tally{}
	for rows.Next() {
		var k bookKey
		var side Side
		var token []byte
		var t tally
		if err := t.scan(rows.Scan, &k.channel, &side, &token, &k.day); err != nil {
			return fmt.Errorf("channel %d: %w", k.channel, err)
		}
		k.day = max(earlier+1, k.day)
		if t.amount, err = t.amount.Add(t.carried); err != nil {
			return fmt.Errorf("channel %d: %w", k.channel, err)
		}
		t.carried = t.amount
		if t == (tally{}) {
			continue
		}
		dk := dayKey{k.day, side, common.BytesToAddress(token)}
		ofBook, ofDay := books[k], days[dk]
		if err := errors.Join(ofBook.add(t), ofDay.add(t)); err != nil {
			return fmt.Errorf("channel %d: %w", k.channel, err)
		}
		books[k], days[dk] = ofBook, ofDay
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for k, t := range books {
		if _, err := conn.ExecContext(ctx, addToBook, t.args(k.channel, k.day)...); err != nil {
			return err
		}
	}
	for k, t := range days {
		if _, err := conn.ExecContext(ctx, addToDay, t.args(k.day, k.side, k.token[:])...); err != nil {
			return err
		}
	}
	for _, k := range wrong {
		if _, err := conn.ExecContext(ctx, addToDay, tally{}.args(k.day, k.side, k.token[:])...); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, "UPDATE day SET sum = x'' WHERE "+dayTable.byKey(), k.day, k.side,
			k.token[:]); err != nil {
			return err
		}
	}
	return nil
}

// wrongDays are the days of an older program's ledger whose checksums are wrong.
func wrongDays(ctx context.Context, conn *sql.Conn) (list []dayKey, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT day, role, token FROM day WHERE sum IS NOT "+
		rowSumFunc+"('day', day, role, token, sessions, promises, rx, tx, amount)")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k dayKey
		var token []byte
		if err := rows.Scan(&k.day, &k.side, &token); err != nil {
			return nil, err
		}
		k.token = common.BytesToAddress(token)
		list = append(list, k)
	}
	return list, rows.Err()
}

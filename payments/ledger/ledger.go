// Package ledger owns the file that remembers the money: every promise given and received, every session, claim, reserve
// and reading of the chain, as typed rows. It opens, migrates, backs up, restores and verifies that file, and it is the
// only room that knows SQL. What a row is worth, who signed it and what the chain says is for its callers to judge.
//
// A write that has returned is on the disk. Whoever signs, credits or sends on the strength of a row writes it first.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"byway/contracts/disk"
)

var (
	// ErrStore says that the ledger could not store something: nothing was promised, credited or sent, and service must
	// stop until the cause (a full or read-only disk, as a rule) is removed.
	ErrStore = errors.New("ledger cannot store")
	// ErrInUse says that another process has the ledger open.
	ErrInUse = errors.New("ledger is in use by another process")
	// ErrViewOnly says that a ledger was opened for looking at it.
	ErrViewOnly = errors.New("this ledger was opened for reading")
)

// maxBatch bounds how many writes share one commit, and so how long the first of them waits for the last.
const maxBatch = 1024

// Ledger remembers every promise given and received, through kill -9 and power cuts: a write that has returned is on
// the disk. It is a SQLite database (WAL, synchronous=FULL) with one writer, which commits whatever has queued up
// meanwhile in one transaction. One process at a time holds it. Safe for concurrent use.
type Ledger struct {
	path  string
	lock  *flock.Flock
	write *sql.DB // one connection, the writer goroutine's
	read  *sql.DB
	view  bool // nothing is written

	queue chan *writeOp
	quit  chan struct{} // closed by Close: no write is queued any more
	done  chan struct{} // closed by the writer goroutine at its end
	once  sync.Once
	err   error // of Close

	clock atomic.Pointer[Clock] // see SetClock; nil: the machine's

	held hold // see Held

	shared sync.Map // see Shared
}

// writeOp is one caller's write. It may run twice, when another write of its batch failed.
type writeOp struct {
	run   func(*Tx) error
	done  chan error
	wrote bool // its commit has changed the file; set before done
}

// Tx is the transaction that is being written, with the statements that the one writer has prepared. It is valid within
// the function that [Ledger.Do] gives it to, and for one goroutine.
type Tx struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	clock   *atomic.Pointer[Clock]
	lastDay int64            // that anything was booked on
	pending map[dayKey]tally // booked and not written, see bookDays
	wrote   bool             // this transaction has changed a row
}

// Shared returns what the users of an open ledger have in common under a key: what the first of them made. A key has a type
// of its user's own, as those of a context have.
func (l *Ledger) Shared(key, made any) any {
	first, _ := l.shared.LoadOrStore(key, made)
	return first
}

// Open opens or creates the ledger in that file, through the SQLite VFS of that name or, where it is empty, the system's.
// [ErrInUse] says that another process has it.
func Open(path, vfs string) (*Ledger, error) {
	l, err := open(path, vfs)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, disk.Advise(err))
	}
	return l, nil
}

func open(path, vfs string) (_ *Ledger, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, err
	case !held:
		return nil, ErrInUse
	}
	l := &Ledger{
		path: path, lock: lock,
		queue: make(chan *writeOp, maxBatch), quit: make(chan struct{}), done: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	l.write, err = openDB(path, disk.Database{
		Access: disk.Create, Commit: disk.Synced, Wait: patience, Conns: 1, ForeignKeys: true, VFS: vfs,
	})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	conn, err := l.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, conn); err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil { // see Forget
		return nil, err
	}
	// SQLite syncs what it writes; that the file has a name is for the folder to remember.
	if err := disk.SyncFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	l.read, err = openDB(path, disk.Database{Access: disk.Query, Wait: patience, Conns: 4, VFS: vfs})
	if err != nil {
		return nil, err
	}
	tx := &Tx{conn: conn, stmts: map[string]*sql.Stmt{}, clock: &l.clock, pending: map[dayKey]tally{}}
	if err := conn.QueryRowContext(ctx, lastDay).Scan(&tx.lastDay); err != nil {
		return nil, err
	}
	go l.writeLoop(tx)
	return l, nil
}

// patience is how long a statement waits while another process keeps the ledger to itself.
const patience = 10 * time.Second

func openDB(path string, how disk.Database) (*sql.DB, error) {
	if err := registerRowSum(); err != nil {
		return nil, fmt.Errorf("register %s: %w", rowSumFunc, err)
	}
	return disk.Open(path, how)
}

func migrate(ctx context.Context, conn *sql.Conn) error {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("schema %d is newer than this program's %d: use the newer program", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE; "+migrations[version])
		if fill := fills[version+1]; err == nil && fill != nil {
			err = fill(ctx, conn)
		}
		if err == nil {
			_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d; COMMIT", version+1))
		}
		if err != nil {
			_, rollback := conn.ExecContext(ctx, "ROLLBACK")
			return errors.Join(fmt.Errorf("schema step %d: %w", version+1, err), rollback)
		}
	}
	return nil
}

// Close waits for the writes that have been queued, then closes the files. Later writes fail.
func (l *Ledger) Close() error {
	l.once.Do(func() {
		if l.view {
			l.err = l.read.Close()
			return
		}
		close(l.quit)
		<-l.done
		l.err = l.release()
	})
	return l.err
}

func (l *Ledger) release() error {
	var errs []error
	for _, db := range []*sql.DB{l.read, l.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, l.lock.Close())...)
}

// Do runs one write in the next commit and returns once that is on the disk. It does not give up half-way: whoever
// signs or credits must know. The function may run twice, where another write of its commit failed: it changes nothing
// but the transaction and what it alone assigns. Every failure is an [ErrStore], except that ctx had ended before.
func (l *Ledger) Do(ctx context.Context, run func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.view {
		return fmt.Errorf("%w: %w", ErrStore, ErrViewOnly)
	}
	op := &writeOp{run: run, done: make(chan error, 1)}
	select {
	case <-l.quit:
		return fmt.Errorf("%w: it is closed", ErrStore)
	case l.queue <- op:
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case err = <-op.done:
	case <-l.done: // Close raced with queueing: the writer may have left without this op.
		select {
		case err = <-op.done:
		default:
			return fmt.Errorf("%w: it is closed", ErrStore)
		}
	}
	if err == nil {
		return nil
	}
	named, _ := l.named(err)
	return named
}

// named is a failed write for whoever asked for it, and whether the disk is why.
func (l *Ledger) named(err error) (named error, refused bool) {
	advice := disk.Advise(err)
	return fmt.Errorf("%w: %s: %w", ErrStore, l.path, advice), !errors.Is(err, advice) // it has got something to say
}

// answer tells who asked for a write how it went. What the disk said of it is noted before: by the one writer, so that a write
// which went well earlier ends no hold that began later.
func (l *Ledger) answer(op *writeOp, err error) {
	if err == nil && op.wrote {
		l.held.set(nil)
	} else if err != nil {
		if named, refused := l.named(err); refused {
			l.held.set(named)
		}
	}
	op.done <- err
}

// hold is why nothing can be stored, and tells who waits of its changes. The zero value holds nothing.
type hold struct {
	mu      sync.Mutex
	err     error
	changed chan struct{} // closed at the next change; nil while nobody waits
}

func (h *hold) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if (h.err == nil) == (err == nil) {
		return
	}
	h.err = err
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// look returns what is held against the ledger, and what is closed when that changes.
func (h *hold) look() (changed <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed, h.err
}

// Held is what the disk refused last, with what to do about it, an [ErrStore]: nil where it has refused nothing since the
// last write that it took. Who serves on credit stops then, until [Ledger.Mended].
func (l *Ledger) Held() error {
	_, err := l.held.look()
	return err
}

// Failure waits until the disk refuses a write, and returns what [Ledger.Held] says then. The end of ctx ends the wait too.
func (l *Ledger) Failure(ctx context.Context) error {
	for {
		changed, err := l.held.look()
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// The wait between two tries whether a disk takes writes again.
const (
	firstMend = time.Second
	lastMend  = 15 * time.Second
)

// Mended waits until the disk takes writes again after it refused one, and tries that itself. It returns at once where
// nothing is held, with an error where ctx ends or the ledger is closed.
func (l *Ledger) Mended(ctx context.Context) error {
	for wait := firstMend; ; wait = min(2*wait, lastMend) {
		changed, held := l.held.look()
		if held == nil {
			return nil
		}
		try := time.NewTimer(wait)
		select {
		case <-changed:
		case <-l.quit:
			try.Stop()
			return fmt.Errorf("%w: it is closed", ErrStore)
		case <-ctx.Done():
			try.Stop()
			return ctx.Err()
		case <-try.C:
			// It writes a page and changes nothing. What it fails with is what was held before, or is said by it now.
			_ = l.Do(ctx, func(tx *Tx) error {
				tx.wrote = true
				return tx.exec(fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
			})
		}
		try.Stop()
	}
}

// writeLoop is the one writer. It ends when Close was called and the queue is empty.
func (l *Ledger) writeLoop(tx *Tx) {
	defer close(l.done)
	defer func() {
		for _, s := range tx.stmts {
			s.Close()
		}
		tx.conn.Close()
	}()
	batch := make([]*writeOp, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case op := <-l.queue:
			batch = append(batch, op)
		case <-l.quit:
			select {
			case op := <-l.queue:
				batch = append(batch, op)
			default:
				return
			}
		}
		// Who is about to queue a write gets the processor first: a commit that many share costs each of them less, and
		// none waits longer for it than for the commit that it would have missed. With nobody about this takes no time.
		for waiting := -1; waiting < len(l.queue) && len(l.queue) < maxBatch-1; {
			waiting = len(l.queue)
			runtime.Gosched()
		}
	fill:
		for len(batch) < maxBatch {
			select {
			case op := <-l.queue:
				batch = append(batch, op)
			default:
				break fill
			}
		}
		if err := tx.commit(batch...); err == nil || len(batch) == 1 {
			for _, op := range batch {
				l.answer(op, err)
			}
			continue
		}
		// One of them is at fault, or the disk is. Each gets a transaction, and an answer, of its own.
		for _, op := range batch {
			l.answer(op, tx.commit(op))
		}
	}
}

// commit runs the ops in one transaction. Where it fails nothing of it is there, as far as the disk still answers.
func (tx *Tx) commit(ops ...*writeOp) error {
	if err := tx.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	clear(tx.pending)
	tx.wrote = false
	err := func() error {
		for _, op := range ops {
			if err := op.run(tx); err != nil {
				return err
			}
		}
		if err := tx.bookDays(); err != nil {
			return err
		}
		return tx.exec("COMMIT")
	}()
	if err != nil {
		// SQLite may have rolled back by itself already; then this one fails, and says nothing new.
		_ = tx.exec("ROLLBACK")
		return err
	}
	for _, op := range ops {
		op.wrote = tx.wrote
	}
	return nil
}

func (tx *Tx) stmt(query string) (*sql.Stmt, error) {
	if s := tx.stmts[query]; s != nil {
		return s, nil
	}
	s, err := tx.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	tx.stmts[query] = s
	return s, nil
}

func (tx *Tx) exec(query string, args ...any) error {
	s, err := tx.stmt(query)
	if err != nil {
		return err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return err
	}
	switch query[0] {
	case 'I', 'U', 'D': // INSERT, UPDATE, DELETE: of others SQLite tells the number of the one before
		if n, err := r.RowsAffected(); err == nil && n > 0 {
			tx.wrote = true
		}
	}
	return nil
}

// row reads within the transaction.
func (tx *Tx) row(query string, args ...any) interface{ Scan(...any) error } {
	s, err := tx.stmt(query)
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRow(args...)
}

// failedRow is the row of a query that could not be prepared.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// insert returns the new row's id.
func (tx *Tx) insert(query string, args ...any) (int64, error) {
	s, err := tx.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	tx.wrote = true
	return r.LastInsertId()
}

func nowMillis() int64 { return time.Now().UnixMilli() }

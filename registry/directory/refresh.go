package directory

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"sync"
	"time"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"

	registryabi "byway/contracts/bindings/registry"
	"byway/registry"
)

const (
	// rescan is how many blocks below the last one are scanned for events again: endpoints have been seen to serve a
	// fresh block before all of its logs.
	rescan = 12
	// maxBehind is how many blocks of events are read before reading all pages is the cheaper way, maxTouched how many
	// providers, and logRange how many blocks one request covers.
	maxBehind  = 50_000
	maxTouched = 512
	logRange   = 5_000

	// A block that nobody had is asked for again after firstRetry, then twice that, up to lastRetry; at most maxRetries
	// of them in one refresh, half of them the ones with the largest stakes and half the ones that failed least, so that
	// junk registrations cost a bounded effort.
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
	maxRetries = 1024

	writeBatch = 256
)

var (
	// ErrNoIndex: the registry was made without an index.
	ErrNoIndex = errors.New("registry has no offer index")
	// ErrRefreshing: another refresh of this registry is under way.
	ErrRefreshing = errors.New("offer index is being refreshed already")
)

// changes are the events of the Registry that change what is registered.
var changes = sync.OnceValue(func() (ids []common.Hash) {
	abi := registryabi.NewRegistry().GetABI()
	for _, name := range []string{
		registryabi.RegistryRegisteredEventName, registryabi.RegistryUpdatedEventName, registryabi.RegistryStakedEventName,
		registryabi.RegistryLeftEventName,
	} {
		ids = append(ids, abi.Events[name].ID)
	}
	return ids
})

// State says how fresh the index is.
func (r *Directory) State(ctx context.Context) (State, error) {
	if r.index == nil {
		return State{}, ErrNoIndex
	}
	return r.rows().state(ctx)
}

func (r *Directory) rows() entry { return entry{r.index, r.deployment} }

// Known lists from the index alone, in the order of the providers' addresses: at once, with neither chain nor peers.
// What was verified then is not verified again, but what has expired since is skipped, and a provider's last good offer
// stands in, marked stale, for one that could not be fetched. [Directory.State] says how old all this is.
func (r *Directory) Known(ctx context.Context) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		if r.index == nil {
			yield(Listing{}, ErrNoIndex)
			return
		}
		stop := errors.New("broken off")
		err := r.rows().marks(ctx, func(marks []shelfmark) error {
			for _, m := range marks {
				if !yield(r.known(m)) {
					return stop
				}
			}
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, stop) {
			yield(Listing{}, err)
		}
	}
}

// known turns a row of the index into a line of a listing.
func (r *Directory) known(m shelfmark) (Listing, error) {
	skip := func(reason error) (Listing, error) {
		return Listing{Registration: m.reg}, &Omission{m.reg.Provider, m.reg.CID(), reason}
	}
	if m.block == nil {
		return skip(reasonOf(m.kind, m.reason))
	}
	digest := common.Hash(sha256.Sum256(m.block))
	if m.good() && digest != m.reg.Digest {
		return skip(fmt.Errorf("%w: the index is damaged", registry.ErrHash))
	}
	s, err := registry.DecodeKnown(m.block, digest)
	if err != nil {
		return skip(err)
	}
	if err := s.Offer.CheckTime(r.chainTime()); err != nil {
		if !m.good() {
			err = reasonOf(m.kind, m.reason) // what stands in has expired: the reason is why it stood in
		}
		return skip(err)
	}
	return Listing{SignedOffer: s, Registration: m.reg, Stale: !m.good()}, nil
}

// storedReason is a reason that was read back from the index.
type storedReason struct {
	text string
	err  error
}

func (e storedReason) Error() string { return e.text }
func (e storedReason) Unwrap() error { return e.err }

func reasonOf(kind, text string) error {
	for _, k := range kinds {
		if k.word == kind {
			return storedReason{text, k.err}
		}
	}
	return errors.New(text)
}

// Refresh brings the index up to the chain's head and yields what changed since the last time: offers that are new or
// other than before, [*Omission] for those that cannot be listed any more, with [ErrLeft] for providers that are gone.
// Where a few blocks have passed it reads events, else all pages; it fetches only blocks that the index lacks. Broken
// off or failed, it keeps what it has got, and the next one goes on.
//
// An offer that cannot be fetched is tried again in later refreshes, ever more rarely. Meanwhile the provider's last
// good one is listed, marked stale, until it expires. Once there is something to list, a refresh does not wait for blocks
// that do not come: [Directory.Finish] goes on looking for them.
func (r *Directory) Refresh(ctx context.Context) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		if r.index == nil {
			yield(Listing{}, ErrNoIndex)
			return
		}
		if !r.refreshing.CompareAndSwap(false, true) {
			yield(Listing{}, ErrRefreshing)
			return
		}
		defer r.refreshing.Store(false)
		if err := r.refresh(ctx, yield); err != nil {
			yield(Listing{}, err)
		}
	}
}

// refresh returns an error that was not yielded yet.
func (r *Directory) refresh(ctx context.Context, yield func(Listing, error) bool) error {
	rows := r.rows()
	state, err := rows.state(ctx)
	if err != nil {
		return err
	}
	head, err := r.backend.HeaderByNumber(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the chain's head: %w", err)
	}
	pass, err := rows.nextPass(ctx)
	if err != nil {
		return err
	}
	known, err := rows.anyGood(ctx)
	if err != nil {
		return err
	}
	if told, err := r.tellNews(ctx, yield); !told {
		return err
	}
	wanted := newSearch(r.patience, known)
	touched, few := r.touched(ctx, state, head)
	gone := map[common.Address]Registration{}
	var read reader = func(ctx context.Context, work *verifiers, fetch func([]Registration) error) error {
		return r.pages(ctx, head.Number, func(page []Registration) error {
			return r.compare(ctx, pass, page, wanted, work, fetch)
		})
	}
	if few {
		read = func(ctx context.Context, work *verifiers, fetch func([]Registration) error) error {
			return r.readTouched(ctx, head, pass, touched, gone, wanted, work, fetch)
		}
	}
	keep := keeper{r: r, rows: rows, pass: pass, yield: yield}
	complete := r.stream(ctx, read, wanted,
		func(l Listing, err error) bool { return keep.take(ctx, l, err) },
		func() bool { return keep.flush(ctx) })
	r.remember(wanted)
	if !keep.flush(ctx) || !complete || keep.failure != nil {
		return keep.failure
	}
	if !few {
		unseen, err := rows.unseen(ctx, pass)
		if err != nil {
			return err
		}
		for _, m := range unseen {
			gone[m.reg.Provider] = m.reg
		}
	}
	var left []common.Address
	for provider := range gone {
		left = append(left, provider)
	}
	if err := rows.remove(ctx, left); err != nil {
		return err
	}
	if err := rows.finish(ctx, head.Number.Uint64(), head.Hash(), r.now()); err != nil {
		return err
	}
	for _, reg := range gone {
		if !yield(Listing{Registration: reg}, &Omission{reg.Provider, reg.CID(), ErrLeft}) {
			return nil
		}
	}
	return nil
}

// touched returns the providers that events since the index's block name, and whether reading these is enough: it is
// not where the index is empty or far behind, where its block was reorganised away, or where the endpoint fails to give
// the logs; then the pages tell.
func (r *Directory) touched(ctx context.Context, state State, head *types.Header) (map[common.Address]bool, bool) {
	now := head.Number.Uint64()
	if !state.Known || now < state.Block || now-state.Block > maxBehind {
		return nil, false
	}
	was := head
	if now != state.Block {
		var err error
		if was, err = r.backend.HeaderByNumber(ctx, new(big.Int).SetUint64(state.Block)); err != nil {
			return nil, false
		}
	}
	if was.Hash() != state.Hash {
		return nil, false
	}
	touched := map[common.Address]bool{}
	for from := state.Block - min(state.Block, rescan); from <= now; from += logRange {
		logs, err := r.backend.FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(min(from+logRange-1, now)),
			Addresses: []common.Address{r.deployment.Registry}, Topics: [][]common.Hash{changes()},
		})
		if err != nil {
			r.log.Debug("registry events unavailable, reading pages", "err", err)
			return nil, false
		}
		for _, log := range logs {
			// Each of them has the provider first. What is left out changes nothing that is listed, and anybody can raise it.
			if len(log.Topics) > 1 && slices.Contains(changes(), log.Topics[0]) {
				touched[common.BytesToAddress(log.Topics[1][:])] = true
			}
		}
		if len(touched) > maxTouched {
			return nil, false
		}
	}
	return touched, true
}

// readTouched reads the registrations of the touched providers, and adds those whose fetching failed before and is due.
func (r *Directory) readTouched(ctx context.Context, head *types.Header, pass int64, touched map[common.Address]bool,
	gone map[common.Address]Registration, wanted *search, work *verifiers, fetch func([]Registration) error,
) error {
	rows := r.rows()
	regs := make([]Registration, len(touched))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	i := 0
	for provider := range touched {
		at := &regs[i]
		i++
		group.Go(func() (err error) {
			*at, err = r.registrationAt(groupCtx, head.Number, provider)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var present []Registration
	for _, reg := range regs {
		if reg.Registered() {
			present = append(present, reg)
			continue
		}
		held, err := rows.find(ctx, []Registration{reg})
		if err != nil {
			return err
		}
		if m, ok := held[reg.Provider]; ok {
			gone[reg.Provider] = m.reg
		}
	}
	due, err := rows.due(ctx, r.now())
	if err != nil {
		return err
	}
	for _, m := range due {
		if !touched[m.reg.Provider] {
			present = append(present, m.reg)
		}
	}
	for len(present) > 0 {
		n := min(len(present), maxPage)
		if err := r.compare(ctx, pass, present[:n], wanted, work, fetch); err != nil {
			return err
		}
		present = present[n:]
	}
	return nil
}

// compare sorts registrations by what the index holds: those it lacks are fetched, those that only changed their stake
// are verified again from its own block, and the others need nothing.
func (r *Directory) compare(ctx context.Context, pass int64, page []Registration, search *search, work *verifiers,
	fetch func([]Registration) error,
) error {
	held, err := r.rows().find(ctx, page)
	if err != nil {
		return err
	}
	now := r.now()
	var wanted, same []Registration
	for _, reg := range page {
		m, ok := held[reg.Provider]
		switch {
		case !ok || m.other(reg) || m.good() && !m.intact():
			wanted = append(wanted, reg)
		case m.due(now):
			search.again(m, reg)
			same = append(same, reg) // seen in any case
		case m.reg == reg || !m.good():
			same = append(same, reg)
		default:
			if err := work.verify(reg, m.block); err != nil {
				return err
			}
		}
	}
	if err := r.rows().seen(ctx, pass, same); err != nil {
		return err
	}
	if len(wanted) == 0 {
		return nil
	}
	return fetch(wanted)
}

func (m entry) nextPass(ctx context.Context) (int64, error) {
	var pass sql.NullInt64
	err := m.x.db.QueryRowContext(ctx, `SELECT max(pass) FROM offers WHERE chain = ? AND registry = ?`,
		int64(m.d.ChainID), m.d.Registry[:]).Scan(&pass)
	if err != nil {
		return 0, fmt.Errorf("read offer index: %w", err)
	}
	return pass.Int64 + 1, nil
}

// tellNews yields what [Directory.Finish] has found since the last refresh. It reports whether the caller wants more.
func (r *Directory) tellNews(ctx context.Context, yield func(Listing, error) bool) (bool, error) {
	found := r.news()
	held, err := r.rows().find(ctx, found)
	if err != nil {
		return false, err
	}
	for _, reg := range found {
		m := held[reg.Provider]
		if !m.good() || m.reg.Digest != reg.Digest {
			continue
		}
		if l, err := r.known(m); !yield(l, err) {
			return false, nil
		}
	}
	return true, nil
}

// anyGood reports whether the index holds an offer that can be listed.
func (m entry) anyGood(ctx context.Context) (good bool, err error) {
	err = m.x.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM offers WHERE chain = ? AND registry = ? AND kind = '')`,
		int64(m.d.ChainID), m.d.Registry[:]).Scan(&good)
	if err != nil {
		return false, fmt.Errorf("read offer index: %w", err)
	}
	return good, nil
}

// settle writes a verdict about a registration that the index holds, unless that has been superseded meanwhile.
func (m entry) settle(ctx context.Context, k shelfmark) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		retry := int64(0)
		if !k.retry.IsZero() {
			retry = k.retry.Unix()
		}
		_, err := tx.ExecContext(ctx, `UPDATE offers SET kind = ?, reason = ?, tries = ?, retry = ?, block = ?
			WHERE chain = ? AND registry = ? AND provider = ? AND digest = ? AND sequence = ?`,
			k.kind, k.reason, k.tries, retry, k.block,
			int64(m.d.ChainID), m.d.Registry[:], k.reg.Provider[:], k.reg.Digest[:], int64(k.reg.Sequence))
		return err
	})
}

// due reads those whose fetching failed and may be tried again.
func (m entry) due(ctx context.Context, now time.Time) ([]shelfmark, error) {
	var due []shelfmark
	seen := map[common.Address]bool{}
	for _, order := range []string{"stake DESC, tries, retry LIMIT ?", "tries, retry LIMIT 2 * ?"} { // as in [search.due]
		rows, err := m.x.db.QueryContext(ctx, `SELECT `+markColumns+` FROM offers WHERE chain = ? AND registry = ?
			AND retry > 0 AND retry <= ? ORDER BY `+order, int64(m.d.ChainID), m.d.Registry[:], now.Unix(), maxRetries/2)
		if err != nil {
			return nil, fmt.Errorf("read offer index: %w", err)
		}
		marks, err := scanMarks(rows)
		if err != nil {
			return nil, fmt.Errorf("read offer index: %w", err)
		}
		for _, mark := range marks {
			if len(due) < maxRetries && !seen[mark.reg.Provider] {
				seen[mark.reg.Provider] = true
				due = append(due, mark)
			}
		}
	}
	return due, nil
}

// seen notes that a pass met registrations which need no fetching.
func (m entry) seen(ctx context.Context, pass int64, regs []Registration) error {
	if len(regs) == 0 {
		return nil
	}
	return m.write(ctx, func(tx *sql.Tx) error {
		update, err := tx.PrepareContext(ctx, `UPDATE offers SET pass = ?, stake = ?
			WHERE chain = ? AND registry = ? AND provider = ?`)
		if err != nil {
			return err
		}
		defer update.Close()
		for _, reg := range regs {
			stake := reg.Stake.Bytes()
			_, err := update.ExecContext(ctx, pass, stake[:], int64(m.d.ChainID), m.d.Registry[:], reg.Provider[:])
			if err != nil {
				return err
			}
		}
		return nil
	})
}

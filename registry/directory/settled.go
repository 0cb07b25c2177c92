package directory

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	channelsabi "byway/contracts/bindings/channels"
)

const (
	// vaultPart is how many bytes of the vault's id stand in a word of a Claimed event; the other 12 are the channel's new
	// settled total.
	vaultPart = 20
	// maxClaims bounds the events of new blocks that one reading takes; the next one goes on from there.
	maxClaims = 20_000
)

var (
	events         = sync.OnceValue(channelsabi.NewChannels)
	claimedTopic   = crypto.Keccak256Hash([]byte("Claimed(address,address,uint256,uint256,bytes32[])"))
	depositedTopic = crypto.Keccak256Hash([]byte("Deposited(address,address,address,uint96)"))
	openedTopic    = crypto.Keccak256Hash([]byte("Opened(address,address,address,address,uint96,uint96)"))
)

// ReadSettled brings what the index knows of settlements up to the chain's head, by events of the Channels contract
// since the last reading, of the last 50,000 blocks at most. A settlement that a reorganisation takes back stays in it:
// this is weak evidence, and no account of money. Every reading gets at least one block further: of blocks with more events
// than it takes some are left out.
func (r *Directory) ReadSettled(ctx context.Context) error {
	if r.index == nil {
		return ErrNoIndex
	}
	head, err := r.backend.HeaderByNumber(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the chain's head: %w", err)
	}
	if !head.Number.IsInt64() {
		return fmt.Errorf("read the chain's head: the endpoint names block %s, which no chain has", head.Number)
	}
	rows, now := r.rows(), head.Number.Uint64()
	done, err := rows.settledTo(ctx)
	if err != nil {
		return err
	}
	from := done - min(done, rescan)
	if from > now {
		from, done = 0, 0 // the last reading went by a head that was no head
	}
	if now > maxBehind {
		from = max(from, now-maxBehind)
	}
	for ; from <= now; from += logRange {
		to := min(from+logRange-1, now)
		logs, err := r.backend.FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to),
			Addresses: []common.Address{r.deployment.Channels},
			Topics: [][]common.Hash{
				{claimedTopic, depositedTopic, openedTopic}, {common.BytesToHash(r.deployment.Token[:])},
			},
		})
		if err != nil {
			return fmt.Errorf("read settlements: %w", err)
		}
		// Claims of nothing cost next to no gas, so that they are gone before anything is counted.
		logs = slices.DeleteFunc(logs, func(l types.Log) bool {
			return l.BlockNumber < from || l.BlockNumber > to || saysNothing(&l)
		})
		logs, last, excess := bounded(logs, done, to)
		if err := rows.keepSettled(ctx, logs, max(last, done)); err != nil {
			return err
		}
		if excess > 0 {
			r.log.Warn("settlements are left out: too many in few blocks", "events", excess, "from", from, "to", last)
		}
		if last < to {
			break
		}
	}
	return nil
}

// saysNothing reports whether an event settles nothing, as anybody can make it in any block, or can't be read.
func saysNothing(log *types.Log) bool {
	if log.Removed || len(log.Topics) == 0 {
		return true
	}
	if log.Topics[0] != claimedTopic {
		return false
	}
	e, err := events().UnpackClaimedEvent(log)
	return err != nil || len(e.Settled) == 0
}

// bounded cuts the events of blocks up to to down to what one reading takes, and says which block is the last that it
// takes then. Blocks up to done were read before: of theirs it takes maxClaims. Of the others it takes whole blocks, so
// that the next reading begins with the first block that was left, and at least one: of one that holds more than
// maxClaims by itself the excess is dropped. So every reading moves forward.
func bounded(logs []types.Log, done, to uint64) (kept []types.Log, last uint64, excess int) {
	slices.SortStableFunc(logs, func(a, b types.Log) int { return cmp.Compare(a.BlockNumber, b.BlockNumber) })
	again := slices.IndexFunc(logs, func(l types.Log) bool { return l.BlockNumber > done })
	if again < 0 {
		again = len(logs)
	}
	read, fresh := logs[:again:again], logs[again:]
	if excess = len(read) - maxClaims; excess > 0 {
		read = read[:maxClaims:maxClaims]
	}
	excess = max(excess, 0)
	if last = to; len(fresh) > maxClaims {
		cut := slices.IndexFunc(fresh, func(l types.Log) bool { return l.BlockNumber == fresh[maxClaims].BlockNumber })
		if last = fresh[maxClaims].BlockNumber - 1; cut == 0 { // one block alone
			last, cut = fresh[0].BlockNumber, maxClaims
			rest := slices.IndexFunc(fresh, func(l types.Log) bool { return l.BlockNumber > last })
			if rest < 0 {
				rest = len(fresh)
			}
			excess += rest - maxClaims
		}
		fresh = fresh[:cut]
	}
	return append(read, fresh...), last, excess
}

// settledTo gives the block up to which settlements were read.
func (m entry) settledTo(ctx context.Context) (uint64, error) {
	var number int64
	err := m.x.db.QueryRowContext(ctx, `SELECT number FROM settled_to WHERE chain = ? AND channels = ?`,
		int64(m.d.ChainID), m.d.Channels[:]).Scan(&number)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read offer index: %w", err)
	}
	return uint64(number), nil
}

// keepSettled stores what some events say.
func (m entry) keepSettled(ctx context.Context, logs []types.Log, to uint64) error {
	chain, channels := int64(m.d.ChainID), m.d.Channels[:]
	return m.write(ctx, func(tx *sql.Tx) error {
		vault := func(payer, signer common.Address) error {
			id := contracts.Vault{Token: m.d.Token, Payer: payer, Signer: signer}.ID()
			_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO vaults (chain, channels, vault, payer) VALUES (?, ?, ?, ?)`,
				chain, channels, id[:vaultPart], payer[:])
			return err
		}
		for i := range logs {
			log := &logs[i]
			var err error
			switch log.Topics[0] {
			case depositedTopic:
				if e, bad := events().UnpackDepositedEvent(log); bad == nil {
					err = vault(e.Payer, e.Signer)
				}
			case openedTopic:
				if e, bad := events().UnpackOpenedEvent(log); bad == nil {
					err = vault(e.Payer, e.Signer)
				}
			case claimedTopic:
				e, bad := events().UnpackClaimedEvent(log)
				if bad != nil {
					continue
				}
				for _, word := range e.Settled {
					// Totals have one width, so their bytes compare as they do.
					if _, err = tx.ExecContext(ctx, `INSERT INTO settled (chain, channels, payee, vault, total) VALUES (?, ?, ?, ?, ?)
						ON CONFLICT DO UPDATE SET total = max(total, excluded.total)`,
						chain, channels, e.Payee[:], word[:vaultPart], word[vaultPart:]); err != nil {
						break
					}
				}
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO settled_to (chain, channels, number) VALUES (?, ?, ?)`,
			chain, channels, int64(to))
		return err
	})
}

// Settled gives what payees were paid on chain as far as the index knows, in base units: at most perPayer from any one
// payer, however many vaults it has, and nothing from themselves. Payers whose deposits are older than what was read
// count as one together.
func (r *Directory) Settled(ctx context.Context, perPayer contracts.Amount) (map[common.Address]contracts.Amount, error) {
	if r.index == nil {
		return nil, ErrNoIndex
	}
	rows, err := r.index.db.QueryContext(ctx, `SELECT s.payee, coalesce(v.payer, x''), s.total FROM settled s
		LEFT JOIN vaults v ON v.chain = s.chain AND v.channels = s.channels AND v.vault = s.vault
		WHERE s.chain = ? AND s.channels = ? ORDER BY s.payee, 2`,
		int64(r.deployment.ChainID), r.deployment.Channels[:])
	if err != nil {
		return nil, fmt.Errorf("read offer index: %w", err)
	}
	defer rows.Close()
	out := map[common.Address]contracts.Amount{}
	var payee, payer common.Address
	var sum contracts.Amount // of the pair
	book := func() {
		if sum.IsZero() || payer == payee {
			return
		}
		if perPayer.Less(sum) {
			sum = perPayer
		}
		if all, err := out[payee].Add(sum); err == nil {
			out[payee] = all
		}
	}
	for rows.Next() {
		var to, from, total []byte
		if err := rows.Scan(&to, &from, &total); err != nil {
			return nil, fmt.Errorf("read offer index: %w", err)
		}
		amount, err := contracts.AmountFromBytes(total)
		if err != nil {
			return nil, fmt.Errorf("read offer index: %w", err)
		}
		if p, f := common.BytesToAddress(to), common.BytesToAddress(from); p != payee || f != payer {
			book()
			payee, payer, sum = p, f, contracts.Amount{}
		}
		if sum, err = sum.Add(amount); err != nil {
			sum = perPayer
		}
	}
	book()
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read offer index: %w", err)
	}
	return out, nil
}

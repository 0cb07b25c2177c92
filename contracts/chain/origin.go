package chain

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
)

// ErrChainReset says that a journal tells of another chain than the one that answers, although both have the same id: a
// chain for development was started anew. What the journal holds can neither be sent there nor counted on.
var ErrChainReset = errors.New("the journal belongs to another chain of the same id")

// origins are the blocks by which a journal knows its chain: a chain that starts again has another genesis, or where
// that is fixed another first block.
var origins = []uint64{0, 1}

// checkChain makes sure, once, that the chain is the one that the journal was written on.
func (s *Sender) checkChain(ctx context.Context) error {
	s.identity.Lock()
	defer s.identity.Unlock()
	if err := s.client.Reset(); err != nil {
		return err
	}
	if s.identified {
		return nil
	}
	known, err := s.sends.origins(ctx)
	if err != nil {
		return err
	}
	s.client.expect(known, s.sends.path)
	found := map[uint64]common.Hash{}
	for _, number := range origins {
		h, err := s.client.Agreed().OrAlone().header(ctx, new(big.Int).SetUint64(number))
		switch {
		case errors.Is(err, ethereum.NotFound) || isMissing(err):
			if want, ok := known[number]; ok {
				return s.reset(fmt.Sprintf("block %d was %s and is missing now", number, want))
			}
			continue
		case err != nil:
			return fmt.Errorf("recognise the chain: %w", err)
		}
		if want, ok := known[number]; ok && !h.is(want) {
			return s.reset(fmt.Sprintf("block %d was %s and is %s now", number, want, h.block.Hash))
		} else if !ok {
			found[number] = h.block.Hash
		}
	}
	final, any, err := s.sends.finalNonce(ctx)
	if err != nil {
		return err
	}
	if any {
		// A journal from before the blocks were noted, or a chain that was set back to an old backup.
		next, err := s.client.Agreed().OrAlone().NonceAt(ctx, s.Address(), nil)
		if err != nil {
			return fmt.Errorf("recognise the chain: %w", err)
		}
		if next <= final {
			return s.reset(fmt.Sprintf("the account's transaction with nonce %d was final and its next nonce is %d now",
				final, next))
		}
	}
	if err := s.sends.noteOrigins(ctx, found); err != nil {
		return err
	}
	s.client.expect(found, s.sends.path)
	s.identified = true
	return nil
}

func (s *Sender) reset(how string) error {
	return fmt.Errorf("%w: chain %d, %s: if the chain was started anew, move %s away (mv %[4]s %[4]s.old) and start again;"+
		" if not, give the URL of an endpoint that has all of the chain", ErrChainReset, s.client.ChainID(), how, s.sends.path)
}

// doubt makes the next send check the chain again.
func (s *Sender) doubt() {
	s.identity.Lock()
	defer s.identity.Unlock()
	s.identified = false
}

// origins returns the blocks that the journal knows its chain by.
func (j sends) origins(ctx context.Context) (map[uint64]common.Hash, error) {
	rows, err := j.db.QueryContext(ctx, `SELECT number, hash FROM origins WHERE chain = ?`, int64(j.chain))
	if err != nil {
		return nil, fmt.Errorf("journal: read the first blocks: %w", err)
	}
	known := map[uint64]common.Hash{}
	err = each(rows, func() error {
		var number int64
		var hash []byte
		if err := rows.Scan(&number, &hash); err != nil {
			return err
		}
		known[uint64(number)] = common.BytesToHash(hash)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("journal: read the first blocks: %w", err)
	}
	return known, nil
}

func (j sends) noteOrigins(ctx context.Context, blocks map[uint64]common.Hash) error {
	if len(blocks) == 0 {
		return nil
	}
	return j.update(ctx, func(tx *sql.Tx) error {
		for number, hash := range blocks {
			if _, err := tx.Exec(`INSERT OR IGNORE INTO origins (chain, number, hash) VALUES (?, ?, ?)`,
				int64(j.chain), int64(number), hash[:]); err != nil {
				return fmt.Errorf("note block %d: %w", number, err)
			}
		}
		return nil
	})
}

package chain

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// DisagreementError says that no two endpoints gave the same answer where money depends on it: one of them lies, is
// stuck or follows another fork.
type DisagreementError struct {
	What    string
	Answers map[string]string // by endpoint
}

// Error implements error.
func (e *DisagreementError) Error() string {
	var b strings.Builder
	for _, url := range slices.Sorted(maps.Keys(e.Answers)) {
		fmt.Fprintf(&b, "; %s says %s", url, e.Answers[url])
	}
	return fmt.Sprintf("no two endpoints agree on %s%s", e.What, b.String())
}

// ErrAlone says that an answer needs two endpoints and only one could be reached.
var ErrAlone = errors.New("two endpoints must agree and fewer than two answer")

// Agreed is a view of the chain for decisions about money. Where the client has two endpoints or more, whatever it
// reads of the state is what two of them said of the same block; with one endpoint it is that one's word. It can stand
// in for a [Client] wherever bindings want a backend.
//
// Whatever credit, claims, deposits or withdrawals hang on is to be read through it: a payee's and a payer's view of
// channels, balances before a deposit, receipts. Lists that a person looks at may come from one endpoint.
type Agreed struct{ *Client }

// Agreed returns the view of the chain that decisions about money must use.
func (c *Client) Agreed() Agreed { return Agreed{c} }

// pair is two endpoints that have the same block.
type pair struct {
	block Block
	on    []*endpoint
}

// answer is what one endpoint said.
type answer[T any] struct {
	on  *endpoint
	v   T
	err error
}

// askAll asks endpoints side by side and returns what they said, in order.
func askAll[T any](ctx context.Context, c *Client, on []*endpoint, f func(context.Context, *endpoint) (T, error),
) []answer[T] {
	answers := make([]answer[T], len(on))
	done := make(chan struct{})
	for i, e := range on {
		go func() {
			defer func() { done <- struct{}{} }()
			err := c.onOne(ctx, e, func(ctx context.Context, e *endpoint) (err error) {
				answers[i].v, err = f(ctx, e)
				return err
			})
			answers[i].on, answers[i].err = e, err
		}()
	}
	for range on {
		<-done
	}
	return answers
}

// agreedBlock finds the newest block that two endpoints have, or with a number that one, and who has it.
func (a Agreed) agreedBlock(ctx context.Context, number *big.Int) (pair, error) {
	var last error
	for round := range rounds {
		if round > 0 {
			if err := sleep(ctx, 100*time.Millisecond<<round); err != nil {
				return pair{}, errors.Join(err, last)
			}
		}
		var p pair
		if p, last = a.tryBlock(ctx, number); last == nil {
			return p, nil
		}
	}
	return pair{}, last
}

func (a Agreed) tryBlock(ctx context.Context, number *big.Int) (pair, error) {
	on := a.ranked()
	if number == nil || number.Sign() < 0 {
		heads := askAll(ctx, a.Client, on, func(ctx context.Context, e *endpoint) (uint64, error) {
			return e.eth.BlockNumber(ctx)
		})
		heads, err := answered(heads)
		if err != nil {
			return pair{}, err
		}
		slices.SortStableFunc(heads, func(x, y answer[uint64]) int { return cmp.Compare(y.v, x.v) })
		// One endpoint alone can name any height: the second highest is the one that two vouch for.
		if behind := heads[0].v - heads[1].v; behind > maxLag && len(heads) == 2 {
			return pair{}, &DisagreementError{"the head", map[string]string{
				heads[0].on.name: fmt.Sprint("block ", heads[0].v), heads[1].on.name: fmt.Sprint("block ", heads[1].v),
			}}
		}
		number = new(big.Int).SetUint64(heads[1].v)
	}
	headers, err := answered(askAll(ctx, a.Client, on, func(ctx context.Context, e *endpoint) (*types.Header, error) {
		return e.eth.HeaderByNumber(ctx, number)
	}))
	if err != nil {
		return pair{}, err
	}
	same := agreeing(headers, func(x, y *types.Header) bool { return x.Hash() == y.Hash() })
	if same == nil {
		return pair{}, disagreement(fmt.Sprint("block ", number), headers, func(h *types.Header) string {
			return h.Hash().Hex()
		})
	}
	p := pair{block: blockOf(same[0].v)}
	for _, s := range same {
		p.on = append(p.on, s.on)
	}
	return p, nil
}

// answered keeps those that answered, and needs two of them.
func answered[T any](all []answer[T]) ([]answer[T], error) {
	var kept []answer[T]
	var errs []error
	for _, a := range all {
		if a.err != nil {
			errs = append(errs, a.err)
		} else {
			kept = append(kept, a)
		}
	}
	if len(kept) < 2 {
		return nil, errors.Join(append([]error{ErrAlone}, errs...)...)
	}
	return kept, nil
}

// agreeing returns the largest set of at least two answers that are the same, nil where there is none.
func agreeing[T any](all []answer[T], same func(x, y T) bool) []answer[T] {
	var best []answer[T]
	for _, x := range all {
		var set []answer[T]
		for _, y := range all {
			if same(x.v, y.v) {
				set = append(set, y)
			}
		}
		if len(set) >= 2 && len(set) > len(best) {
			best = set
		}
	}
	return best
}

func disagreement[T any](what string, all []answer[T], show func(T) string) error {
	e := &DisagreementError{what, make(map[string]string)}
	for i, a := range all {
		name := a.on.name
		if _, twice := e.Answers[name]; twice {
			name = fmt.Sprintf("%s (%d)", name, i+1)
		}
		e.Answers[name] = show(a.v)
	}
	return e
}

// agreed reads something of one block's state from the endpoints that share it.
func agreed(ctx context.Context, a Agreed, what string, number *big.Int,
	f func(ctx context.Context, e *endpoint, block Block) ([]byte, error),
) ([]byte, error) {
	p, err := a.agreedBlock(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	// A revert is an answer like any other, and is compared like any other.
	type outcome struct {
		data   []byte
		revert error
	}
	all, err := answered(askAll(ctx, a.Client, p.on, func(ctx context.Context, e *endpoint) (outcome, error) {
		data, err := f(ctx, e, p.block)
		var r *RevertError
		if err = asRevert(err); errors.As(err, &r) {
			return outcome{r.Data, r}, nil
		}
		return outcome{data, nil}, err
	}))
	if err != nil {
		return nil, fmt.Errorf("%s at block %d: %w", what, p.block.Number, err)
	}
	same := agreeing(all, func(x, y outcome) bool {
		return bytes.Equal(x.data, y.data) && (x.revert == nil) == (y.revert == nil)
	})
	if same == nil {
		err := disagreement(fmt.Sprintf("the result at block %d", p.block.Number), all, func(o outcome) string {
			return fmt.Sprintf("0x%x", o.data[:min(len(o.data), 64)])
		})
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if r := same[0].v.revert; r != nil {
		return nil, fmt.Errorf("%s: %w", what, r)
	}
	return same[0].v.data, nil
}

func (a Agreed) alone() bool { return len(a.endpoints) < 2 }

// Head returns the newest block that two endpoints share.
func (a Agreed) Head(ctx context.Context) (Block, error) {
	if a.alone() {
		return a.Client.Head(ctx)
	}
	p, err := a.agreedBlock(ctx, nil)
	if err != nil {
		return Block{}, fmt.Errorf("read head: %w", err)
	}
	return p.block, nil
}

// CallContract executes a call at a block, nil for the newest that two endpoints share.
func (a Agreed) CallContract(ctx context.Context, msg ethereum.CallMsg, number *big.Int) ([]byte, error) {
	if a.alone() {
		return a.Client.CallContract(ctx, msg, number)
	}
	return agreed(ctx, a, "call contract", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		return e.eth.CallContractAtHash(ctx, msg, b.Hash)
	})
}

// CodeAt returns a contract's code at a block, nil for the newest that two endpoints share.
func (a Agreed) CodeAt(ctx context.Context, contract common.Address, number *big.Int) ([]byte, error) {
	if a.alone() {
		return a.Client.CodeAt(ctx, contract, number)
	}
	return agreed(ctx, a, "read code", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		return e.eth.CodeAtHash(ctx, contract, b.Hash)
	})
}

// BalanceAt returns an account's wei at a block, nil for the newest that two endpoints share.
func (a Agreed) BalanceAt(ctx context.Context, account common.Address, number *big.Int) (*big.Int, error) {
	if a.alone() {
		return a.Client.BalanceAt(ctx, account, number)
	}
	b, err := agreed(ctx, a, "read balance", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		wei, err := e.eth.BalanceAtHash(ctx, account, b.Hash)
		if err != nil {
			return nil, err
		}
		return wei.Bytes(), nil
	})
	if err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(b), nil
}

// TransactionReceipt returns a receipt that two endpoints agree on; while fewer than two have it, the error is
// [ethereum.NotFound].
func (a Agreed) TransactionReceipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	if a.alone() {
		return a.Client.TransactionReceipt(ctx, hash)
	}
	all := askAll(ctx, a.Client, a.ranked(), func(ctx context.Context, e *endpoint) (*types.Receipt, error) {
		r, err := e.eth.TransactionReceipt(ctx, hash)
		if err == nil && (r.TxHash != hash || r.BlockNumber == nil) {
			return nil, errors.New("the receipt is another transaction's")
		}
		return r, err
	})
	missing := 0
	for _, r := range all {
		if isMissing(r.err) {
			missing++
		}
	}
	found, err := answered(all)
	switch {
	case err != nil && missing > 0 && missing+countFound(all) >= 2:
		return nil, ethereum.NotFound
	case err != nil:
		return nil, fmt.Errorf("read receipt: %w", err)
	}
	same := agreeing(found, sameReceipt)
	switch {
	case same != nil:
		return same[0].v, nil
	case missing > 0:
		return nil, ethereum.NotFound
	}
	return nil, fmt.Errorf("read receipt: %w", disagreement("receipt "+hash.Hex(), found, func(r *types.Receipt) string {
		return fmt.Sprintf("status %d in block %d %s", r.Status, r.BlockNumber, r.BlockHash)
	}))
}

func countFound[T any](all []answer[T]) (n int) {
	for _, a := range all {
		if a.err == nil {
			n++
		}
	}
	return n
}

func sameReceipt(x, y *types.Receipt) bool {
	if x.Status != y.Status || x.BlockHash != y.BlockHash || x.GasUsed != y.GasUsed || len(x.Logs) != len(y.Logs) {
		return false
	}
	for i := range x.Logs {
		a, b := x.Logs[i], y.Logs[i]
		if a.Address != b.Address || !slices.Equal(a.Topics, b.Topics) || !bytes.Equal(a.Data, b.Data) {
			return false
		}
	}
	return true
}

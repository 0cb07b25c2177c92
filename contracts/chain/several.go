package chain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Endpoints need not agree on what gas costs, what a transaction needs and which nonce is next, and none of it is a matter of
// one block. One that lies there could have a transaction pay without need, run out of gas or wait for ever. So where there
// are several all are asked, and the one in the middle counts: of two the one that does no harm.

// middle is which of n values in ascending order counts: the lower one of an even number, or the upper one.
type middle func(n int) int

func lower(n int) int { return (n - 1) / 2 }
func upper(n int) int { return n / 2 }

// several asks the endpoints that can be relied on and returns the middle one of what they say; with one endpoint, that one's
// word. Whatever none answers is asked again as [ask] does.
func several[T any](ctx context.Context, c *Client, what string, f func(context.Context, *endpoint) (T, error),
	order func(a, b T) int, which middle,
) (T, error) {
	if len(c.endpoints) > 1 {
		on, _ := c.Agreed().OrAlone().asked()
		said, _ := sorted(gather(ctx, c, on, secondPatience, f))
		if len(said) > 0 {
			slices.SortStableFunc(said, func(x, y answer[T]) int { return order(x.v, y.v) })
			return said[which(len(said))].v, nil
		}
	}
	return ask(ctx, c, what, f)
}

// quote is what gas costs at one endpoint, in wei.
type gasQuote struct {
	base, tip *big.Int // base is nil on a chain without a base fee; tip is the price then
	by        string   // the endpoint
}

// cap is what a transaction offers for a unit of gas at most: it holds through a doubling of the base fee.
func (q gasQuote) cap() *big.Int {
	if q.base == nil {
		return q.tip
	}
	twice := new(big.Int).Lsh(q.base, 1)
	return twice.Add(twice, q.tip)
}

// gasQuote returns what gas costs: of several endpoints' words the middle one, of two the lower. What is too little delays a
// transaction until it is replaced; what is too much would be paid.
func (c *Client) gasQuote(ctx context.Context) (gasQuote, error) {
	return several(ctx, c, "read gas price", func(ctx context.Context, e *endpoint) (q gasQuote, err error) {
		q.by = e.name
		head, err := c.headerOf(ctx, e, "latest")
		if err != nil {
			return q, err
		}
		if q.base = head.BaseFee; q.base == nil {
			q.tip, err = e.eth.SuggestGasPrice(ctx)
		} else {
			q.tip, err = e.eth.SuggestGasTipCap(ctx)
		}
		return q, err
	}, func(a, b gasQuote) int { return a.cap().Cmp(b.cap()) }, lower)
}

// maxGas is more gas than any transaction is given on any chain.
const maxGas = 1 << 30

// estimate is one endpoint's word for what a transaction needs.
func estimate(ctx context.Context, e *endpoint, msg ethereum.CallMsg) (uint64, error) {
	gas, err := onPending(e, func() (uint64, error) { return e.eth.EstimateGasAtBlock(ctx, msg, big.NewInt(-1)) },
		func() (uint64, error) { return e.eth.EstimateGas(ctx, msg) })
	if err == nil && gas > maxGas {
		return 0, &impossibleError{fmt.Sprintf("it says that a transaction needs %d gas", gas)}
	}
	return gas, err
}

const (
	// maxNonce is above every account's nonce, and mostWaiting above how many transactions of one wait for a block.
	maxNonce, mostWaiting = 1 << 40, 1024
)

// pendingNonce is one endpoint's word for an account's next nonce, its transactions in the pool counted.
func (c *Client) pendingNonce(ctx context.Context, e *endpoint, account common.Address) (uint64, error) {
	next, err := onPending(e, func() (uint64, error) { return e.eth.PendingNonceAt(ctx, account) },
		func() (uint64, error) { return e.eth.NonceAt(ctx, account, nil) })
	if err == nil && next > maxNonce {
		return 0, &impossibleError{fmt.Sprintf("it says that the next nonce of %s is %d", account, next)}
	}
	return next, err
}

// nextNonce returns an account's next nonce where a journal knows that so many were used; of two endpoints' words the lower
// counts. One that runs far ahead of the journal would have a transaction wait for ever: it is an error.
func (c *Client) nextNonce(ctx context.Context, account common.Address, ours uint64) (uint64, error) {
	return several(ctx, c, "read nonce", func(ctx context.Context, e *endpoint) (uint64, error) {
		next, err := c.pendingNonce(ctx, e, account)
		if err == nil && ours > 0 && next > ours+mostWaiting {
			return 0, fmt.Errorf("it says that the next nonce of %s is %d, and this home has used %d: give another endpoint; if "+
				"another program uses that account, move this home's chain.db away", account, next, ours)
		}
		return next, err
	}, cmp.Compare[uint64], lower)
}

// usedNonces returns how many nonces of an account are used, its transactions in the pool counted; of two endpoints' words
// the higher counts, so that a false one fills no gap that isn't there.
func (c *Client) usedNonces(ctx context.Context, account common.Address) (uint64, error) {
	return several(ctx, c, "read nonce", func(ctx context.Context, e *endpoint) (uint64, error) {
		return c.pendingNonce(ctx, e, account)
	}, cmp.Compare[uint64], upper)
}

// mostBalance returns an account's wei by the endpoint that names most: what is refused for want of coin costs nothing, and
// one false answer shall not keep a transaction back.
func (c *Client) mostBalance(ctx context.Context, account common.Address) (*big.Int, error) {
	return several(ctx, c, "read balance", func(ctx context.Context, e *endpoint) (*big.Int, error) {
		return e.eth.BalanceAt(ctx, account, nil)
	}, (*big.Int).Cmp, func(n int) int { return n - 1 })
}

// errNotFoundInBlocks says that the blocks don't tell which transaction used a nonce.
var errNotFoundInBlocks = errors.New("no block tells which transaction used the nonce")

// nonceUser finds the mined transaction with a nonce of an account, by looking for the block in which the nonce was used.
// It is signed by the account: an endpoint can hide one, and can't make one up.
func (c *Client) nonceUser(ctx context.Context, account common.Address, nonce uint64) (inclusion, error) {
	return ask(ctx, c, "find transaction", func(ctx context.Context, e *endpoint) (f inclusion, err error) {
		f.by = e.name
		head, err := c.headerOf(ctx, e, "latest")
		if err != nil {
			return f, err
		}
		after := func(block uint64) (bool, error) {
			n, err := e.eth.NonceAt(ctx, account, new(big.Int).SetUint64(block))
			return n > nonce, err
		}
		high := head.block.Number // the nonce is used there
		if used, err := after(high); err != nil || !used {
			return f, errors.Join(errNotFoundInBlocks, err)
		}
		low := high - min(high, stateDepth)
		if used, err := after(low); err != nil {
			return f, err
		} else if used {
			high, low = low, 0
		}
		for low < high {
			mid := low + (high-low)/2
			used, err := after(mid)
			switch {
			case err != nil:
				return f, err
			case used:
				high = mid
			default:
				low = mid + 1
			}
		}
		f.block = high
		f.tx, err = e.transactionIn(ctx, high, c.chainID, account, nonce)
		return f, err
	})
}

// inclusion is a transaction in a block, and the endpoint that says so.
type inclusion struct {
	tx    *types.Transaction
	block uint64
	by    string
}

// stateDepth is of how many blocks every node has the state.
const stateDepth = 120

// transactionIn returns an account's transaction with that nonce in a block.
func (e *endpoint) transactionIn(ctx context.Context, block uint64, chainID *big.Int, account common.Address, nonce uint64,
) (*types.Transaction, error) {
	var raw struct {
		Transactions []json.RawMessage `json:"transactions"`
	}
	if err := e.rpc.CallContext(ctx, &raw, "eth_getBlockByNumber", hexutil.Uint64(block), true); err != nil {
		return nil, err
	}
	for _, text := range raw.Transactions {
		tx := new(types.Transaction)
		if json.Unmarshal(text, tx) != nil || tx.Nonce() != nonce {
			continue // another kind of transaction than accounts sign
		}
		if from, err := types.Sender(types.LatestSignerForChainID(chainID), tx); err == nil && from == account {
			return tx, nil
		}
	}
	return nil, errNotFoundInBlocks
}

// receipt reads a receipt of a transaction from one endpoint: of a block that is in its chain, and one that can be.
func (c *Client) receipt(ctx context.Context, e *endpoint, hash common.Hash) (*types.Receipt, error) {
	r, err := e.eth.TransactionReceipt(ctx, hash)
	switch {
	case err != nil:
		return nil, err
	case r.TxHash != hash || r.BlockNumber == nil:
		return nil, fmt.Errorf("it answers with the receipt of another transaction than %s", hash)
	case !r.BlockNumber.IsUint64() || r.BlockNumber.Uint64() > maxBlock:
		return nil, &impossibleError{fmt.Sprintf("it names a receipt of block %s", r.BlockNumber)}
	case r.Status == types.ReceiptStatusFailed && len(r.Logs) > 0:
		return nil, &impossibleError{fmt.Sprintf("it says that transaction %s failed, and what it did", hash)}
	}
	h, err := e.header(ctx, r.BlockNumber.Uint64())
	if err != nil {
		return nil, err
	}
	if !h.is(r.BlockHash) {
		return nil, fmt.Errorf("it names a receipt of transaction %s in block %d %s, and its block of that number is %s", hash,
			r.BlockNumber, r.BlockHash, h.block.Hash)
	}
	return r, nil
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
	return gather(ctx, c, on, 0, f)
}

// gather is askAll that waits no longer than patience for the others once one has answered, be it that it does not have
// what was asked for; zero: as long as it takes. Where ctx ends before, nobody has said anything: that the caller has no
// more time makes no endpoint the only one that can be relied on.
func gather[T any](ctx context.Context, c *Client, on []*endpoint, patience time.Duration,
	f func(context.Context, *endpoint) (T, error),
) []answer[T] {
	type placed struct {
		at int
		a  answer[T]
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan placed, len(on))
	all := make([]answer[T], len(on))
	for i, e := range on {
		all[i] = answer[T]{on: e, err: &endpointError{e.name, errNoAnswer}}
		go func() {
			var v T
			err := c.onOne(ctx, e, func(ctx context.Context, e *endpoint) (err error) {
				v, err = f(ctx, e)
				return err
			})
			done <- placed{i, answer[T]{e, v, err}}
		}()
	}
	var enough <-chan time.Time
	good, without := 0, 0
	waiting := make(map[int]bool, len(on))
	for i := range on {
		waiting[i] = true
	}
	for range on {
		select {
		case p := <-done:
			all[p.at] = p.a
			delete(waiting, p.at)
			switch {
			case p.a.err == nil:
				good++
			case isMissing(p.a.err) || isAnswer(p.a.err):
				without++
			default:
				continue
			}
			if patience == 0 {
				continue
			}
			if good == 2 || without == 2 {
				enough = time.After(settleTime) // two suffice
			} else if good+without == 1 {
				enough = time.After(patience)
			}
		case <-enough:
			for i := range waiting {
				if good+without == 1 {
					on[i].isSlow(true) // and not waited for again, until it answers soon
				}
			}
			return all
		case <-ctx.Done():
			for i := range waiting {
				all[i].err = &endpointError{on[i].name, ctx.Err()}
			}
			return inTime(ctx, all, patience)
		}
	}
	return inTime(ctx, all, patience)
}

// inTime takes everybody's word away where one of them is missing because the caller had no more time.
func inTime[T any](ctx context.Context, all []answer[T], patience time.Duration) []answer[T] {
	if patience == 0 || ctx.Err() == nil || !slices.ContainsFunc(all, func(a answer[T]) bool { return a.err != nil }) {
		return all
	}
	for i, a := range all {
		all[i] = answer[T]{on: a.on, err: &endpointError{a.on.name, ctx.Err()}}
	}
	return all
}

// sorted keeps those that answered, and the errors of the others.
func sorted[T any](all []answer[T]) (kept []answer[T], errs []error) {
	for _, a := range all {
		if a.err != nil {
			errs = append(errs, a.err)
		} else {
			kept = append(kept, a)
		}
	}
	return kept, errs
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

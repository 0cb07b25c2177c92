package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Endpoints differ in what they can do. What one of them can't is found out when it is first asked for, and remembered.

// quirks is what an endpoint was found not to do.
type quirks struct {
	noPending atomic.Bool // it knows no pending block: the newest stands in for it
	noHashes  atomic.Bool // it names blocks by number only, not by hash (EIP-1898)

	mu      sync.Mutex
	width   uint64    // blocks to ask for logs of at once; 0: not asked yet
	tooWide uint64    // blocks that were too many; 0: none were
	tried   time.Time // when that was
}

const (
	// firstRange and maxRange bound how many blocks one request for logs covers.
	firstRange, maxRange = 2_000, 10_000
	// widthMemory is how long a range that an endpoint refused is not tried again.
	widthMemory = 10 * time.Minute
)

// logWidth is how many blocks to ask for logs of at once.
func (q *quirks) logWidth() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.width == 0 {
		q.width = firstRange
	}
	return q.width
}

// logsRefused notes that so many blocks were too many, and returns false where no fewer can be asked for.
func (q *quirks) logsRefused(blocks uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if blocks <= 1 {
		return false
	}
	if q.tooWide == 0 || blocks < q.tooWide || time.Since(q.tried) > widthMemory {
		q.tooWide = blocks
	}
	q.tried = time.Now()
	q.width = min(max(1, blocks/2), max(q.width, 1))
	return true
}

// logsServed notes that so many blocks were not too many.
func (q *quirks) logsServed(blocks uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if blocks < q.width {
		return
	}
	next := min(blocks*2, maxRange)
	if q.tooWide != 0 && next >= q.tooWide && time.Since(q.tried) < widthMemory {
		return
	}
	q.width = next
}

// logs reads the logs of from..to, in as many requests as the endpoint makes necessary.
func (e *endpoint) logs(ctx context.Context, q ethereum.FilterQuery, from, to uint64) ([]types.Log, error) {
	var all []types.Log
	for from <= to {
		last := min(to, from+e.quirks.logWidth()-1)
		q.FromBlock, q.ToBlock = new(big.Int).SetUint64(from), new(big.Int).SetUint64(last)
		logs, err := e.eth.FilterLogs(ctx, q)
		if err == nil && capped(len(logs)) && last > from {
			// Some endpoints cut a long list without a word: then less must be asked for.
			err = fmt.Errorf("%d logs, which looks like a list that was cut", len(logs))
			if e.quirks.logsRefused(last - from + 1) {
				continue
			}
			return nil, err
		}
		if err != nil {
			// Whatever the words are, it may be a limit: less is easier. Where they sound as if nothing were to be asked now, one
			// block tells which it is.
			if ctx.Err() == nil && spoke(err) && last > from && (!isRefusal(err) || e.givesLogs(ctx, q, err)) &&
				e.quirks.logsRefused(last-from+1) {
				continue
			}
			return nil, err
		}
		e.quirks.logsServed(last - from + 1)
		all = append(all, logs...)
		from = last + 1
	}
	return all, nil
}

// givesLogs reports whether an endpoint that has refused logs gives those of one block.
func (e *endpoint) givesLogs(ctx context.Context, q ethereum.FilterQuery, refusal error) bool {
	if errors.As(refusal, new(rpc.HTTPError)) {
		return false // who answers in HTTP's words has not looked at the question
	}
	q.ToBlock = q.FromBlock
	_, err := e.eth.FilterLogs(ctx, q)
	return err == nil
}

// errNoHead says that an endpoint has no newest block, as no chain is.
var errNoHead = errors.New("it names no newest block")

// capped reports whether a list of logs has the length that a limit of results would give it.
func capped(n int) bool { return n >= 1000 && n%500 == 0 }

// spoke reports whether an error is an endpoint's own answer, rather than that it gave none.
func spoke(err error) bool {
	var said rpc.Error
	var page rpc.HTTPError
	return errors.As(err, &said) || errors.As(err, &page) && page.StatusCode < 500
}

// maxBlock is above the number of every block that there will be: a million a second for thirty years would not reach it.
const maxBlock = 1 << 50

// rpcHeader is what is used of a block's header. Chains have fields that Ethereum hasn't, and lack some that it has.
type rpcHeader struct {
	Number     *hexutil.Big    `json:"number"`
	Hash       *common.Hash    `json:"hash"`
	ParentHash common.Hash     `json:"parentHash"`
	Time       *hexutil.Uint64 `json:"timestamp"`
	BaseFee    *hexutil.Big    `json:"baseFeePerGas"`
	GasLimit   hexutil.Uint64  `json:"gasLimit"`
}

// header is a block's header and the block as the endpoint names it: other chains make a block's hash in another way
// than Ethereum, so that it can't be had from the header.
type header struct {
	*types.Header
	block Block
}

// header reads the header of a block by its number or hash, or the newest for "latest".
func (e *endpoint) header(ctx context.Context, at any) (header, error) {
	method, arg := "eth_getBlockByNumber", at
	switch at := at.(type) {
	case uint64:
		arg = hexutil.Uint64(at)
	case common.Hash:
		method = "eth_getBlockByHash"
	}
	var raw json.RawMessage
	if err := e.rpc.CallContext(ctx, &raw, method, arg, false); err != nil {
		return header{}, err
	}
	var short *rpcHeader
	if err := json.Unmarshal(raw, &short); err != nil {
		return header{}, err
	}
	if short == nil && at == "latest" {
		return header{}, errNoHead
	}
	if short == nil {
		return header{}, ethereum.NotFound
	}
	if short.Number == nil || short.Time == nil {
		return header{}, errors.New("its answer to " + method + " is no block")
	}
	if n := short.Number.ToInt(); !n.IsUint64() || n.Uint64() > maxBlock {
		return header{}, &impossibleError{fmt.Sprintf("it names block %s, which no chain has", n)}
	}
	if *short.Time > maxTime {
		return header{}, &impossibleError{fmt.Sprintf("it names a block of the time %d", uint64(*short.Time))}
	}
	h := header{Header: new(types.Header)}
	if err := json.Unmarshal(raw, h.Header); err != nil {
		// Not Ethereum's form: what everybody needs is there all the same.
		h.Header = &types.Header{
			ParentHash: short.ParentHash, Number: short.Number.ToInt(), Time: uint64(*short.Time), GasLimit: uint64(short.GasLimit),
			BaseFee: (*big.Int)(short.BaseFee), Difficulty: new(big.Int),
		}
	}
	if short.Hash == nil {
		hash := h.Hash()
		short.Hash = &hash
	}
	h.block = Block{h.Number.Uint64(), *short.Hash, time.Unix(int64(h.Time), 0)}
	switch at := at.(type) {
	case uint64:
		if h.block.Number != at {
			return header{}, &impossibleError{fmt.Sprintf("asked for block %d it answers with block %d", at, h.block.Number)}
		}
	case common.Hash:
		if h.block.Hash != at {
			return header{}, &impossibleError{fmt.Sprintf("asked for block %s it answers with another", at)}
		}
	}
	return h, nil
}

// maxTime is as far into the future, in Unix seconds, as a block's time is believed to be a time.
const maxTime = 1 << 40

// is reports whether a header is of the block of that hash. Journals of older programs know blocks by Ethereum's hash.
func (h header) is(hash common.Hash) bool { return h.block.Hash == hash || h.Hash() == hash }

// tag is a block's number, or "latest".
func tag(number *big.Int) any {
	if number == nil || number.Sign() < 0 {
		return "latest"
	}
	if !number.IsUint64() {
		return number
	}
	return number.Uint64()
}

// atBlock asks for the state of one block, by its hash. Where an endpoint takes only numbers it is asked by number, and
// again what block has that number now.
func atBlock[T any](ctx context.Context, e *endpoint, b Block, byHash func() (T, error), byNumber func(*big.Int) (T, error),
) (T, error) {
	var none T
	if !e.quirks.noHashes.Load() {
		v, err := byHash()
		if err == nil || isMissing(err) || !refusesForm(err) {
			return v, err
		}
	}
	if b.Number == maxBlock { // not known
		h, err := e.header(ctx, b.Hash)
		if err != nil {
			return none, err
		}
		b = h.block
	}
	v, err := byNumber(new(big.Int).SetUint64(b.Number))
	if err != nil && !isAnswer(err) {
		return none, err
	}
	e.quirks.noHashes.Store(true)
	now, headErr := e.header(ctx, b.Number)
	switch {
	case headErr != nil:
		return none, headErr
	case now.block.Hash != b.Hash:
		return none, errReorganised
	}
	return v, err
}

// named returns the block of a hash, its number only where the endpoint needs that.
func (e *endpoint) named(ctx context.Context, hash common.Hash) (Block, error) {
	if !e.quirks.noHashes.Load() {
		// atBlock asks for the number where it finds that it needs it.
		return Block{Hash: hash, Number: maxBlock}, nil
	}
	h, err := e.header(ctx, hash)
	return h.block, err
}

func (e *endpoint) callAt(ctx context.Context, msg ethereum.CallMsg, b Block) ([]byte, error) {
	return atBlock(ctx, e, b, func() ([]byte, error) { return e.eth.CallContractAtHash(ctx, msg, b.Hash) },
		func(number *big.Int) ([]byte, error) { return e.eth.CallContract(ctx, msg, number) })
}

func (e *endpoint) codeAt(ctx context.Context, contract common.Address, b Block) ([]byte, error) {
	return atBlock(ctx, e, b, func() ([]byte, error) { return e.eth.CodeAtHash(ctx, contract, b.Hash) },
		func(number *big.Int) ([]byte, error) { return e.eth.CodeAt(ctx, contract, number) })
}

func (e *endpoint) balanceAt(ctx context.Context, account common.Address, b Block) (*big.Int, error) {
	return atBlock(ctx, e, b, func() (*big.Int, error) { return e.eth.BalanceAtHash(ctx, account, b.Hash) },
		func(number *big.Int) (*big.Int, error) { return e.eth.BalanceAt(ctx, account, number) })
}

// onPending asks for the pending state, or for that of the newest block where an endpoint has no pending one.
func onPending[T any](e *endpoint, pending, newest func() (T, error)) (T, error) {
	if !e.quirks.noPending.Load() {
		v, err := pending()
		if err == nil || !refusesForm(err) {
			return v, err
		}
	}
	v, err := newest()
	if err == nil || isRevert(err) {
		e.quirks.noPending.Store(true)
	}
	return v, err
}

// refusesForm reports whether an endpoint may have refused how it was asked, rather than what.
func refusesForm(err error) bool {
	return spoke(err) && !isRevert(err) && !isRefusal(err)
}

func isRevert(err error) bool {
	var r *RevertError
	return errors.As(asRevert(err), &r)
}

package chain

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Quorum is a view of the chain for decisions about money. Where the client has two endpoints or more, whatever it
// reads of the state is what two of them said of the same block; with one endpoint it is that one's word. It can stand
// in for a [Client] wherever bindings want a backend.
//
// What is given to strangers on the chain's word is to be read through it: credit for what a payer is said to have
// deposited. Lists that a person looks at may come from one endpoint.
type Quorum struct {
	*Client
	orAlone bool
}

// Agreed returns the view of the chain that decisions about others' money must use.
func (c *Client) Agreed() Quorum { return Quorum{Client: c} }

// OrAlone is the view for decisions about the home's own money: two endpoints must not contradict each other, but while
// only one can be relied on, its word counts, and the log says so.
//
// A lone endpoint that lies gains nothing by it. A transaction is signed for one chain and one contract, and what it does
// is decided there: a false balance can make its owner set aside more of what it was told to spend at most, in a vault that
// is its own; a false total can make a claim come minutes later, or cost gas for nothing; a false receipt is looked at
// again until the transaction is final. None of it pays the liar. What could, a deposit that is not there, is what
// [Client.Agreed] is for.
func (a Quorum) OrAlone() Quorum { return Quorum{Client: a.Client, orAlone: true} }

// secondPatience is how long a second endpoint is waited for where one may do, and neededPatience where two are needed.
const secondPatience, neededPatience = 2 * time.Second, 8 * time.Second

func (a Quorum) patience() time.Duration {
	if a.orAlone {
		return secondPatience
	}
	return neededPatience
}

// soloNotice remembers whether it was said that one endpoint's word counts.
type soloNotice struct {
	mu sync.Mutex
	on bool
}

func (c *Client) noteAlone(err *aloneError) {
	c.alone.mu.Lock()
	defer c.alone.mu.Unlock()
	if news := (err != nil) != c.alone.on; news && err != nil {
		c.log.Warn("one endpoint's word counts for this home's own money, until another can be relied on",
			"endpoint", err.URL, "others", err.others())
	}
	c.alone.on = err != nil
}

// pair is a block and the endpoints that have it: two or more, or one where that must do.
type pair struct {
	header
	on []*endpoint
}

// asked are the endpoints to ask for something that two must say, and what is wrong with those that are not asked.
func (a Quorum) asked() (on []*endpoint, others []error) {
	var behind []*endpoint
	var failures []error
	for _, e := range a.endpoints {
		if out := e.leftOut(); out != nil {
			others = append(others, out)
			continue
		}
		e.mu.Lock()
		failing, err := time.Now().Before(e.until) || e.slow || e.failures > 0 && !e.trust.ever.Load(), e.err
		e.mu.Unlock()
		if err == nil {
			err = errNoAnswer
		}
		if a.orAlone && failing {
			behind = append(behind, e)
			failures = append(failures, a.named(e, err))
			continue
		}
		on = append(on, e)
	}
	if len(on) == 0 { // then the failing ones are what there is
		return behind, others
	}
	return on, append(others, failures...)
}

// agreedBlock finds the newest block that two endpoints have, or with a number that one, and who has it.
func (a Quorum) agreedBlock(ctx context.Context, number *big.Int) (pair, error) {
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
		if isMissing(last) || a.Reset() != nil {
			break
		}
	}
	return pair{}, last
}

func (a Quorum) tryBlock(ctx context.Context, number *big.Int) (pair, error) {
	on, others := a.asked()
	if len(on) == 0 {
		return pair{}, errors.Join(others...)
	}
	patience := a.patience()
	at := tag(number)
	heads := gather(ctx, a.Client, on, patience, func(ctx context.Context, e *endpoint) (header, error) {
		return a.headerOf(ctx, e, at)
	})
	found, failed := sorted(heads)
	others = append(others, failed...)
	if len(found) > 1 && at == "latest" {
		slices.SortStableFunc(found, func(x, y answer[header]) int { return cmp.Compare(y.v.block.Number, x.v.block.Number) })
		if found[0].v.block.Number-found[1].v.block.Number > maxLag && len(found) == 2 {
			err := a.apart(ctx, found[0], found[1])
			switch {
			case errors.As(err, new(*LeftOutError)):
				return a.single(found[1:], append(others, err))
			case errors.As(err, new(*laggingError)):
				return a.single(found[:1], append(others, err))
			}
			return pair{}, err
		}
		if found[0].v.block != found[1].v.block {
			// One endpoint alone can name any height: the second highest is the one that two vouch for.
			at = found[1].v.block.Number
			on = on[:0]
			for _, f := range found {
				on = append(on, f.on)
			}
			found, failed = sorted(gather(ctx, a.Client, on, patience, func(ctx context.Context, e *endpoint) (header, error) {
				return a.headerOf(ctx, e, at)
			}))
			others = append(others, failed...)
		}
	}
	switch {
	case len(found) == 0:
		for _, h := range heads {
			if isMissing(h.err) {
				return pair{}, h.err
			}
		}
		return pair{}, errors.Join(others...)
	case len(found) == 1:
		return a.single(found, others)
	}
	if found = a.proved(found); len(found) == 1 {
		return a.single(found, others)
	}
	same := agreeing(found, sameBlock)
	if same == nil {
		return pair{}, disagreement(fmt.Sprint("block ", found[0].v.block.Number), found, headerFields)
	}
	if len(same) < len(found) {
		a.spawn(func(run context.Context) { a.judge(run, same, found) })
	}
	a.noteAlone(nil)
	p := pair{header: same[0].v}
	for _, s := range same {
		p.on = append(p.on, s.on)
	}
	return p, nil
}

// single goes by one endpoint where that may be, and says what is wrong with the others where not.
func (a Quorum) single(found []answer[header], others []error) (pair, error) {
	alone := &aloneError{found[0].on.name, others}
	if !a.orAlone {
		return pair{}, alone
	}
	a.noteAlone(alone)
	return pair{found[0].v, []*endpoint{found[0].on}}, nil
}

// proved leaves out those of found whose header is not what its hash says, where another has the header of that hash: no
// word against word, but a proof. Chains whose hashes are made in another way have none.
func (a Quorum) proved(found []answer[header]) []answer[header] {
	var kept []answer[header]
	for _, f := range found {
		var by *endpoint
		for _, other := range found {
			if other.v.block.Hash == f.v.block.Hash && other.v.Hash() == other.v.block.Hash && !sameBlock(other.v, f.v) {
				by = other.on
			}
		}
		if by == nil {
			kept = append(kept, f)
			continue
		}
		a.leaveOut(f.on, &impossibleError{fmt.Sprintf("its block %d is not what the hash %s says: %s has that one",
			f.v.block.Number, f.v.block.Hash, by.name)})
	}
	return kept
}

func sameBlock(x, y header) bool {
	return x.block == y.block && x.ParentHash == y.ParentHash
}

// clockSlack is by how much a block's time may be off the time that this machine has.
const clockSlack = 15 * time.Minute

// apart says what two endpoints are to each other whose heads are far apart: one of them behind, or lying, or on another
// chain.
func (a Quorum) apart(ctx context.Context, ahead, behind answer[header]) error {
	off := func(h header) time.Duration { return time.Until(h.block.Time).Abs() }
	if off(ahead.v) > clockSlack && off(behind.v) < clockSlack && ahead.v.block.Time.After(time.Now()) {
		// The clock says which of the two is the chain's head.
		err := &impossibleError{fmt.Sprintf("it names block %d of %s, which is in the future, and %s is at block %d",
			ahead.v.block.Number, ahead.v.block.Time.UTC().Format(time.RFC3339), behind.on.name, behind.v.block.Number)}
		a.leaveOut(ahead.on, err)
		return &LeftOutError{ahead.on.name, time.Now(), err}
	}
	number := behind.v.block.Number
	there := askAll(ctx, a.Client, []*endpoint{ahead.on}, func(ctx context.Context, e *endpoint) (header, error) {
		return a.headerOf(ctx, e, number)
	})[0]
	if there.err != nil {
		return there.err
	}
	if !sameBlock(there.v, behind.v) {
		return disagreement(fmt.Sprint("block ", number), []answer[header]{there, behind}, headerFields)
	}
	behind.on.mu.Lock()
	behind.on.lagging = true
	behind.on.mu.Unlock()
	return &laggingError{behind.on.name, ahead.v.block.Number - number}
}

// judge leaves out those of found whose chain is another one than that of same, well below the head: there two agree, and
// no reorganisation explains it.
func (c *Client) judge(ctx context.Context, same, found []answer[header]) {
	number := same[0].v.block.Number
	if number <= maxDrop {
		return
	}
	on := []*endpoint{same[0].on, same[1].on}
	for _, f := range found {
		if !slices.ContainsFunc(same, func(s answer[header]) bool { return s.on == f.on }) {
			on = append(on, f.on)
		}
	}
	deep := askAll(ctx, c, on, func(ctx context.Context, e *endpoint) (header, error) {
		return c.headerOf(ctx, e, number-maxDrop)
	})
	if deep[0].err != nil || deep[1].err != nil || !sameBlock(deep[0].v, deep[1].v) {
		return
	}
	for _, d := range deep[2:] {
		if d.err == nil && !sameBlock(d.v, deep[0].v) {
			c.leaveOut(d.on, &impossibleError{fmt.Sprintf("its block %d is %s, and that of %s and %s is %s", number-maxDrop,
				d.v.block.Hash, on[0].name, on[1].name, deep[0].v.block.Hash)})
		}
	}
}

// agreed reads something of one block's state from the endpoints that share it.
func agreed(ctx context.Context, a Quorum, what string, number *big.Int,
	f func(ctx context.Context, e *endpoint, block Block) ([]byte, error),
) ([]byte, error) {
	p, err := a.agreedBlock(ctx, number)
	if err != nil {
		return nil, &outageError{what, err}
	}
	at := fmt.Sprintf("%s at block %d", what, p.block.Number)
	// A revert is an answer like any other, and is compared like any other.
	type outcome struct {
		data   []byte
		revert *RevertError
	}
	patience := a.patience()
	ask := func(on []*endpoint) []answer[outcome] {
		return gather(ctx, a.Client, on, patience, func(ctx context.Context, e *endpoint) (outcome, error) {
			data, err := f(ctx, e, p.block)
			var r *RevertError
			if err = asRevert(err); errors.As(err, &r) {
				return outcome{r.Data, r}, nil
			}
			return outcome{data, nil}, err
		})
	}
	need := min(len(p.on), 2)
	found, failed := sorted(ask(p.on))
	for round := 1; len(found) < need && round < rounds && ctx.Err() == nil; round++ {
		if err := sleep(ctx, 100*time.Millisecond<<round); err != nil {
			break
		}
		found, failed = sorted(ask(p.on))
		if a.orAlone {
			need = 1
		}
	}
	switch {
	case len(found) == 0:
		return nil, &outageError{at, errors.Join(failed...)}
	case len(found) < need:
		return nil, &outageError{at, &aloneError{found[0].on.name, failed}}
	case len(found) == 1:
		if len(failed) > 0 {
			a.noteAlone(&aloneError{found[0].on.name, failed})
		}
	default:
		same := agreeing(found, func(x, y outcome) bool {
			return bytes.Equal(x.data, y.data) && (x.revert == nil) == (y.revert == nil)
		})
		if same == nil {
			return nil, &outageError{what, disagreement(fmt.Sprintf("the result at block %d", p.block.Number), found,
				func(o outcome) []field { return resultFields(o.data, o.revert) })}
		}
		for _, o := range found {
			if !slices.ContainsFunc(same, func(s answer[outcome]) bool { return s.on == o.on }) {
				a.leaveOut(o.on, &impossibleError{fmt.Sprintf("what it reads in block %s is not what %s and %s read there",
					p.block.Hash, same[0].on.name, same[1].on.name)})
			}
		}
		found = same
	}
	if r := found[0].v.revert; r != nil {
		return nil, fmt.Errorf("%s: %w", what, r)
	}
	return found[0].v.data, nil
}

// onlyOne reports whether one endpoint is all that was ever given.
func (a Quorum) onlyOne() bool { return len(a.endpoints) < 2 }

// Head returns the newest block that two endpoints share.
func (a Quorum) Head(ctx context.Context) (Block, error) {
	h, err := a.header(ctx, nil)
	return h.block, err
}

// header reads a block's header that two endpoints share, for nil the newest of these.
func (a Quorum) header(ctx context.Context, number *big.Int) (header, error) {
	if a.onlyOne() {
		return a.Client.header(ctx, number)
	}
	p, err := a.agreedBlock(ctx, number)
	if err != nil {
		return header{}, &outageError{"read header", err}
	}
	return p.header, nil
}

// HeaderByNumber returns a header that two endpoints share, for nil the newest of these.
func (a Quorum) HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error) {
	h, err := a.header(ctx, number)
	return h.Header, err
}

// CallContract executes a call at a block, nil for the newest that two endpoints share.
func (a Quorum) CallContract(ctx context.Context, msg ethereum.CallMsg, number *big.Int) ([]byte, error) {
	if a.onlyOne() {
		return a.Client.CallContract(ctx, msg, number)
	}
	return agreed(ctx, a, "call contract", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		return e.callAt(ctx, msg, b)
	})
}

// CodeAt returns a contract's code at a block, nil for the newest that two endpoints share.
func (a Quorum) CodeAt(ctx context.Context, contract common.Address, number *big.Int) ([]byte, error) {
	if a.onlyOne() {
		return a.Client.CodeAt(ctx, contract, number)
	}
	return agreed(ctx, a, "read code", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		return e.codeAt(ctx, contract, b)
	})
}

// BalanceAt returns an account's wei at a block, nil for the newest that two endpoints share.
func (a Quorum) BalanceAt(ctx context.Context, account common.Address, number *big.Int) (*big.Int, error) {
	if a.onlyOne() {
		return a.Client.BalanceAt(ctx, account, number)
	}
	b, err := agreed(ctx, a, "read balance", number, func(ctx context.Context, e *endpoint, b Block) ([]byte, error) {
		wei, err := e.balanceAt(ctx, account, b)
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
func (a Quorum) TransactionReceipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	if a.onlyOne() {
		return a.Client.TransactionReceipt(ctx, hash)
	}
	on, others := a.asked()
	patience := a.patience()
	if len(on) == 0 {
		return nil, &outageError{"read receipt", errors.Join(others...)}
	}
	if a.orAlone {
		// One that is behind knows of no new receipt, and that means nothing.
		var current []*endpoint
		var lag []error
		for _, e := range on {
			e.mu.Lock()
			lagging := e.lagging
			e.mu.Unlock()
			if lagging {
				lag = append(lag, a.named(e, errLagging))
			} else {
				current = append(current, e)
			}
		}
		if len(current) > 0 {
			on, others = current, append(others, lag...)
		}
	}
	all := gather(ctx, a.Client, on, patience, func(ctx context.Context, e *endpoint) (*types.Receipt, error) {
		return a.receipt(ctx, e, hash)
	})
	missing := 0
	for _, r := range all {
		if isMissing(r.err) {
			missing++
		}
	}
	found, failed := sorted(all)
	failed = append(others, failed...)
	switch {
	case len(found) == 1 && missing > 0 && a.orAlone && a.hidden(ctx, found[0].v, all):
		return found[0].v, nil
	case len(found) == 0 && missing > 0 && (a.orAlone || missing >= 2), len(found) == 1 && missing > 0:
		return nil, ethereum.NotFound
	case len(found) == 0:
		return nil, &outageError{"read receipt", errors.Join(failed...)}
	case len(found) == 1 && a.orAlone:
		a.noteAlone(&aloneError{found[0].on.name, failed})
		return found[0].v, nil
	case len(found) == 1:
		return nil, &outageError{"read receipt", &aloneError{found[0].on.name, failed}}
	}
	same := agreeing(found, sameReceipt)
	switch {
	case same != nil:
		return same[0].v, nil
	case missing > 0:
		return nil, ethereum.NotFound
	}
	return nil, &outageError{"read receipt", disagreement("receipt "+hash.Hex(), found, receiptFields)}
}

// hiddenAfter is how long an endpoint that has a transaction in a block may take until it has the receipt.
const hiddenAfter = 5 * time.Second

// hidden reports whether one of those that have no receipt has the transaction in the block that the receipt names, and
// keeps the receipt to itself. It waits for that one: it may come yet, and say something else.
func (a Quorum) hidden(ctx context.Context, r *types.Receipt, all []answer[*types.Receipt]) bool {
	var on []*endpoint
	for _, other := range all {
		if isMissing(other.err) {
			on = append(on, other.on)
		}
	}
	for began := time.Now(); ; {
		keeps := slices.ContainsFunc(askAll(ctx, a.Client, on, func(ctx context.Context, e *endpoint) (bool, error) {
			var block struct {
				Hash         common.Hash   `json:"hash"`
				Transactions []common.Hash `json:"transactions"`
			}
			err := e.rpc.CallContext(ctx, &block, "eth_getBlockByNumber", hexutil.Uint64(r.BlockNumber.Uint64()), false)
			if err != nil || block.Hash != r.BlockHash || !slices.Contains(block.Transactions, r.TxHash) {
				return false, err
			}
			_, err = a.receipt(ctx, e, r.TxHash)
			return isMissing(err), nil
		}), func(k answer[bool]) bool { return k.err == nil && k.v })
		if !keeps || time.Since(began) > hiddenAfter {
			return keeps
		}
		if sleep(ctx, hiddenAfter/20) != nil {
			return false
		}
	}
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

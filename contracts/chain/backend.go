package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

var (
	_ bind.ContractBackend         = (*Client)(nil)
	_ bind.DeployBackend           = (*Client)(nil)
	_ bind.PendingContractCaller   = (*Client)(nil)
	_ bind.BlockHashContractCaller = (*Client)(nil)
	_ ethereum.LogFilterer         = (*Client)(nil)
	_ ethereum.BlockNumberReader   = (*Client)(nil)
	_ ethereum.ChainStateReader    = (*Client)(nil)
)

// BlockNumber returns the number of the newest block.
func (c *Client) BlockNumber(ctx context.Context) (uint64, error) {
	head, err := c.Head(ctx)
	return head.Number, err
}

// HeaderByNumber returns a canonical header, the newest for a nil number.
func (c *Client) HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error) {
	h, err := c.header(ctx, number)
	return h.Header, err
}

// HeaderByHash returns the header of that hash, canonical or not.
func (c *Client) HeaderByHash(ctx context.Context, hash common.Hash) (*types.Header, error) {
	h, err := ask(ctx, c, "read header", func(ctx context.Context, e *endpoint) (header, error) {
		return c.headerOf(ctx, e, hash)
	})
	return h.Header, err
}

// BlockByNumber returns a canonical block, the newest for a nil number.
func (c *Client) BlockByNumber(ctx context.Context, number *big.Int) (*types.Block, error) {
	return read(ctx, c, "read block", func(ctx context.Context, e *ethclient.Client) (*types.Block, error) {
		return e.BlockByNumber(ctx, number)
	})
}

// BalanceAt returns an account's wei.
func (c *Client) BalanceAt(ctx context.Context, account common.Address, block *big.Int) (*big.Int, error) {
	return read(ctx, c, "read balance", func(ctx context.Context, e *ethclient.Client) (*big.Int, error) {
		return e.BalanceAt(ctx, account, block)
	})
}

// NonceAt returns how many transactions of the account a block's state has seen.
func (c *Client) NonceAt(ctx context.Context, account common.Address, block *big.Int) (uint64, error) {
	return read(ctx, c, "read nonce", func(ctx context.Context, e *ethclient.Client) (uint64, error) {
		return e.NonceAt(ctx, account, block)
	})
}

// StorageAt returns a word of a contract's storage.
func (c *Client) StorageAt(ctx context.Context, account common.Address, key common.Hash, block *big.Int,
) ([]byte, error) {
	return read(ctx, c, "read storage", func(ctx context.Context, e *ethclient.Client) ([]byte, error) {
		return e.StorageAt(ctx, account, key, block)
	})
}

// CodeAt returns a contract's code, empty where there is none.
func (c *Client) CodeAt(ctx context.Context, contract common.Address, block *big.Int) ([]byte, error) {
	return read(ctx, c, "read code", func(ctx context.Context, e *ethclient.Client) ([]byte, error) {
		return e.CodeAt(ctx, contract, block)
	})
}

// CodeAtHash returns a contract's code at one block.
func (c *Client) CodeAtHash(ctx context.Context, contract common.Address, block common.Hash) ([]byte, error) {
	return ask(ctx, c, "read code", func(ctx context.Context, e *endpoint) ([]byte, error) {
		b, err := e.named(ctx, block)
		if err != nil {
			return nil, err
		}
		return e.codeAt(ctx, contract, b)
	})
}

// CallContract executes a call without a transaction. A revert is a [*RevertError].
func (c *Client) CallContract(ctx context.Context, msg ethereum.CallMsg, block *big.Int) ([]byte, error) {
	out, err := read(ctx, c, "call contract", func(ctx context.Context, e *ethclient.Client) ([]byte, error) {
		return e.CallContract(ctx, msg, block)
	})
	return out, asRevert(err)
}

// CallContractAtHash executes a call at one block. A revert is a [*RevertError].
func (c *Client) CallContractAtHash(ctx context.Context, msg ethereum.CallMsg, block common.Hash) ([]byte, error) {
	out, err := ask(ctx, c, "call contract", func(ctx context.Context, e *endpoint) ([]byte, error) {
		b, err := e.named(ctx, block)
		if err != nil {
			return nil, err
		}
		return e.callAt(ctx, msg, b)
	})
	return out, asRevert(err)
}

// PendingCallContract executes a call on the pending state. A revert is a [*RevertError].
func (c *Client) PendingCallContract(ctx context.Context, msg ethereum.CallMsg) ([]byte, error) {
	out, err := ask(ctx, c, "call contract", func(ctx context.Context, e *endpoint) ([]byte, error) {
		return onPending(e, func() ([]byte, error) { return e.eth.PendingCallContract(ctx, msg) },
			func() ([]byte, error) { return e.eth.CallContract(ctx, msg, nil) })
	})
	return out, asRevert(err)
}

// PendingCodeAt returns a contract's code in the pending state.
func (c *Client) PendingCodeAt(ctx context.Context, contract common.Address) ([]byte, error) {
	return ask(ctx, c, "read code", func(ctx context.Context, e *endpoint) ([]byte, error) {
		return onPending(e, func() ([]byte, error) { return e.eth.PendingCodeAt(ctx, contract) },
			func() ([]byte, error) { return e.eth.CodeAt(ctx, contract, nil) })
	})
}

// PendingNonceAt returns the account's next nonce, its transactions in the pool counted.
func (c *Client) PendingNonceAt(ctx context.Context, account common.Address) (uint64, error) {
	return ask(ctx, c, "read nonce", func(ctx context.Context, e *endpoint) (uint64, error) {
		return c.pendingNonce(ctx, e, account)
	})
}

// SuggestGasPrice returns a price for a transaction without dynamic fees: of several endpoints' words the middle one, of
// two the lower.
func (c *Client) SuggestGasPrice(ctx context.Context) (*big.Int, error) {
	return several(ctx, c, "read gas price", func(ctx context.Context, e *endpoint) (*big.Int, error) {
		return e.eth.SuggestGasPrice(ctx)
	}, (*big.Int).Cmp, lower)
}

// SuggestGasTipCap returns a tip that should suffice for soon, chosen as by [Client.SuggestGasPrice].
func (c *Client) SuggestGasTipCap(ctx context.Context) (*big.Int, error) {
	return several(ctx, c, "read gas tip", func(ctx context.Context, e *endpoint) (*big.Int, error) {
		return e.eth.SuggestGasTipCap(ctx)
	}, (*big.Int).Cmp, lower)
}

// EstimateGas executes a transaction on the pending state and returns the gas that it needs there: of several endpoints'
// words the middle one, of two the higher, since what is not used is not paid. A revert is a [*RevertError]. An endpoint
// that stands still executes on a state that has been overtaken: that it reverts there counts only where no other endpoint
// says that it doesn't.
func (c *Client) EstimateGas(ctx context.Context, msg ethereum.CallMsg) (uint64, error) {
	gas, err := several(ctx, c, "estimate gas", func(ctx context.Context, e *endpoint) (uint64, error) {
		return estimate(ctx, e, msg)
	}, cmp.Compare[uint64], upper)
	return gas, asRevert(err)
}

// FilterLogs returns the logs that match a query. A range of blocks is asked for in as many pieces as an endpoint makes
// necessary.
func (c *Client) FilterLogs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	bounded := func(n *big.Int) bool { return n != nil && n.IsUint64() }
	if q.BlockHash == nil && bounded(q.FromBlock) && bounded(q.ToBlock) {
		var all []types.Log
		to := q.ToBlock.Uint64()
		for from := q.FromBlock.Uint64(); from <= to; {
			// Pieces of the size of one question are asked for one by one: each has its own time, and its own endpoint.
			piece, err := ask(ctx, c, "read logs", func(ctx context.Context, e *endpoint) (p struct {
				logs []types.Log
				last uint64
			}, err error) {
				p.last = min(to, from+e.quirks.logWidth()-1)
				p.logs, err = e.logs(ctx, q, from, p.last)
				return p, err
			})
			if err != nil {
				return nil, err
			}
			all = append(all, piece.logs...)
			from = piece.last + 1
		}
		return all, nil
	}
	return read(ctx, c, "read logs", func(ctx context.Context, e *ethclient.Client) ([]types.Log, error) {
		return e.FilterLogs(ctx, q)
	})
}

// SubscribeFilterLogs refuses: a subscription silently loses what happens while it is broken. Use a [Follower].
func (c *Client) SubscribeFilterLogs(context.Context, ethereum.FilterQuery, chan<- types.Log,
) (ethereum.Subscription, error) {
	return nil, errors.New("subscriptions to logs lose events: use a follower")
}

// TransactionByHash returns a transaction and whether it still waits for a block.
func (c *Client) TransactionByHash(ctx context.Context, hash common.Hash) (*types.Transaction, bool, error) {
	var pending bool
	tx, err := read(ctx, c, "read transaction", func(ctx context.Context, e *ethclient.Client,
	) (tx *types.Transaction, err error) {
		tx, pending, err = e.TransactionByHash(ctx, hash)
		return tx, err
	})
	return tx, pending, err
}

// TransactionReceipt returns a mined transaction's receipt, [ethereum.NotFound] before.
func (c *Client) TransactionReceipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	return ask(ctx, c, "read receipt", func(ctx context.Context, e *endpoint) (*types.Receipt, error) {
		return c.receipt(ctx, e, hash)
	})
}

// SendTransaction hands a signed transaction to every endpoint and returns once one has it. The error, when none takes
// it, tells what each of them said. Once one has refused it the others are not waited for long.
func (c *Client) SendTransaction(ctx context.Context, tx *types.Transaction) error {
	if err := c.Reset(); err != nil {
		return fmt.Errorf("send transaction %s: %w", tx.Hash(), err)
	}
	ranked := c.ranked()
	type reply struct {
		at  int
		err error
	}
	answers := make(chan reply, len(ranked))
	for i, e := range ranked {
		if !c.spawn(func(run context.Context) {
			// The others go on after the first has accepted: the more of them know it, the sooner it is mined.
			answers <- reply{i, c.onOne(run, e, func(ctx context.Context, e *endpoint) error {
				return e.eth.SendTransaction(ctx, tx)
			})}
		}) {
			return fmt.Errorf("send transaction %s: %w", tx.Hash(), errClosed)
		}
	}
	errs := make([]error, len(ranked))
	for i, e := range ranked {
		errs[i] = &endpointError{e.name, errNoAnswer}
	}
	var enough <-chan time.Time
	for range ranked {
		select {
		case r := <-answers:
			if r.err == nil || isKnown(r.err) {
				return nil
			}
			if errs[r.at] = r.err; enough == nil && isAnswer(r.err) {
				enough = time.After(secondPatience)
			}
		case <-enough:
			return fmt.Errorf("send transaction %s: %w", tx.Hash(), errors.Join(errs...))
		case <-ctx.Done():
			return fmt.Errorf("send transaction %s: %w", tx.Hash(), ctx.Err())
		}
	}
	return fmt.Errorf("send transaction %s: %w", tx.Hash(), errors.Join(errs...))
}

// outageError says that the chain could not be asked, or that what it said can't be used now: a failure of endpoints,
// which passes, and not of the one who asked. What a [Client] can't read is one, and a [Follower] waits it out also where
// its handler returns it.
type outageError struct {
	What string // that was to be done
	Err  error
}

// Error implements error.
func (e *outageError) Error() string {
	if e.What == "" {
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *outageError) Unwrap() error { return e.Err }

// Outage marks an error as an outage: for answers of the chain that whoever asked can't use. Nil stays nil.
func Outage(err error) error {
	if err == nil {
		return nil
	}
	return &outageError{Err: err}
}

// IsOutage reports whether an error is an outage, and nothing else is the matter: where it joins several, each must be.
func IsOutage(err error) bool {
	for err != nil {
		if _, ok := err.(*outageError); ok { //nolint:errorlint // each layer is looked at in turn
			return true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all := joined.Unwrap()
			for _, e := range all {
				if !IsOutage(e) {
					return false
				}
			}
			return len(all) > 0
		}
		err = errors.Unwrap(err)
	}
	return false
}

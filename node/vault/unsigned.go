package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts/bindings/erc20"
	"byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/node/home"
	"byway/node/token"
	"byway/payments/payer"
)

// UnsignedTx is a transaction for signing elsewhere (EIP-1559, type 2), in the names and forms that Ethereum's JSON-RPC
// and wallets use. Whoever signs it can check every field.
type UnsignedTx struct {
	What     string         `json:"what"` // for people
	Type     hexutil.Uint64 `json:"type"`
	ChainID  *hexutil.Big   `json:"chainId"`
	From     common.Address `json:"from"`
	To       common.Address `json:"to"`
	Nonce    hexutil.Uint64 `json:"nonce"`
	Value    *hexutil.Big   `json:"value"`
	Data     hexutil.Bytes  `json:"data"`
	Gas      hexutil.Uint64 `json:"gas"`
	MaxFee   *hexutil.Big   `json:"maxFeePerGas"`
	Priority *hexutil.Big   `json:"maxPriorityFeePerGas"`
	// SigningHash is the Keccak-256 that a signer signs, for devices that show it.
	SigningHash common.Hash `json:"signingHash"`
}

func (u UnsignedTx) tx() *types.Transaction {
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: u.ChainID.ToInt(), Nonce: uint64(u.Nonce), GasTipCap: u.Priority.ToInt(), GasFeeCap: u.MaxFee.ToInt(),
		Gas: uint64(u.Gas), To: &u.To, Value: u.Value.ToInt(), Data: u.Data,
	})
}

// collector stands in for a sender and keeps what it is told to send.
type collector struct {
	owner   common.Address
	intents []chain.Intent
}

// Address implements [payer.Sender].
func (c *collector) Address() common.Address { return c.owner }

// Send implements [payer.Sender]: the result of what was not sent is zero.
func (c *collector) Send(_ context.Context, i chain.Intent) (chain.Result, error) {
	c.intents = append(c.intents, i)
	return chain.Result{Fee: new(big.Int), GasPrice: new(big.Int)}, nil
}

// dependentGas is the limit of a transaction that can't be estimated, since one before it must be mined first: twice
// what the dearest of them needs.
const dependentGas = 300_000

// Unsigned returns what the account was told to do since the wallet was opened, as transactions to sign, in order.
func (w *Wallet) Unsigned(ctx context.Context) ([]UnsignedTx, error) {
	if w.Collector == nil {
		return nil, errors.New("this wallet sends its transactions itself")
	}
	nonce, err := w.Chain.PendingNonceAt(ctx, w.cfg.Owner)
	if err != nil {
		return nil, fmt.Errorf("nonce of %s: %w", w.cfg.Owner, err)
	}
	tip, err := w.Chain.SuggestGasTipCap(ctx)
	if err != nil {
		return nil, fmt.Errorf("price of gas: %w", err)
	}
	head, err := w.Chain.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	// Signing elsewhere takes a while: four times the base fee is enough for twelve full blocks.
	cap := new(big.Int).Set(tip)
	if head.BaseFee != nil {
		cap.Add(cap, new(big.Int).Lsh(head.BaseFee, 2))
	}
	list := []UnsignedTx{}
	for i, intent := range w.Collector.intents {
		gas, err := w.Chain.EstimateGas(ctx, ethereum.CallMsg{From: w.cfg.Owner, To: intent.To, Data: intent.Data})
		switch {
		case err == nil:
			gas += gas / 5
		case i > 0:
			gas = dependentGas
		default:
			return nil, fmt.Errorf("this would fail on chain: %w", err)
		}
		u := UnsignedTx{
			What: w.describe(intent), Type: types.DynamicFeeTxType,
			ChainID: (*hexutil.Big)(new(big.Int).SetUint64(w.Network.ChainID)),
			From:    w.cfg.Owner, To: *intent.To, Nonce: hexutil.Uint64(nonce + uint64(i)), Value: (*hexutil.Big)(new(big.Int)),
			Data: intent.Data, Gas: hexutil.Uint64(gas), MaxFee: (*hexutil.Big)(cap), Priority: (*hexutil.Big)(tip),
		}
		u.SigningHash = types.LatestSignerForChainID(u.ChainID.ToInt()).Hash(u.tx())
		list = append(list, u)
	}
	return list, nil
}

// describe names the contract's function that a transaction calls.
func (w *Wallet) describe(i chain.Intent) string {
	if spender, ok := approved(i.Data); ok && spender == w.Network.Registry {
		return "let the Registry contract take the stake (approve)"
	} else if ok && *i.To == w.Network.Token {
		return "let the Channels contract take the deposit (approve)"
	}
	contract := channelsABI()
	if method, err := contract.MethodById(i.Data); err == nil {
		return "Channels." + method.RawName
	}
	if parsed, err := registry.RegistryMetaData.ParseABI(); err == nil {
		if method, err := parsed.MethodById(i.Data); err == nil {
			return "Registry." + method.RawName
		}
	}
	return "call " + i.To.Hex()
}

// approved is whom an ERC-20 approval lets take tokens.
func approved(data []byte) (spender common.Address, ok bool) {
	parsed, err := erc20.ERC20MetaData.ParseABI()
	if err != nil || len(data) < 36 {
		return spender, false
	}
	method, err := parsed.MethodById(data)
	return common.BytesToAddress(data[4:36]), err == nil && method.RawName == "approve"
}

// submitPatience bounds the wait for a submitted transaction to be mined.
const submitPatience = 2 * time.Minute

// SubmitSigned sends a transaction that was signed elsewhere, in its raw form, and waits until it is mined. It needs no
// home and no account.
func SubmitSigned(ctx context.Context, n home.Network, raw []byte) (from common.Address, r Receipt, err error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return from, r, fmt.Errorf("this is no signed transaction: %w", err)
	}
	client, err := n.Dial(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return from, r, err
	}
	defer client.Close()
	if tx.ChainId().Uint64() != n.ChainID {
		return from, r, fmt.Errorf("the transaction is signed for chain %s, the network is chain %d", tx.ChainId(), n.ChainID)
	}
	if from, err = types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx); err != nil {
		return from, r, fmt.Errorf("its signature is not valid: %w", err)
	}
	if err := client.SendTransaction(ctx, tx); err != nil {
		// It may have been sent before: then it has a receipt, or gets one.
		if _, _, known := client.TransactionByHash(ctx, tx.Hash()); known != nil {
			return from, r, fmt.Errorf("the chain refuses transaction %s: %w", tx.Hash(), err)
		}
	}
	receipt, err := waitReceipt(ctx, client, tx.Hash())
	if err != nil {
		return from, r, err
	}
	r = Receipt{
		Action: "submit", TxHash: tx.Hash(), Block: receipt.BlockNumber.Uint64(), Gas: receipt.GasUsed,
		Fee: token.Wei{Int: new(big.Int).Mul(receipt.EffectiveGasPrice, new(big.Int).SetUint64(receipt.GasUsed))},
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return from, r, fmt.Errorf("transaction %s was mined in block %d and reverted: the contract refused it", r.TxHash,
			r.Block)
	}
	return from, r, nil
}

func waitReceipt(ctx context.Context, client *chain.Client, hash common.Hash) (*types.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, submitPatience)
	defer cancel()
	for {
		receipt, err := client.Agreed().TransactionReceipt(ctx, hash)
		if err == nil {
			return receipt, nil
		}
		if !errors.Is(err, ethereum.NotFound) {
			return nil, fmt.Errorf("receipt of %s: %w", hash, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("transaction %s was sent and is not mined yet: submit it again to wait on", hash)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

var _ payer.Sender = (*collector)(nil)

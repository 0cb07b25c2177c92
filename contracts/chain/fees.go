package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
)

// gasPrice is what a transaction offers for a unit of gas, in wei: a tip to the block's maker and a cap on everything
// (EIP-1559). On a chain without a base fee tip and cap are one price.
type gasPrice struct {
	tip, cap *big.Int
	legacy   bool
}

func (p gasPrice) capOrZero() *big.Int {
	if p.cap == nil {
		return new(big.Int)
	}
	return p.cap
}

func priceOf(tx *types.Transaction) gasPrice {
	return gasPrice{tx.GasTipCap(), tx.GasFeeCap(), tx.Type() == types.LegacyTxType}
}

// price says what to offer now: the suggested tip, and a cap that holds through a doubling of the base fee. For a
// replacement both are also at least an eighth above the old ones; nodes ask for a tenth.
func (s *Sender) price(ctx context.Context, old *gasPrice) (gasPrice, error) {
	quote, err := s.client.gasQuote(ctx)
	if err != nil {
		return gasPrice{}, err
	}
	if quote.base != nil && quote.tip.Sign() == 0 {
		quote.tip = big.NewInt(1)
	}
	p := gasPrice{quote.tip, quote.cap(), quote.base == nil}
	if old != nil {
		p.tip, p.cap = bigMax(p.tip, raised(old.tip)), bigMax(p.cap, raised(old.cap))
		p.legacy = old.legacy
		if p.legacy {
			p.tip = p.cap
		}
	}
	if p.cap.Cmp(s.maxGasPrice) > 0 {
		// The limit may still be enough for now: offer it, unless there would be nothing left to raise.
		if quote.base != nil && quote.base.Cmp(s.maxGasPrice) >= 0 ||
			old != nil && s.maxGasPrice.Cmp(raised(old.cap)) < 0 || p.tip.Cmp(s.maxGasPrice) > 0 {
			return gasPrice{}, fmt.Errorf("%w: %s wei by endpoint %s, limit %s wei: wait until it is cheaper, or give another "+
				"endpoint", ErrGasPrice, p.cap, quote.by, s.maxGasPrice)
		}
		p.cap = s.maxGasPrice
	}
	return p, nil
}

// raised is at least an eighth more.
func raised(v *big.Int) *big.Int {
	r := new(big.Int).Rsh(v, 3)
	return r.Add(r, v).Add(r, big.NewInt(1))
}

func bigMax(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

// sign makes a transaction of a send at that price.
func (s *Sender) sign(sn *send, p gasPrice) (*types.Transaction, error) {
	var tx *types.Transaction
	if p.legacy {
		tx = types.NewTx(&types.LegacyTx{
			Nonce: sn.nonce, GasPrice: p.cap, Gas: sn.Gas, To: sn.To, Value: sn.Value, Data: sn.Data,
		})
	} else {
		tx = types.NewTx(&types.DynamicFeeTx{
			ChainID: s.client.chainID, Nonce: sn.nonce, GasTipCap: p.tip, GasFeeCap: p.cap,
			Gas: sn.Gas, To: sn.To, Value: sn.Value, Data: sn.Data,
		})
	}
	signer := types.LatestSignerForChainID(s.client.chainID)
	sig, err := s.signer.SignDigest(signer.Hash(tx))
	if err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	signed, err := tx.WithSignature(signer, sig)
	if err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	if from, _ := types.Sender(signer, signed); from != s.Address() {
		return nil, fmt.Errorf("sign transaction: the signer of %s signs as %s", s.Address(), from)
	}
	return signed, nil
}

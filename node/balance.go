package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/erc20"
	"byway/contracts/chain"
	"byway/payments"
)

// Balance is what an account owns on the chain.
type Balance struct {
	Wallet contracts.Amount `json:"wallet"` // tokens that the account holds
	Vault  contracts.Amount `json:"vault"`  // its deposit that is set aside for nobody
	Gas    Wei              `json:"gas_wei"`
}

// Wei is an amount of the chain's own coin. JSON carries it as a decimal string, like every amount, and what is not known
// as null.
type Wei struct{ *big.Int }

// MarshalJSON writes a decimal string.
func (w Wei) MarshalJSON() ([]byte, error) {
	if w.Int == nil {
		return []byte("null"), nil
	}
	return []byte(`"` + w.Int.String() + `"`), nil
}

// UnmarshalJSON reads what [Wei.MarshalJSON] writes.
func (w *Wei) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		w.Int = nil
		return nil
	}
	const most = 80 // digits of 2^256, and the quotes
	if len(b) < 3 || len(b) > most || b[0] != '"' || b[len(b)-1] != '"' {
		return errors.New("wei is no decimal string")
	}
	v, ok := new(big.Int).SetString(string(b[1:len(b)-1]), 10)
	if !ok || v.Sign() < 0 {
		return errors.New("wei is no decimal string")
	}
	w.Int = v
	return nil
}

// ReadBalance reads what an account and the vault of its session key hold, and waits a few seconds for the chain. It
// needs no running node.
func ReadBalance(ctx context.Context, n Network, owner, session common.Address) (Balance, Token, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	client, err := dialChain(ctx, n, slog.New(slog.DiscardHandler))
	if err != nil {
		return Balance{}, Token{}, err
	}
	defer client.Close()
	token, err := TokenAt(ctx, client, n.Token)
	if err != nil {
		return Balance{}, Token{}, err
	}
	b, err := readBalance(ctx, client, n, owner, session)
	return b, token, err
}

func readBalance(
	ctx context.Context, client *chain.Client, n Network, owner, session common.Address,
) (Balance, error) {
	gas, err := client.BalanceAt(ctx, owner, nil)
	if err != nil {
		return Balance{}, fmt.Errorf("balance of %s: %w", owner, err)
	}
	wallet, err := tokenBalance(ctx, client, n.Token, owner)
	if err != nil {
		return Balance{}, err
	}
	vault := contracts.Vault{Token: n.Token, Payer: owner, Signer: session}
	state, err := payments.NewChainView(client, n.Deployment).State(ctx, contracts.Channel{Vault: vault, Payee: owner})
	if err != nil {
		return Balance{}, fmt.Errorf("vault of %s: %w", owner, err)
	}
	return Balance{Wallet: wallet, Vault: state.Free, Gas: Wei{gas}}, nil
}

// tokenBalance reads how much of a token an account holds.
func tokenBalance(
	ctx context.Context, backend bind.ContractBackend, token, owner common.Address,
) (contracts.Amount, error) {
	binding := erc20.NewERC20()
	held, err := bind.Call(binding.Instance(backend, token), &bind.CallOpts{Context: ctx},
		binding.PackBalanceOf(owner), binding.UnpackBalanceOf)
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("token balance of %s: %w", owner, err)
	}
	if held.BitLen() > 96 {
		return contracts.MaxAmount(), nil // More than any channel could move.
	}
	return contracts.AmountFromBig(held)
}

package node

import (
	"context"
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
	Gas    *big.Int         `json:"gas_wei"`
}

// ReadBalance reads what an account and the vault of its session key hold. It needs no running node.
func ReadBalance(ctx context.Context, n Network, owner, session common.Address) (Balance, Token, error) {
	client, err := dialChain(ctx, n, slog.New(slog.DiscardHandler))
	if err != nil {
		return Balance{}, Token{}, err
	}
	defer client.Close()
	token, err := readToken(ctx, client, n.Token)
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
	return Balance{Wallet: wallet, Vault: state.Free, Gas: gas}, nil
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

// FormatEther writes wei as ether with six decimals, rounded down.
func FormatEther(wei *big.Int) string {
	micro := new(big.Int).Div(wei, big.NewInt(1e12))
	whole, rest := new(big.Int).DivMod(micro, big.NewInt(1e6), new(big.Int))
	return fmt.Sprintf("%s.%06d", whole, rest)
}

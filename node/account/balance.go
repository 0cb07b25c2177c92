package account

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node/home"
	"byway/node/token"
	"byway/payments/chainview"
)

// Balance lists an account's belongings on the chain, in base units and wei.
type Balance struct {
	Wallet contracts.Amount `json:"wallet"` // tokens that the account holds
	Vault  contracts.Amount `json:"vault"`  // its deposit that is set aside for nobody
	Gas    token.Wei        `json:"gas_wei"`
}

// ReadBalance reads what an account and the vault of its session key hold, and waits a few seconds for the chain. It
// needs no running node.
func ReadBalance(ctx context.Context, n home.Network, owner, session common.Address) (Balance, token.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, LookPatience)
	defer cancel()
	client, err := n.Dial(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return Balance{}, token.Token{}, err
	}
	defer client.Close()
	unit, err := token.At(ctx, client, n.Token)
	if err != nil {
		return Balance{}, token.Token{}, err
	}
	b, err := readBalance(ctx, client, n, owner, session)
	return b, unit, err
}

func readBalance(
	ctx context.Context, client *chain.Client, n home.Network, owner, session common.Address,
) (Balance, error) {
	gas, err := client.BalanceAt(ctx, owner, nil)
	if err != nil {
		return Balance{}, fmt.Errorf("balance of %s: %w", owner, err)
	}
	wallet, err := token.BalanceOf(ctx, client, n.Token, owner)
	if err != nil {
		return Balance{}, err
	}
	vault := contracts.Vault{Token: n.Token, Payer: owner, Signer: session}
	state, err := chainview.New(client, n.Deployment).State(ctx, contracts.Channel{Vault: vault, Payee: owner})
	if err != nil {
		return Balance{}, fmt.Errorf("vault of %s: %w", owner, err)
	}
	return Balance{Wallet: wallet, Vault: state.Free, Gas: token.Wei{Int: gas}}, nil
}

package token

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/erc20"
)

// BalanceOf reads how much of a token an account holds.
func BalanceOf(
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

// Package token owns how amounts look to people: the network's token, its symbol and decimals, as the chain tells them
// and as the home remembers them, prices per MB, GB and GiB, and wei. Within the program an amount is in base units and
// of package contracts.
package token

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/erc20"
	"byway/contracts/text"
	"byway/node/home"
	"byway/payments"
)

// Token is how the network's token is shown to people.
type Token struct {
	Symbol   string `json:"symbol"`
	Decimals uint8  `json:"decimals"`
}

// Read reads the network's token. It needs no running node.
func Read(ctx context.Context, n home.Network) (Token, error) {
	client, err := n.Dial(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return Token{}, err
	}
	defer client.Close()
	return At(ctx, client, n.Token)
}

// Known reads the network's token as [Read] does and, while the chain is down, as the home knows it.
func Known(ctx context.Context, n home.Network, home home.Home) (Token, error) {
	client, err := n.DialLazy(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return Token{}, err
	}
	defer client.Close()
	return Remember(ctx, client, n, &home)
}

// maxSymbol bounds a token's symbol, in bytes: anyone can deploy a token with any symbol.
const maxSymbol = 16

// At reads what amounts of a token look like.
func At(ctx context.Context, backend bind.ContractBackend, address common.Address) (Token, error) {
	binding := erc20.NewERC20()
	token := binding.Instance(backend, address)
	opts := &bind.CallOpts{Context: ctx}
	decimals, err := bind.Call(token, opts, binding.PackDecimals(), binding.UnpackDecimals)
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", address, err)
	}
	symbol, err := bind.Call(token, opts, binding.PackSymbol(), binding.UnpackSymbol)
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", address, err)
	}
	if decimals > 28 { // 2^96 has 29 digits.
		return Token{}, fmt.Errorf("token %s has %d decimals: 28 are the most that amounts of 96 bits allow",
			address, decimals)
	}
	if len(symbol) > maxSymbol {
		symbol = symbol[:maxSymbol]
	}
	return Token{Symbol: text.Line(symbol), Decimals: decimals}, nil
}

// Format writes an amount for people: "0.05 BYW".
func (t Token) Format(a contracts.Amount) string { return a.Tokens(t.Decimals) + " " + t.Symbol }

// Parse reads a number of whole tokens as people type it.
func (t Token) Parse(s string) (contracts.Amount, error) { return contracts.ParseTokens(s, t.Decimals) }

const (
	megabyte = 1_000_000
	gigabyte = 1_000_000_000
)

// PerMB returns the price of a megabyte (10^6 bytes), rounded up, where perGiB is the price of 2^30 bytes.
func PerMB(perGiB contracts.Amount) (contracts.Amount, error) { return payments.Cost(perGiB, megabyte) }

// PerGB returns the price of a gigabyte (10^9 bytes), rounded up.
func PerGB(perGiB contracts.Amount) (contracts.Amount, error) { return payments.Cost(perGiB, gigabyte) }

// PerGiB returns the price of 2^30 bytes, rounded down, where perGB is the price of 10^9: [PerGB] gives back the very
// number that a person typed.
func PerGiB(perGB contracts.Amount) (contracts.Amount, error) { return contracts.PerGiB(perGB) }

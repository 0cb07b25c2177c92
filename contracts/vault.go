package contracts

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Deployment names the contracts of one chain that this node works with.
type Deployment struct {
	ChainID  uint64         `json:"chain_id" toml:"chain_id"`
	Channels common.Address `json:"channels" toml:"channels"`
	Registry common.Address `json:"registry" toml:"registry"`
	// Token is the ERC-20 that offers on this network are priced in.
	Token common.Address `json:"token" toml:"token"`
}

// Vault is a payer's deposit for one token and one session key.
type Vault struct {
	Token, Payer, Signer common.Address
}

// ID is keccak256(abi.encode(token, payer, signer)), the vault's slot key in the Channels contract.
func (v Vault) ID() common.Hash {
	return crypto.Keccak256Hash(word(v.Token), word(v.Payer), word(v.Signer))
}

// Channel is the pair of a vault and a payee; it exists for ever and its totals are lifetime totals.
type Channel struct {
	Vault
	Payee common.Address
}

// ID is keccak256(abi.encode(vaultID, payee)), the channel's slot key in the Channels contract.
func (c Channel) ID() common.Hash {
	vault := c.Vault.ID()
	return crypto.Keccak256Hash(vault[:], word(c.Payee))
}

// String names the channel the way messages to people do.
func (c Channel) String() string {
	return fmt.Sprintf("channel %s → %s (token %s, signer %s)", c.Payer, c.Payee, c.Token, c.Signer)
}

func word(a common.Address) []byte { return common.LeftPadBytes(a[:], 32) }

package devchain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// ChainID is the chain id of the embedded chain, the same as anvil's.
const ChainID = 31337

const (
	// genesisTime is 1 January 2025: fixed, so that the same configuration has the same genesis hash for ever.
	genesisTime = 1735689600
	gasLimit    = 60_000_000
)

// Fork names the rules of a chain.
type Fork int

const (
	// Osaka runs on public chains.
	Osaka Fork = iota
	// NextFork runs what the library knows of the fork being designed, Amsterdam: other gas prices and limits,
	// for finding out early what would break. It changes with the library.
	NextFork
)

func (f Fork) config() *params.ChainConfig {
	c := osaka()
	if f == NextFork {
		c.AmsterdamTime = new(uint64)
	}
	return c
}

// osaka is a chain at the rules of the Osaka fork, pinned: the library's own development profiles switch on the fork
// that is being designed, where the same transaction costs up to three times the gas.
func osaka() *params.ChainConfig {
	zero := new(big.Int)
	at := new(uint64)
	return &params.ChainConfig{
		ChainID:                 big.NewInt(ChainID),
		HomesteadBlock:          zero,
		EIP150Block:             zero,
		EIP155Block:             zero,
		EIP158Block:             zero,
		ByzantiumBlock:          zero,
		ConstantinopleBlock:     zero,
		PetersburgBlock:         zero,
		IstanbulBlock:           zero,
		MuirGlacierBlock:        zero,
		BerlinBlock:             zero,
		LondonBlock:             zero,
		ArrowGlacierBlock:       zero,
		GrayGlacierBlock:        zero,
		MergeNetsplitBlock:      zero,
		TerminalTotalDifficulty: zero,
		ShanghaiTime:            at,
		CancunTime:              at,
		PragueTime:              at,
		OsakaTime:               at,
		BlobScheduleConfig: &params.BlobScheduleConfig{
			Cancun: params.DefaultCancunBlobConfig,
			Prague: params.DefaultPragueBlobConfig,
		},
	}
}

// genesis funds that many accounts with 10,000 ether each and holds the system contracts of the fork, among them the
// deterministic deployment factory.
func genesis(accounts int, fork Fork) *core.Genesis {
	alloc := core.SystemContractAllocs()
	for i := range accounts {
		balance := new(big.Int).Mul(big.NewInt(10_000), big.NewInt(params.Ether))
		alloc[Account(i).Address()] = types.Account{Balance: balance}
	}
	return &core.Genesis{
		Config:     fork.config(),
		Timestamp:  genesisTime,
		GasLimit:   gasLimit,
		BaseFee:    big.NewInt(params.InitialBaseFee),
		Difficulty: new(big.Int),
		Alloc:      alloc,
	}
}

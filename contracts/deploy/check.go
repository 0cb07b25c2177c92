package deploy

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
)

// Reader reads code from a chain. Every client of a chain does.
type Reader interface {
	CodeAt(ctx context.Context, contract common.Address, block *big.Int) ([]byte, error)
}

// MismatchError says that what stands at an address is not the contract that this program was built for.
type MismatchError struct {
	Contract string
	Address  common.Address
	ChainID  uint64
	Reason   string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s at %s on chain %d %s", e.Contract, e.Address, e.ChainID, e.Reason)
}

// Parameters are fixed when a deployment is created.
type Parameters struct {
	// ExitDelay is how long an exit runs before reserved funds go back to the payer.
	ExitDelay time.Duration
	// UnbondDelay is how long a provider that left waits for its stake.
	UnbondDelay time.Duration
	// StakeToken is the token of the stakes; zero where the registry takes none.
	StakeToken common.Address
	// MinStake is the least stake that a provider registers with, in base units of that token.
	MinStake contracts.Amount
}

// Check reads the code at d's addresses and returns a [*MismatchError] unless it is exactly the code that this program
// was built for, for d's chain and addresses. The token is anybody's and not checked.
func Check(ctx context.Context, backend Reader, d contracts.Deployment) error {
	_, err := Inspect(ctx, backend, d)
	return err
}

// Inspect is [Check] that also returns what the contracts were created with: those values stand in the code, where
// nobody can change them.
func Inspect(ctx context.Context, backend Reader, d contracts.Deployment) (p Parameters, err error) {
	mismatch := func(a artifact, at common.Address, format string, args ...any) error {
		return &MismatchError{a.Contract, at, d.ChainID, fmt.Sprintf(format, args...)}
	}
	read := func(a artifact, at common.Address) (map[string]common.Hash, error) {
		code, err := backend.CodeAt(ctx, at, nil)
		if err != nil {
			return nil, fmt.Errorf("read the code of %s at %s: %w", a.Contract, at, err)
		}
		if len(code) == 0 {
			return nil, mismatch(a, at, "is not there")
		}
		values, err := a.immutables(code)
		if err != nil {
			return nil, mismatch(a, at, "%v", err)
		}
		return values, nil
	}

	// What both have: they were made for this chain, and what is signed for them is good nowhere else.
	own := func(a artifact, at common.Address, name string, values map[string]common.Hash) error {
		if got := values["CHAIN_ID"].Big(); got.Cmp(new(big.Int).SetUint64(d.ChainID)) != 0 {
			return mismatch(a, at, "was made for chain %s", got)
		}
		if values["SEPARATOR"] != separator(name, d.ChainID, at) {
			return mismatch(a, at, "has a signature domain that is not its own")
		}
		return nil
	}

	a := channelsArtifact()
	values, err := read(a, d.Channels)
	if err != nil {
		return p, err
	}
	if err := own(a, d.Channels, "Byway Channels", values); err != nil {
		return p, err
	}
	if p.ExitDelay, err = duration(values["EXIT_DELAY"], maxExitDelay); err != nil || p.ExitDelay == 0 {
		return p, mismatch(a, d.Channels, "has an exit delay that its constructor refuses")
	}

	a = registryArtifact()
	if values, err = read(a, d.Registry); err != nil {
		return p, err
	}
	if err := own(a, d.Registry, "Byway Registry", values); err != nil {
		return p, err
	}
	if p.UnbondDelay, err = duration(values["UNBOND_DELAY"], maxUnbondDelay); err != nil {
		return p, mismatch(a, d.Registry, "has an unbonding delay that its constructor refuses")
	}
	p.StakeToken = common.BytesToAddress(values["STAKE_TOKEN"].Bytes())
	if p.MinStake, err = contracts.AmountFromBig(values["MIN_STAKE"].Big()); err != nil {
		return p, mismatch(a, d.Registry, "has a least stake that no stake can have")
	}
	if !p.MinStake.IsZero() && p.StakeToken == (common.Address{}) {
		return p, mismatch(a, d.Registry, "has a least stake and no token for it, which its constructor refuses")
	}
	return p, nil
}

// The bounds that the constructors put on the delays.
const (
	maxExitDelay   = 30 * 24 * time.Hour
	maxUnbondDelay = 365 * 24 * time.Hour
)

func duration(w common.Hash, most time.Duration) (time.Duration, error) {
	v := w.Big()
	if !v.IsInt64() || v.Int64() > int64(most/time.Second) {
		return 0, fmt.Errorf("delay of %s seconds is out of range", v)
	}
	return time.Duration(v.Int64()) * time.Second, nil
}

// separator is the EIP-712 domain separator of a contract.
func separator(contractName string, chainID uint64, at common.Address) common.Hash {
	domainType := crypto.Keccak256Hash([]byte(
		"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	name, version := crypto.Keccak256Hash([]byte(contractName)), crypto.Keccak256Hash([]byte("1"))
	id, contract := number(chainID), word(at)
	return crypto.Keccak256Hash(domainType[:], name[:], version[:], id[:], contract[:])
}

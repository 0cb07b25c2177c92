package deploy

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// Delays of a deployment that carries real value, and of one for development, where nobody wants to wait.
const (
	ExitDelay      = 24 * time.Hour
	UnbondDelay    = 7 * 24 * time.Hour
	DevExitDelay   = 10 * time.Second
	DevUnbondDelay = 10 * time.Second
)

// plan is a contract that is going to stand at an address.
type plan struct {
	artifact artifact
	creation []byte
	address  common.Address
}

func planOf(a artifact, args ...common.Hash) plan {
	code := a.creation(args...)
	return plan{a, code, address(code)}
}

func planDevToken() plan { return planOf(devTokenArtifact()) }

// planChannels and planRegistry take delays in whole seconds; a fraction is rounded up.
func planChannels(exitDelay time.Duration) plan {
	return planOf(channelsArtifact(), number(seconds(exitDelay)))
}

func planRegistry(stakeToken common.Address, unbondDelay time.Duration, minStake contracts.Amount) plan {
	return planOf(registryArtifact(), word(stakeToken), number(seconds(unbondDelay)), common.BigToHash(minStake.Big()))
}

func seconds(d time.Duration) uint64 { return uint64((max(d, 0) + time.Second - 1) / time.Second) }

// Addresses computes where the contracts of a development network are, without a chain: [Contracts] puts them there
// when it is asked for the development token. Delays count in whole seconds, the least stake in base units of that token.
// Only the result's ChainID depends on the chain.
func Addresses(chainID uint64, exitDelay, unbondDelay time.Duration, minStake contracts.Amount) contracts.Deployment {
	token := planDevToken().address
	return contracts.Deployment{
		ChainID:  chainID,
		Channels: planChannels(exitDelay).address,
		Registry: planRegistry(token, unbondDelay, minStake).address,
		Token:    token,
	}
}

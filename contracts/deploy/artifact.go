package deploy

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// Factory is where the deterministic deployment factory stands on every chain that has it. It takes a salt of 32 bytes
// and creation code, and creates the contract with CREATE2.
var Factory = params.DeterministicFactoryAddress

// salt is the same for all contracts and chains. Changing it moves every address.
var salt = crypto.Keccak256Hash([]byte("byway/1"))

//go:embed artifacts/Channels.json artifacts/Registry.json artifacts/DevToken.json
var files embed.FS

// artifact holds the compiler's output for one contract.
type artifact struct {
	Contract string        `json:"contract"`
	Bytecode hexutil.Bytes `json:"bytecode"` // creation code, the constructor's arguments go behind it
	Runtime  hexutil.Bytes `json:"runtime"`  // with zeros where the immutables stand
	// Immutables says at which offsets of the runtime code the 32 bytes of each immutable stand.
	Immutables map[string][]int `json:"immutables"`
}

// The artifacts are parts of the program: a fault in one is a fault of the build, found by the first test that runs.
var (
	channelsArtifact = sync.OnceValue(func() artifact { return mustRead("Channels") })
	registryArtifact = sync.OnceValue(func() artifact { return mustRead("Registry") })
	devTokenArtifact = sync.OnceValue(func() artifact { return mustRead("DevToken") })
)

func mustRead(contract string) (a artifact) {
	b, err := files.ReadFile("artifacts/" + contract + ".json")
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		panic(fmt.Sprintf("deploy: embedded artifact of %s: %v", contract, err))
	}
	return a
}

// creation returns the code that creates the contract with these constructor arguments, each of them one word.
func (a artifact) creation(args ...common.Hash) []byte {
	code := bytes.Clone(a.Bytecode)
	for _, arg := range args {
		code = append(code, arg[:]...)
	}
	return code
}

// immutables compares code of a chain with the artifact and returns the values of the immutables in it.
func (a artifact) immutables(code []byte) (map[string]common.Hash, error) {
	if len(code) != len(a.Runtime) {
		return nil, fmt.Errorf("has %d bytes of code, want %d", len(code), len(a.Runtime))
	}
	masked := bytes.Clone(code)
	values := make(map[string]common.Hash, len(a.Immutables))
	for name, offsets := range a.Immutables {
		for i, at := range offsets {
			value := common.BytesToHash(masked[at : at+common.HashLength])
			if i > 0 && value != values[name] {
				return nil, fmt.Errorf("has two values of %s in its code", name)
			}
			values[name] = value
			clear(masked[at : at+common.HashLength])
		}
	}
	if !bytes.Equal(masked, a.Runtime) {
		return nil, fmt.Errorf("has other code (hash %s, want %s with its parameters masked)",
			crypto.Keccak256Hash(masked), crypto.Keccak256Hash(a.Runtime))
	}
	return values, nil
}

// address returns where the factory puts a contract with this creation code.
func address(creation []byte) common.Address {
	return crypto.CreateAddress2(Factory, salt, crypto.Keccak256(creation))
}

func number(v uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(v)) }

func word(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

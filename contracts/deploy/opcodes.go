package deploy

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum"
)

// Caller executes calls without a transaction. Every client of a chain does.
type Caller interface {
	CallContract(ctx context.Context, msg ethereum.CallMsg, block *big.Int) ([]byte, error)
}

// Opcode is an instruction that the contracts are compiled to and that not every chain has.
type Opcode struct {
	Name    string
	Upgrade string // the network upgrade that brought it
}

// OpcodesError says that a chain does not run the contracts' code.
type OpcodesError struct {
	ChainID uint64
	Missing []Opcode // never empty
}

func (e *OpcodesError) Error() string {
	var names, upgrades []string
	for _, o := range e.Missing {
		names = append(names, o.Name)
		if !slices.Contains(upgrades, o.Upgrade) {
			upgrades = append(upgrades, o.Upgrade)
		}
	}
	what := "the network upgrade " + upgrades[0]
	if len(upgrades) > 1 {
		what = "the network upgrades " + strings.Join(upgrades, " and ")
	}
	return fmt.Sprintf("chain %d lacks what the contracts are compiled to, %s; nothing was sent. It has not had %s: deploy to "+
		"a chain that has, or upgrade this one if it is yours", e.ChainID, strings.Join(names, ", "), what)
}

// UnprobedError says that a chain could not be asked whether it runs the contracts' code, or gave no answer to it. Whether
// it does is not known, and nothing was sent.
type UnprobedError struct {
	ChainID uint64
	Err     error
}

func (e *UnprobedError) Error() string {
	return fmt.Sprintf("whether chain %d runs the contracts' code can't be told, and nothing was sent: %v; try again, or "+
		"give another endpoint", e.ChainID, e.Err)
}

// Unwrap returns the cause.
func (e *UnprobedError) Unwrap() error { return e.Err }

// operation is an instruction of the EVM by its number (Ethereum yellow paper, appendix H).
type operation byte

// The operations that probes are made of. A test holds them to go-ethereum's; importing its machine for their names would
// put all of it into builds without a devnet.
const (
	opAdd      operation = 0x01
	opByte     operation = 0x1a
	opCodeCopy operation = 0x39
	opPop      operation = 0x50
	opMLoad    operation = 0x51
	opMStore8  operation = 0x53
	opTLoad    operation = 0x5c
	opTStore   operation = 0x5d
	opMCopy    operation = 0x5e
	opPush0    operation = 0x5f
	opPush1    operation = 0x60
	opPush2    operation = 0x61
	opCreate   operation = 0xf0
	opCall     operation = 0xf1
	opReturn   operation = 0xf3
	opInvalid  operation = 0xfe
)

// probe is code that leaves one on the stack where an opcode is there and does what it should.
type probe struct {
	code   operation
	of     Opcode
	leaves []byte
}

// probes are all opcodes newer than Paris that are in the contracts; a test compares the two. What they are made of
// besides has been there from the beginning.
var probes = []probe{
	{opPush0, Opcode{"PUSH0", "Shanghai"}, ops(opPush0, push(1), opAdd)},
	{opMCopy, Opcode{"MCOPY", "Cancun"}, ops(push(1), push(0x20), opMStore8, // a byte, and what it is copied to
		push(1), push(0x20), push(0), opMCopy, push(0), opMLoad, push(0), opByte)},
	{opTLoad, Opcode{"TLOAD", "Cancun"}, ops(push(7), opTLoad, push(1), opAdd)},
	{opTStore, Opcode{"TSTORE", "Cancun"}, ops(push(1), push(7), opTStore, push(7), opTLoad)}, // only TLOAD can tell
}

// The first two answers are known beforehand: code that every chain runs, and code that none does.
var controls = [][]byte{ops(push(1)), ops(opInvalid)}

func push(b byte) []byte { return []byte{byte(opPush1), b} }

// ops writes code of opcodes and pieces of code.
func ops(parts ...any) (code []byte) {
	for _, part := range parts {
		switch p := part.(type) {
		case operation:
			code = append(code, byte(p))
		case []byte:
			code = append(code, p...)
		}
	}
	return code
}

// probeCode is creation code that returns one byte for each of the pieces of code: one where it ran and left one on the
// stack, else zero. Each runs in a contract of its own with little gas, so that one which the chain does not know spoils
// its own answer alone, and the call as a whole succeeds: endpoints report an unknown opcode in many ways, and some as a
// fault of their own.
func probeCode(pieces [][]byte) []byte {
	const (
		answers = 0x80 // where they lie in memory; what is created lies below
		gas     = 20_000
		step    = 30 // bytes of code for each piece
		end     = 5
	)
	var code, tail []byte
	for i, piece := range pieces {
		runtime := ops(piece, push(0), opMStore8, push(1), push(0), opReturn)
		size := byte(len(runtime))
		create := ops(push(size), push(12), push(0), opCodeCopy, push(size), push(0), opReturn, runtime)
		at := len(pieces)*step + end + len(tail)
		size = byte(len(create))
		code = append(code, ops(
			push(1), push(byte(answers+i)), push(0), push(0), push(0), // of the call: one byte of output, no input, no value
			push(size), opPush2, []byte{byte(at >> 8), byte(at)}, push(0), opCodeCopy,
			push(size), push(0), push(0), opCreate,
			opPush2, []byte{gas >> 8, gas & 0xff}, opCall, opPop,
		)...)
		tail = append(tail, create...)
	}
	return append(append(code, ops(push(byte(len(pieces))), push(answers), opReturn)...), tail...)
}

// runsCode asks a chain whether it has every opcode that the contracts use, by one call that sends nothing. The error is
// an [*OpcodesError] where it has not, and an [*UnprobedError] where that can't be told.
func runsCode(ctx context.Context, backend Caller, chainID uint64) error {
	pieces := slices.Clone(controls)
	for _, p := range probes {
		pieces = append(pieces, p.leaves)
	}
	answer, err := backend.CallContract(ctx, ethereum.CallMsg{Data: probeCode(pieces)}, nil)
	if err != nil {
		return &UnprobedError{chainID, err}
	}
	if len(answer) != len(pieces) || !bytes.HasPrefix(answer, []byte{1, 0}) ||
		slices.ContainsFunc(answer, func(b byte) bool { return b > 1 }) {
		return &UnprobedError{chainID, fmt.Errorf("to a call that creates a contract it answers 0x%x, which is none of the "+
			"answers of a chain", answer[:min(len(answer), 32)])}
	}
	var missing []Opcode
	for i, p := range probes {
		if answer[len(controls)+i] == 0 {
			missing = append(missing, p.of)
		}
	}
	if len(missing) > 0 {
		return &OpcodesError{chainID, missing}
	}
	return nil
}

package deploy

import "github.com/ethereum/go-ethereum/core/vm"

// Probed are the opcodes that a chain is asked for.
func Probed() (codes []vm.OpCode) {
	for _, p := range probes {
		codes = append(codes, vm.OpCode(p.code))
	}
	return codes
}

// Operations are those that probes are made of, by go-ethereum's names.
var Operations = map[string]byte{
	"ADD": byte(opAdd), "BYTE": byte(opByte), "CODECOPY": byte(opCodeCopy), "POP": byte(opPop), "MLOAD": byte(opMLoad),
	"MSTORE8": byte(opMStore8), "TLOAD": byte(opTLoad), "TSTORE": byte(opTStore), "MCOPY": byte(opMCopy), "PUSH0": byte(opPush0),
	"PUSH1": byte(opPush1), "PUSH2": byte(opPush2), "CREATE": byte(opCreate), "CALL": byte(opCall), "RETURN": byte(opReturn),
	"INVALID": byte(opInvalid),
}

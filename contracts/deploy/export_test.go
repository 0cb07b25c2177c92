package deploy

import "github.com/ethereum/go-ethereum/core/vm"

// Probed are the opcodes that a chain is asked for.
func Probed() (codes []vm.OpCode) {
	for _, p := range probes {
		codes = append(codes, p.code)
	}
	return codes
}

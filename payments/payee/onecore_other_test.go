//go:build !linux

package payee

import (
	"runtime"
	"testing"
)

// onOneCore is one processor of Go's where a process can't be kept on one of the machine's.
func onOneCore(b *testing.B) {
	b.Helper()
	procs := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(procs) })
}

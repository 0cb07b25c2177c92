package payee

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// onOneCore keeps the process on one core until the benchmark ends. GOMAXPROCS=1 would be another thing: while the only
// thread syncs a file the core stands still, although there is work for it.
func onOneCore(b *testing.B) {
	b.Helper()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	procs := runtime.GOMAXPROCS(4)
	setAffinity(b, &one)
	b.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		setAffinity(b, &before)
	})
}

// setAffinity is for every thread that there is; new ones take after the one that makes them.
func setAffinity(b *testing.B, set *unix.CPUSet) {
	b.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			b.Fatal(err)
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH {
			b.Fatal(err)
		}
	}
}

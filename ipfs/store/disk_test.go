package store

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"
)

// A disk that takes no more ends the block store alone, wherever pebble meets it: whoever waits for a block hears so, and
// the process goes on.
func TestAdversaryAFullDiskEndsTheBlockStoreAlone(t *testing.T) {
	for name, fails := range map[string]func(errorfs.Op) bool{
		"every write":       func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
		"new files":         func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate },
		"syncs":             func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData },
		"writes into files": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite },
	} {
		t.Run(name, func(t *testing.T) {
			var full atomic.Bool
			disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if full.Load() && fails(op) {
					return unix.ENOSPC
				}
				return nil
			}))
			s, err := openPebble("blocks", slog.New(slog.DiscardHandler), &pebble.Options{FS: disk, MemTableSize: 1 << 16})
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			block := make([]byte, MaxBlock)
			store := func(n int) error {
				block[0], block[1], block[2] = byte(n), byte(n>>8), byte(n>>16)
				return s.Pin(ctx, cidOf(block), block)
			}
			if err := store(0); err != nil {
				t.Fatal(err)
			}
			full.Store(true)
			failed := 0
			for n := 1; failed < 3 && n < 1000; n++ {
				done := make(chan error, 1)
				go func() { done <- store(n) }()
				select {
				case err = <-done:
				case <-time.After(time.Minute):
					t.Fatal("storing a block on a full disk hangs")
				}
				if err != nil {
					failed++
				}
			}
			if failed < 3 {
				t.Fatalf("of 1,000 blocks none failed on a disk that is full: the test fills nothing")
			}
			if !errors.Is(err, ErrDisk) {
				t.Errorf("on a full disk: %v", err)
			}
			if _, err := s.Get(ctx, cidOf(block)); !errors.Is(err, ErrDisk) {
				t.Errorf("read after it: %v", err)
			}
			if _, err := s.Pins(ctx); !errors.Is(err, ErrDisk) {
				t.Errorf("pins after it: %v", err)
			}
			if err := s.Close(); err != nil && !errors.Is(err, ErrDisk) {
				t.Errorf("close: %v", err)
			}
			t.Logf("adversary: the disk takes no more (%s) | bound: an error to each caller, the process lives | seen: %v", name, err)
		})
	}
}

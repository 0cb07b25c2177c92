package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"byway/node"
	"byway/node/home"
	"byway/node/provide"
	"byway/node/wire"
	"byway/payments/audit"
)

// smallDisk is a folder with a file system of its own, of so many MiB.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on the disk of a folder, and returns the way back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

// A provider whose disk is full takes no promise and no newcomer, says why, and goes on by itself once there is room: in the
// same process, and in the same session, paid to the byte.
func TestFullDiskHoldsAProviderAndDoesNotEndIt(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	check(t, m.stop())
	dir := smallDisk(t, "64m")
	m.startProviderWith(func(c *node.ProviderConfig) {
		var err error
		if c.Home, err = home.Open(filepath.Join(dir, "home")); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("2")); err != nil {
		t.Fatal(err)
	}
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	status := func() provide.Status {
		t.Helper()
		st, err := m.provider.Status(m.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	free := fill(t, dir)
	done := make(chan error, 1)
	go func() { done <- m.download(s.Tunnel(), 48<<20) }() // more than was granted before
	eventually(t, time.Minute, "the provider is held", func() bool { return status().Held != "" })
	if held := status().Held; !strings.Contains(held, "full") {
		t.Errorf("status says %q", held)
	}
	_, err := m.consumer.Connect(m.ctx, m.offer())
	var refused *wire.RefusalError
	if !errors.As(err, &refused) || refused.Code != wire.RefusedBusy || !strings.Contains(refused.Reason, "write down") {
		t.Errorf("a newcomer: %v", err)
	}
	// Forwarding ends where the gate was opened to: what comes after stays out.
	last, looks := uint64(0), 0
	eventually(t, time.Minute, "nothing more is forwarded", func() bool {
		list := m.provider.Sessions()
		if len(list) != 1 {
			t.Fatalf("%d sessions are left", len(list))
		}
		now := list[0].Rx + list[0].Tx
		if looks++; now != last {
			last, looks = now, 0
		}
		return looks >= 50
	})
	select {
	case err := <-done:
		t.Fatalf("the download ended while nothing could be written down: %v", err)
	default:
	}
	free()
	eventually(t, time.Minute, "the provider goes on", func() bool { return status().Held == "" })
	if err := <-done; err != nil {
		t.Fatalf("the download after the disk has room again: %v", err)
	}
	m.settled(s)
	check(t, m.stop())
	v, err := audit.Verify(t.Context(), filepath.Join(dir, "home", "ledger.db"), nil)
	if err != nil || len(v.Problems) > 0 {
		t.Fatal(v.Problems, err)
	}
}

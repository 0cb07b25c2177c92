package node_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byway/node/provide"
	"byway/node/serve"
	"byway/node/wire"
)

// A provider whose exit forwards nothing takes nobody's money for it: sessions end, paid to the byte, and are told so; new
// ones are refused; and both the state and its end show.
func TestAdversaryAnExitInTroubleSellsNothing(t *testing.T) {
	t.Parallel()
	var trouble atomic.Value
	trouble.Store("")
	m := startMarket(t, marketConfig{trouble: func() string { return trouble.Load().(string) }})
	status := func() provide.Status {
		s, err := m.provider.Status(m.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := m.connect()
	if err := m.download(s.Tunnel(), 1<<20); err != nil {
		t.Fatal(err)
	}
	const why = "its nftables table was removed"
	// Trouble that passes at once ends nothing: the firewall was reloaded, and is back.
	trouble.Store(why)
	if got := status().Trouble; got != why {
		t.Errorf("status says %q of the exit's trouble", got)
	}
	trouble.Store("")
	if err := m.download(s.Tunnel(), 1<<20); err != nil {
		t.Errorf("after a trouble that passed: %v", err)
	}

	began := time.Now()
	trouble.Store(why)
	_, err := m.consumer.Connect(m.ctx, m.offer())
	var refused *wire.RefusalError
	if !errors.As(err, &refused) || refused.Code != wire.RefusedBusy || !strings.Contains(refused.Reason, "forwards nothing") {
		t.Errorf("a new session: %v", err)
	}
	select {
	case <-s.Done():
	case <-m.ctx.Done():
		t.Fatal("the session goes on although nothing is forwarded")
	}
	ended := time.Since(began)
	var closed *wire.ClosedError
	if err := s.Err(); !errors.As(err, &closed) || closed.Code != wire.ClosedExit || !strings.Contains(err.Error(), "forwards nothing") || strings.Contains(err.Error(), "nftables") {
		t.Errorf("the consumer heard %v", err)
	}
	if ended < serve.TroubleGrace {
		t.Errorf("ended after %s, before the time that a reload may take", ended)
	}
	receipt, _ := s.Close(m.ctx)
	m.paidExactly(receipt, s.ID())
	if n := len(m.provider.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}

	trouble.Store("")
	again := m.connect()
	if err := m.download(again.Tunnel(), 1<<20); err != nil {
		t.Errorf("after the trouble: %v", err)
	}
	m.settled(again)
	t.Logf("adversary: %s | bound: %s | seen: %s", "a provider sells an exit that forwards nothing",
		"new sessions refused, open ones ended and paid to the byte, served again afterwards",
		fmt.Sprintf("refused with %q, ended after %.1f s, %s paid", refused, ended.Seconds(), receipt.Paid))
}

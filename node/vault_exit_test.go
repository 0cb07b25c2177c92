package node_test

import (
	"errors"
	"testing"
	"time"

	"byway/node/vault"
)

// An exit is over when the chain's clock says so: whoever asks all the time is told "not yet" until then, and never sent
// into a transaction that reverts.
func TestAdversaryExitIsOverByTheChainsClock(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "1"})
	check(t, m.consumer.Close())
	w, _ := m.wallet()
	provider := m.offer().Offer.Payee
	if _, err := w.StartExit(m.ctx, provider); err != nil {
		t.Fatal(err)
	}
	c, err := w.Channel(m.ctx, provider)
	if err != nil || c.ExitAt == nil {
		t.Fatalf("%+v, %v", c, err)
	}
	// This machine's clock is past the exit's end long before the chain's is.
	early, asked := 0, 0
	for end := time.Now().Add(time.Minute); ; asked++ {
		_, err := w.FinishExit(m.ctx, provider)
		if err == nil {
			break
		}
		var not *vault.EarlyError
		if !errors.As(err, &not) {
			t.Fatalf("asked %d times: %v", asked, err)
		}
		early++
		if time.Now().After(end) {
			t.Fatal("the exit never ends")
		}
		time.Sleep(50 * time.Millisecond)
	}
	v, err := w.Vault(m.ctx, nil)
	check(t, err)
	head := v.Time
	t.Logf("adversary: finish an exit all the time | bound: finished in a block of its time or later, told early before | "+
		"seen: early %d times, finished %s after", early, head.Sub(*c.ExitAt))
	if early == 0 || head.Before(*c.ExitAt) {
		t.Errorf("finished at %s, over at %s, early %d times", head, c.ExitAt, early)
	}
}

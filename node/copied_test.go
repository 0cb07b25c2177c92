package node_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"byway/contracts"
	"byway/node/home"
	"byway/node/path"
	"byway/node/wire"
	"byway/payments"
)

// One phrase on two machines: both pay from one channel, each with a ledger of its own, and what one promises the other
// does not know of. Nothing is promised for it twice, who can't go on is told why, and the next session makes it out.
func TestAdversaryTwoMachinesPayWithOneKey(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	home, err := home.Open(filepath.Join(t.TempDir(), "second"))
	check(t, err)
	second := *m
	second.cfg.Home = home
	second.openConsumer()
	machines := []*world{m, &second}
	const rounds = 3
	told := 0
	for range rounds {
		var sessions []*path.Session
		var wait sync.WaitGroup
		for _, one := range machines {
			s, err := one.consumer.Connect(m.ctx, m.offer())
			if err != nil && codeOf(t, err) == wire.RefusedStale {
				told++ // it would give up more than may be in so short a life
				continue
			}
			check(t, err)
			m.closeAtTheEnd(s)
			sessions = append(sessions, s)
			wait.Go(func() { one.download(s.Tunnel(), 4<<20) }) // one of them is cut off
		}
		wait.Wait()
		for _, s := range sessions {
			_, err := s.Close(m.ctx)
			var closed *wire.ClosedError
			switch {
			case err == nil:
			case errors.As(err, &closed) && strings.Contains(closed.Reason, "another machine pays with the same key"):
				told++
			default:
				t.Errorf("a session ended with: %v", err)
			}
		}
	}
	// What the provider is paid is what it forwarded, and a tick for each session at the most.
	list, err := m.provider.Ledger.Sessions(m.ctx, math.MaxInt32, 0)
	check(t, err)
	bytes, n := uint64(0), len(list)
	for _, s := range list {
		bytes += s.Usage.Rx + s.Usage.Tx
	}
	offer := m.offer().Offer
	bound, err := payments.Cost(offer.PricePerGiB, bytes+uint64(n)*offer.Tick)
	check(t, err)
	var promised contracts.Amount
	for _, one := range machines {
		sum, err := one.consumer.Ledger.Promised(m.ctx, m.consumer.Domain, m.consumer.Channel(offer))
		check(t, err)
		if promised.Less(sum) {
			promised = sum
		}
	}
	claimed := m.claimed()
	if bound.Less(claimed) || promised.Less(claimed) {
		t.Errorf("%s was claimed of %s promised, and %d bytes in %d sessions cost %s with their ticks", claimed, promised, bytes, n, bound)
	}
	m.held(fmt.Sprintf("one key pays on two machines, %d times at once", rounds), "the bytes and a tick a session",
		fmt.Sprintf("claimed %s of at most %s; %d sessions were told why they end or do not begin", claimed, bound, told))
}

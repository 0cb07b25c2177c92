package tunnel

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"byway/tunnel/meter"
	"byway/tunnel/wireguard"
)

func TestGateKeepsWhatEndedSessionsPassed(t *testing.T) {
	e := newExit(t, ExitConfig{})
	const limit = 4 << 20
	gate := meter.NewGate(limit)
	// The limit of a peer counts for nothing beside a gate.
	first := joinPeer(t, e, Peer{Gate: gate, Limit: math.MaxUint64}, wireguard.Upstream)
	second := joinPeer(t, e, Peer{Gate: gate, Limit: math.MaxUint64}, wireguard.Upstream)
	source := blast(t)
	download := func(p pair, until func(got int64) bool) {
		conn, err := p.client.DialContext(t.Context(), "tcp", source)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("d"))
		var got atomic.Int64
		go count(conn, &got)
		for !until(got.Load()) {
			time.Sleep(time.Millisecond)
		}
		if err := p.session.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	download(first, func(got int64) bool { return got > 1<<20 })
	download(second, func(int64) bool { return second.session.Held() })
	if second.session.Allowed() != limit {
		t.Errorf("the session may pass %d", second.session.Allowed())
	}
	a, b := first.session.Counters().Total(), second.session.Counters().Total()
	if a < 1<<20 || a+b != gate.Passed() || a+b > limit {
		t.Errorf("sessions passed %d and %d, the gate says %d of %d", a, b, gate.Passed(), limit)
	}
}

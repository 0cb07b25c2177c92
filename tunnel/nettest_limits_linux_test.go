package tunnel

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// Sessions that open all the connections they may leave the kernel's table room for the host, and for each other.
func TestNetAdversaryConnectionsOfManySessionsLeaveOthersTheKernelsTable(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		const attackers, table = 4, 2000
		e := n.exit(t, ExitConfig{Mode: Privileged, Limits: Limits{Flows: 1000, NewFlows: 400}, tracks: table})
		stop, end := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer end()
		var list []pair
		for range attackers {
			p := n.client(t, e, math.MaxUint64)
			list = append(list, p)
			v4, v6 := p.session.Addrs()
			wg.Go(func() {
				for port := uint16(1024); stop.Err() == nil; port++ {
					p.client.net.Inject(summed(tunneltest.Probe(packet.UDP, v4, v6, host4, max(port, 1024))))
					time.Sleep(time.Millisecond)
				}
			})
		}
		victim := n.client(t, e, math.MaxUint64)
		v4, v6 := victim.session.Addrs()
		const mine = 100
		most, waited := 0, 0
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
			all := 0
			for _, p := range list {
				v4, _ := p.session.Addrs()
				all += connections(t, v4)
			}
			most = max(most, all)
			for i := range mine {
				victim.client.net.Inject(summed(tunneltest.Probe(packet.UDP, v4, v6, host4, uint16(2000+i))))
			}
			if waited++; most > table/4 && waited > 40 && connections(t, v4) == mine {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if got := connections(t, v4); got != mine {
			t.Errorf("the victim has %d connections of %d", got, mine)
		}
		if most > table*3/4 {
			t.Errorf("attackers had %d connections in a table of %d", most, table)
		}
		u := e.Use()
		if u.TrackedMax != table || u.FlowsMax != table/2 || u.Tracked == 0 {
			t.Errorf("status shows %+v", u)
		}
		t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d sessions open new connections without an end in a kernel's table of %d", attackers, table),
			fmt.Sprintf("they keep under %d, another session has its %d", table*3/4, mine), fmt.Sprintf("%d at most, %d there; %+v", most, connections(t, v4), u))
	})
}

// In privileged mode what is above a session's rate is dropped and comes again; nothing is reset.
func TestNetAdversaryManyConnectionsAtOnceAreDelayedByTheKernel(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		const requests, atOnce = 400, 100
		e := n.exit(t, ExitConfig{Mode: Privileged, Limits: Limits{Flows: 1024, NewFlows: 50}})
		p := n.client(t, e, math.MaxUint64)
		var to string
		n.in(t, "i", func() {
			l, err := net.Listen("tcp", net.JoinHostPort(host4.String(), "0"))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
			to = l.Addr().String()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
		})
		work := make(chan int, requests)
		for i := range requests {
			work <- i
		}
		close(work)
		var mu sync.Mutex
		var failed []error
		var wg sync.WaitGroup
		began := time.Now()
		for range atOnce {
			wg.Go(func() {
				for range work {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					c, err := p.client.DialContext(ctx, "tcp", to)
					cancel()
					if err != nil {
						mu.Lock()
						failed = append(failed, err)
						mu.Unlock()
						continue
					}
					c.Close()
				}
			})
		}
		wg.Wait()
		if len(failed) > 0 {
			t.Errorf("%d of %d connections failed: %v", len(failed), requests, failed[0])
		}
		t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d connections, %d at once, at 50 a second in privileged mode", requests, atOnce),
			"every one opens", fmt.Sprintf("%d failed, %.1f s", len(failed), time.Since(began).Seconds()))
	})
}

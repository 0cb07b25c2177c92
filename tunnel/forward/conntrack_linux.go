package forward

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's table of connections is one for the host and all sessions. Sessions may have half of it; when more than
// crowdedAt of it is in use, those above an equal share lose the connections that have rested longest.
const (
	tracksEvery  = 100 * time.Millisecond
	countEvery   = 5 * time.Second
	tracksOurs   = 0.5
	crowdedAt    = 0.6
	newPerSecond = 1.0 / 16 // of the table, how many connections all sessions may begin a second, with twice that as a burst
	ownPerSecond = 1.0 / 8  // of the table, how many they may begin besides, each at a rate of its own
)

// limits are those of a session, for the first packet of a connection. What is above them is dropped and comes again: a
// reset would say that nobody listens there. UDP and TCP leave each other, and echo requests, a part of the rate. What
// all sessions begin together is bounded as well, so that the table cannot fill before it is looked at; an eighth of
// its rate is a session's own whatever the others do, as far as the table bears that of all of them.
func (b *builder) limits(chain *nftables.Chain, cfg Config) {
	perSecond := func(rate uint64, over bool) expr.Any {
		rate = max(rate, 1)
		return &expr.Limit{Type: expr.LimitTypePkts, Rate: rate, Unit: expr.LimitTimeSecond, Over: over, Burst: uint32(2 * rate)}
	}
	rate := uint64(cfg.NewFlows)
	for _, kind := range []struct {
		set   string
		proto byte
		rate  uint64
	}{{"fresh_udp", unix.IPPROTO_UDP, rate * 7 / 8}, {"fresh_tcp", unix.IPPROTO_TCP, rate * 15 / 16}} {
		set := b.perSession(kind.set, 1<<16-1, remembered)
		for _, f := range families {
			b.rule(chain, nfproto(f.proto), l4proto(kind.proto),
				each(network(f.index, 2), set, unix.NFT_DYNSET_OP_UPDATE, perSecond(kind.rate, true)), drop())
		}
	}
	fresh := b.perSession("fresh", 1<<16-1, remembered)
	assured := b.perSession("assured", 1<<16-1, remembered)
	count := b.perSession("connections", 1<<16-1, 0)

	counted := b.chain("counted")
	for _, f := range families {
		b.rule(counted, nfproto(f.proto), each(network(f.index, 2), count, unix.NFT_DYNSET_OP_ADD,
			&expr.Connlimit{Count: uint32(cfg.Flows), Flags: expr.NFT_CONNLIMIT_F_INV}), drop())
	}
	b.shape(counted)
	b.rule(counted, accept())

	for _, f := range families {
		b.rule(chain, nfproto(f.proto), each(network(f.index, 2), fresh, unix.NFT_DYNSET_OP_UPDATE, perSecond(rate, true)), drop())
	}
	most := float64(tracksMost(cfg.Tracks))
	own := b.chain("own")
	for _, f := range families {
		b.rule(chain, nfproto(f.proto), each(network(f.index, 2), assured, unix.NFT_DYNSET_OP_UPDATE, perSecond(rate/8, false)), goTo("own"))
	}
	if most > 0 {
		b.rule(own, []expr.Any{perSecond(uint64(most*ownPerSecond), true)}, drop())
		b.rule(chain, []expr.Any{perSecond(uint64(most*newPerSecond), true)}, drop())
	}
	b.rule(own, goTo("counted"))
	b.rule(chain, goTo("counted"))
}

// tracksMost is how many connections the kernel tracks at most; 0 when it does not say.
func tracksMost(given int) int {
	if given > 0 {
		return given
	}
	return procNumber("nf_conntrack_max")
}

func procNumber(name string) int {
	b, err := os.ReadFile("/proc/sys/net/netfilter/" + name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// tracks keeps a router's count of the kernel's connections.
type tracks struct {
	mu  sync.Mutex
	use Use
}

// Use is how full the kernel's table of connections is.
func (r *Router) Use() Use {
	r.tracks.mu.Lock()
	defer r.tracks.mu.Unlock()
	u := r.tracks.use
	u.Tracked = procNumber("nf_conntrack_count")
	return u
}

// watchTracks counts connections and keeps the shares of sessions fair until Close.
func (r *Router) watchTracks(given, flows int) {
	most := tracksMost(given)
	if most == 0 {
		return
	}
	ours := int(float64(most) * tracksOurs)
	r.tracks.mu.Lock()
	r.tracks.use = Use{TrackedMax: most, OursMax: ours}
	r.tracks.mu.Unlock()
	tick := time.NewTicker(tracksEvery)
	defer tick.Stop()
	var counted, said time.Time
	looked := time.Now()
	for {
		select {
		case <-r.done:
			return
		case <-tick.C:
		}
		r.tracks.mu.Lock()
		r.tracks.use.Pause = max(r.tracks.use.Pause, time.Since(looked))
		r.tracks.mu.Unlock()
		looked = time.Now()
		crowded := procNumber("nf_conntrack_count") > int(float64(most)*crowdedAt)
		if !crowded && time.Since(counted) < countEvery {
			continue
		}
		counted = time.Now()
		rests, err := r.rests()
		if err == nil {
			_, err = r.evict(rests, func(list []int) int { return roomFor(list, flows) })
		}
		if err == nil && crowded {
			var ended int
			share := equalShare(rests, ours)
			if ended, err = r.evict(rests, func(list []int) int { return min(len(list), share) }); ended > 0 && time.Since(said) > time.Minute {
				said = time.Now()
				r.log.Warn("the kernel's table of connections fills up; sessions above their share lose idle ones",
					"tracked_max", most, "sessions", len(rests), "ended", ended)
			}
		}
		if err != nil {
			if time.Since(said) > time.Minute {
				said = time.Now()
				r.log.Warn("connections of sessions are not counted", "error", err)
			}
			continue
		}
		sessions, all := make(map[uint16]int, len(rests)), 0
		for index, list := range rests {
			sessions[index] = len(list)
			all += len(list)
		}
		r.tracks.mu.Lock()
		r.tracks.use.Sessions, r.tracks.use.Ours = sessions, all
		r.tracks.mu.Unlock()
	}
}

// index of the session that a connection belongs to.
func (r *Router) index(f *netlink.ConntrackFlow) (uint16, bool) {
	a, ok := netip.AddrFromSlice(f.Forward.SrcIP)
	if a = a.Unmap(); !ok || !r.nets.Contains(a) {
		return 0, false
	}
	b := a.AsSlice()
	return uint16(b[len(b)-2])<<8 | uint16(b[len(b)-1]), true
}

// The kernel's own timeouts of UDP streams and of TCP states other than established, about; in seconds.
const usualTimeout = 120

// tcpEstablished is a state of the kernel's connection tracking.
const tcpEstablished = 3

// resting is how long a connection has rested, in seconds: what is missing from its timeout. What is not established
// counts as having rested for longer than anything that is.
func resting(f *netlink.ConntrackFlow) int {
	tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
	switch {
	case ok && tcp.State == tcpEstablished:
		return max(0, establishedTimeout-int(f.TimeOut))
	case ok:
		return establishedTimeout + max(0, usualTimeout-int(f.TimeOut))
	}
	return max(0, usualTimeout-int(f.TimeOut))
}

// eachTrack visits each connection of the exit, by a filter that matches what do returns true for: those are deleted.
type eachTrack func(*netlink.ConntrackFlow) bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (e eachTrack) MatchConntrackFlow(f *netlink.ConntrackFlow) bool { return e(f) }

func walkTracks(do eachTrack) (err error) {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, do); err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
	}
	return nil
}

// rests lists how long the connections of each session have rested.
func (r *Router) rests() (map[uint16][]int, error) {
	list := make(map[uint16][]int)
	err := walkTracks(func(f *netlink.ConntrackFlow) bool {
		if index, ok := r.index(f); ok {
			list[index] = append(list[index], resting(f))
		}
		return false
	})
	return list, err
}

// roomFor is how many connections a session keeps, whose rests are sorted: at its limit, a sixteenth of it becomes free for
// new ones, of those that are idle.
func roomFor(list []int, limit int) int {
	keep := len(list)
	if keep < limit {
		return keep
	}
	for keep > limit-max(1, limit/16) && list[keep-1] >= idleSeconds {
		keep--
	}
	return keep
}

// idleSeconds is how long a connection has rested before its own session gives it up for another.
const idleSeconds = 10

// evict ends connections of sessions that have more than they keep, the ones that rested longest first. Keep is given
// the rests of a session in order, and says how many of them stay.
func (r *Router) evict(rests map[uint16][]int, keep func(list []int) int) (int, error) {
	type cut struct{ rest, ties int } // end those that rested longer, and so many of those that rested as long
	cuts := make(map[uint16]cut)
	for index, list := range rests {
		slices.Sort(list)
		share := keep(list)
		if len(list) <= share {
			continue
		}
		c := cut{rest: list[share]}
		for _, rest := range list[share:] {
			if rest == c.rest {
				c.ties++
			}
		}
		cuts[index] = c
		rests[index] = list[:share]
	}
	if len(cuts) == 0 {
		return 0, nil
	}
	ended := 0
	err := walkTracks(func(f *netlink.ConntrackFlow) bool {
		index, ok := r.index(f)
		c, above := cuts[index]
		if !ok || !above {
			return false
		}
		rest := resting(f)
		if rest == c.rest && c.ties > 0 {
			c.ties--
			cuts[index] = c
		} else if rest <= c.rest {
			return false
		}
		ended++
		return true
	})
	return ended, err
}

// equalShare is the most that a session may have so that all fit into room.
func equalShare(rests map[uint16][]int, room int) int {
	var counts []int
	for _, list := range rests {
		counts = append(counts, len(list))
	}
	slices.Sort(counts)
	for i, n := range counts {
		left := len(counts) - i
		if n*left > room {
			return room / left
		}
		room -= n
	}
	return 1 << 30
}

// dropUntranslated forgets connections of sessions that the kernel began to track without the exit's table.
func dropUntranslated(nets Nets) error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, bareNets(nets)); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
	}
	return nil
}

// bareNets is a filter of sessions' connections that go elsewhere under the inner address.
type bareNets Nets

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (n bareNets) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	src, ok := netip.AddrFromSlice(f.Forward.SrcIP)
	dst, ok2 := netip.AddrFromSlice(f.Forward.DstIP)
	nets := Nets(n)
	return ok && ok2 && nets.Contains(src) && !nets.Contains(dst) && f.Reverse.DstIP.Equal(f.Forward.SrcIP)
}

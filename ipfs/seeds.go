package ipfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"

	"byway/ipfs/store"
)

// Limits of the asking side.
const (
	maxSeeds    = 16              // seeds that one Get asks
	seedDial    = 3 * time.Second // to connect and open the stream
	seedStall   = 2 * time.Second // without a byte for so long, a seed is given up
	seedAnswer  = 4 * time.Second // for one answer to come in, not counting the time we take to use it
	getAsk      = 128             // blocks of one get request
	getAhead    = 8               // get requests under way with one seed
	haveAhead   = 32              // have requests under way with one seed
	stealAfter  = 200 * time.Millisecond
	stealPoll   = 25 * time.Millisecond
	seedBackoff = 5 * time.Second // first pause of a failing seed, doubling up to seedBackoffMax
	maxBackoffs = 1024            // failing seeds that are remembered

	seedBackoffMax = 10 * time.Minute
)

// seeds is what a node knows of the seeds it asks, and counts of those that ask it.
type seeds struct {
	mu      sync.Mutex // guards what follows
	known   []peer.AddrInfo
	pauses  map[peer.ID]*backoff
	served  map[peer.ID]int // streams being served, by peer
	serving int             // and in total
}

func newSeeds(addrs []string) (*seeds, error) {
	s := &seeds{pauses: make(map[peer.ID]*backoff), served: make(map[peer.ID]int)}
	return s, s.set(addrs)
}

func (s *seeds) set(addrs []string) error {
	var parsed []ma.Multiaddr
	for _, text := range addrs {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return fmt.Errorf("seed address %q: %w", text, err)
		}
		if _, err := a.ValueForProtocol(ma.P_P2P); err != nil {
			return fmt.Errorf("seed address %q does not end in /p2p/<peer id>", text)
		}
		parsed = append(parsed, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(parsed...)
	if err != nil {
		return fmt.Errorf("seed addresses: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = infos
	return nil
}

// SetSeeds replaces Config.Seeds. Fetches that are under way go on with the old ones.
func (n *Node) SetSeeds(addrs []string) error { return n.seeds.set(addrs) }

// pause gives the back-off of a seed, new if it never failed.
func (s *seeds) pause(p peer.ID) *backoff {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pauses[p]
	if b == nil {
		if len(s.pauses) >= maxBackoffs {
			for old := range s.pauses { // any will do
				delete(s.pauses, old)
				break
			}
		}
		b = &backoff{first: seedBackoff, most: seedBackoffMax}
		s.pauses[p] = b
	}
	return b
}

func (s *seeds) ready(p peer.ID) bool {
	s.mu.Lock()
	b := s.pauses[p]
	s.mu.Unlock()
	return b == nil || b.ready()
}

// candidates gives the seeds to ask now: the configured ones, then any connected node that speaks the protocol.
func (n *Node) candidates() []peer.AddrInfo {
	n.seeds.mu.Lock()
	all := append([]peer.AddrInfo(nil), n.seeds.known...)
	n.seeds.mu.Unlock()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	peers := n.host.Network().Peers()
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	for _, p := range peers {
		if speaks, err := n.host.Peerstore().SupportsProtocols(p, SeedProtocol); err == nil && len(speaks) > 0 {
			all = append(all, peer.AddrInfo{ID: p})
		}
	}
	var out []peer.AddrInfo
	seen := map[peer.ID]bool{n.host.ID(): true}
	for _, info := range all {
		if len(out) == maxSeeds {
			break
		}
		if !seen[info.ID] && n.seeds.ready(info.ID) {
			out = append(out, info)
		}
		seen[info.ID] = true
	}
	return out
}

// fetchSeeds asks all seeds at once and returns when none has anything more to give.
func (n *Node) fetchSeeds(ctx context.Context, b *batch, want []cid.Cid) {
	candidates := n.candidates()
	run := newSeedRun(b, want, len(candidates))
	var wg sync.WaitGroup
	for i, info := range candidates {
		wg.Go(func() {
			err := n.fetchSeed(ctx, run, i, info)
			run.leave(i)
			pause := n.seeds.pause(info.ID)
			switch {
			case err == nil:
				pause.succeed()
				return
			case ctx.Err() != nil:
				return // it was we who ended it
			case lied(err):
				pause.ban()
			default:
				pause.fail()
			}
			n.counts.giveUp(err)
			n.log.Debug("seed given up", "peer", info.ID, "error", err)
		})
	}
	wg.Wait()
}

// request is a request that waits for its answer.
type request struct {
	kind byte
	want []int // positions in seedRun.want
}

// fetchSeed takes from one seed what it has of a run's wants. It first asks what the seed has, so that each block is
// asked of one that has it, and keeps requests ahead of the answers, so that a long round trip costs little.
func (n *Node) fetchSeed(ctx context.Context, run *seedRun, self int, info peer.AddrInfo) error {
	dialCtx, cancel := context.WithTimeout(ctx, seedDial)
	defer cancel()
	n.host.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.TempAddrTTL)
	s, err := n.host.NewStream(dialCtx, info.ID, SeedProtocol)
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	defer s.Reset()
	unhook := context.AfterFunc(ctx, func() { s.Reset() })
	defer unhook()

	// Requests are written by a goroutine of their own: the seed may wait for us to read before it reads on.
	requests := make(chan []byte, haveAhead+getAhead)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer s.Reset()
	defer close(requests)
	writer.Go(func() {
		for request := range requests {
			if _, err := s.Write(request); err != nil {
				s.Reset() // ends the reading side too
			}
		}
	})
	var waiting []request
	defer func() { run.giveBack(self, waiting) }()
	ask := func(a request) error {
		want := make([]cid.Cid, len(a.want))
		for i, at := range a.want {
			want[i] = run.want[at]
		}
		request, err := appendRequest(nil, a.kind, want)
		if err != nil {
			return err
		}
		waiting = append(waiting, a)
		requests <- request
		return nil
	}

	in := &patientReader{stream: s}
	r := bufio.NewReaderSize(in, 64<<10)
	block := new([store.MaxBlock]byte)
	next, haves, gets := 0, 0, 0 // next position to ask about; requests of either kind under way
	for {
		for ; haves < haveAhead && next < len(run.want); haves++ {
			var about []int
			for ; next < len(run.want) && len(about) < maxAsk; next++ {
				about = append(about, next)
			}
			if err := ask(request{askHave, about}); err != nil {
				return err
			}
		}
		for ; gets < getAhead; gets++ {
			want := run.next(self, getAsk)
			if len(want) == 0 {
				break
			}
			if err := ask(request{askGet, want}); err != nil {
				return err
			}
		}
		if len(waiting) == 0 {
			if !run.open(self) {
				return nil
			}
			// All that this seed has is under way with others; it may have to step in for one of them.
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(stealPoll):
			}
			continue
		}

		in.budget = seedAnswer
		head := waiting[0]
		if head.kind == askHave {
			has, err := readBitmap(r, len(head.want))
			if err != nil {
				return fmt.Errorf("read what it has: %w", err)
			}
			run.holds(self, head.want, has)
			haves--
		} else {
			for i, at := range head.want {
				got, err := readBlock(r, block)
				if err == nil && got != nil {
					err = n.accept(ctx, run.batch, run.want[at], append([]byte(nil), got...))
				}
				if err != nil {
					waiting[0].want = head.want[i:]
					return fmt.Errorf("read block %s: %w", run.want[at], err)
				}
				run.settle(self, at, got != nil)
			}
			gets--
		}
		waiting = waiting[1:]
	}
}

var errSlow = errors.New("answer is too slow")

// patientReader reads from a stream with two limits on the time that it waits: for any byte, and for all of an answer.
type patientReader struct {
	stream network.Stream
	budget time.Duration
}

func (r *patientReader) Read(p []byte) (int, error) {
	if r.budget <= 0 {
		return 0, errSlow
	}
	start := time.Now()
	if err := r.stream.SetReadDeadline(start.Add(min(seedStall, r.budget))); err != nil {
		return 0, err
	}
	n, err := r.stream.Read(p)
	r.budget -= time.Since(start)
	return n, err
}

// seedRun shares the wants of one fetch among seeds. A want is asked of one seed that has it; when a seed has nothing
// else to do, it is asked of that one too if the first takes long.
type seedRun struct {
	batch *batch
	want  []cid.Cid

	mu      sync.Mutex  // guards what follows
	holders []uint32    // by position: a bit for each seed that has it
	flights []uint32    // by position: a bit for each seed that is being asked for it
	since   []time.Time // by position: when one was last asked
	queues  [][]int     // by seed: positions that it has and that were asked of nobody when they were queued
	held    [][]int     // by seed: all positions that it said to have
}

func newSeedRun(b *batch, want []cid.Cid, seeds int) *seedRun {
	return &seedRun{
		batch: b, want: want,
		holders: make([]uint32, len(want)), flights: make([]uint32, len(want)), since: make([]time.Time, len(want)),
		queues: make([][]int, seeds), held: make([][]int, seeds),
	}
}

// holds notes what a seed has said to have.
func (r *seedRun) holds(seed int, at []int, has []bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, yes := range has {
		if yes {
			r.holders[at[i]] |= 1 << seed
			r.queues[seed] = append(r.queues[seed], at[i])
			r.held[seed] = append(r.held[seed], at[i])
		}
	}
}

// next gives up to limit positions to ask a seed for, and counts them as asked.
func (r *seedRun) next(seed, limit int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	queue := r.queues[seed]
	for len(queue) > 0 && len(out) < limit {
		at := queue[0]
		queue = queue[1:]
		if r.flights[at] == 0 && r.holders[at]&(1<<seed) != 0 && r.batch.wants(r.want[at]) {
			out = append(out, at)
		}
	}
	r.queues[seed] = queue
	now := time.Now()
	if len(out) == 0 {
		for _, at := range r.held[seed] {
			if len(out) == limit {
				break
			}
			other := bits.OnesCount32(r.flights[at]) == 1 && r.flights[at] != 1<<seed
			if other && now.Sub(r.since[at]) > stealAfter && r.holders[at]&(1<<seed) != 0 &&
				r.batch.wants(r.want[at]) {
				out = append(out, at)
			}
		}
	}
	for _, at := range out {
		r.flights[at] |= 1 << seed
		r.since[at] = now
	}
	return out
}

// open reports whether there are wants that a seed has and that have not come from anywhere.
func (r *seedRun) open(seed int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.held[seed] {
		if r.holders[at]&(1<<seed) != 0 && r.batch.wants(r.want[at]) {
			return true
		}
	}
	return false
}

// settle notes the answer of a seed for one position.
func (r *seedRun) settle(seed, at int, had bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flights[at] &^= 1 << seed
	if !had {
		r.holders[at] &^= 1 << seed
		r.requeueLocked(at)
	}
}

// giveBack frees positions that a seed was asked for and will not answer.
func (r *seedRun) giveBack(seed int, waiting []request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range waiting {
		if a.kind != askGet {
			continue
		}
		for _, at := range a.want {
			r.flights[at] &^= 1 << seed
			r.holders[at] &^= 1 << seed
			r.requeueLocked(at)
		}
	}
}

// leave forgets a seed.
func (r *seedRun) leave(seed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.held[seed] {
		r.holders[at] &^= 1 << seed
	}
	r.queues[seed], r.held[seed] = nil, nil
}

// requeueLocked puts a position that nobody is asked for back before all seeds that have it.
func (r *seedRun) requeueLocked(at int) {
	if r.flights[at] != 0 {
		return
	}
	for seed := range r.queues {
		if r.holders[at]&(1<<seed) != 0 {
			r.queues[seed] = append(r.queues[seed], at)
		}
	}
}

// backoff says when something that failed may be tried again. The pause doubles with every failure in a row.
type backoff struct {
	first, most time.Duration

	mu       sync.Mutex // guards what follows
	failures int
	until    time.Time
}

func (b *backoff) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !time.Now().Before(b.until)
}

func (b *backoff) succeed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until = 0, time.Time{}
}

func (b *backoff) fail() {
	b.mu.Lock()
	defer b.mu.Unlock()
	pause := b.most
	if b.failures < 20 {
		pause = min(b.first<<b.failures, b.most)
	}
	b.failures++
	b.until = time.Now().Add(pause)
}

// ban sets the longest pause at once.
func (b *backoff) ban() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 20
	b.until = time.Now().Add(b.most)
}

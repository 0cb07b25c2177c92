package ipfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	provideWorkers  = 8
	provideTimeout  = time.Minute      // one look-up and its puts
	provideRetry    = time.Second      // first wait after a failure, doubling up to provideRetryMax
	provideRetryMax = 5 * time.Minute  //
	provideSoon     = 30 * time.Second // first wait after a success that fewer than a full bucket of peers took
	fullBucket      = 20               // the DHT's replication parameter k
)

// provider tells the DHT which blocks this node has pinned, as long as they are pinned. Each block has a time at which
// it is due: at once when it is new, after a growing wait when nobody took the record, and after the regular interval
// when a full bucket of peers did. While the network is so small that fewer did, the record is renewed earlier, since
// peers that join later may be the ones that a search ends at.
type provider struct {
	dht      *dht.IpfsDHT
	messages *pb.ProtocolMessenger
	interval time.Duration
	log      *slog.Logger
	wake     chan struct{} // one token: something became due earlier than was known

	mu   sync.Mutex // guards what follows
	jobs map[cid.Cid]*provideJob
}

type provideJob struct {
	due     time.Time
	running bool
	again   bool          // became due while it was running
	wait    time.Duration // the last wait after a failure or a poor success; 0 after a full one
	peers   int           // how many peers took the record last time
}

func newProvider(d *dht.IpfsDHT, interval time.Duration, log *slog.Logger) (*provider, error) {
	messages, err := pb.NewProtocolMessenger(d.MessageSender())
	if err != nil {
		return nil, err
	}
	return &provider{
		dht: d, messages: messages, interval: interval, log: log,
		wake: make(chan struct{}, 1), jobs: make(map[cid.Cid]*provideJob),
	}, nil
}

// add makes a block due now.
func (p *provider) add(c cid.Cid) {
	p.mu.Lock()
	if job := p.jobs[c]; job == nil {
		p.jobs[c] = &provideJob{due: time.Now()}
	} else {
		job.due, job.wait, job.again = time.Now(), 0, job.running
	}
	p.mu.Unlock()
	p.kick()
}

// remove stops announcing a block. Records that others hold expire by themselves.
func (p *provider) remove(c cid.Cid) {
	p.mu.Lock()
	delete(p.jobs, c)
	p.mu.Unlock()
}

// retry makes due now whatever has not been taken by anyone; the node calls it when it has found its first peer.
func (p *provider) retry() {
	p.mu.Lock()
	for _, job := range p.jobs {
		if job.peers == 0 {
			job.due, job.again = time.Now(), job.running
		}
	}
	p.mu.Unlock()
	p.kick()
}

func (p *provider) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run announces until ctx ends.
func (p *provider) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, provideWorkers)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		for {
			c, wait := p.next()
			if !c.Defined() {
				timer.Reset(wait)
				break
			}
			select {
			case <-ctx.Done():
				return
			case slots <- struct{}{}:
			}
			wg.Go(func() {
				p.provide(ctx, c)
				<-slots
			})
		}
	}
}

// next marks one due job as running and gives its CID, or says how long nothing will be due.
func (p *provider) next() (cid.Cid, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, wait := time.Now(), p.interval
	for c, job := range p.jobs {
		if job.running {
			continue
		}
		if !job.due.After(now) {
			job.running = true
			return c, 0
		}
		wait = min(wait, job.due.Sub(now))
	}
	return cid.Undef, wait
}

// provide announces one block and sets when it is due again.
func (p *provider) provide(ctx context.Context, c cid.Cid) {
	callCtx, cancel := context.WithTimeout(ctx, provideTimeout)
	peers, err := p.announce(callCtx, c)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.log.Debug("block not announced, will retry", "cid", c, "error", err)
	} else {
		p.log.Debug("block announced", "cid", c, "peers", peers)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	job := p.jobs[c]
	if job == nil {
		return // dropped meanwhile
	}
	job.running, job.peers = false, peers
	switch {
	case job.again:
		job.again, job.due = false, time.Now()
	default:
		job.wait = nextProvide(job.wait, peers, p.interval)
		job.due = time.Now().Add(jitter(job.wait))
	}
	p.kick()
}

// nextProvide gives the time to the next announcement after one that so many peers took, wait being the last such time.
func nextProvide(wait time.Duration, peers int, interval time.Duration) time.Duration {
	switch {
	case peers >= fullBucket:
		return interval
	case peers > 0:
		return min(max(2*wait, provideSoon), interval)
	default:
		return min(max(2*wait, provideRetry), provideRetryMax, interval)
	}
}

// jitter spreads announcements, so that those which began together do not stay together.
func jitter(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/8+1)) }

// announce puts a provider record on the peers closest to the block and gives how many took it. The DHT's own Provide
// reports success when all of them refused.
func (p *provider) announce(ctx context.Context, c cid.Cid) (int, error) {
	self := peer.AddrInfo{ID: p.dht.PeerID()}
	if err := p.dht.ProviderStore().AddProvider(ctx, c.Hash(), self); err != nil {
		return 0, fmt.Errorf("record ourselves as provider: %w", err)
	}
	self.Addrs = p.dht.FilteredAddrs()
	if len(self.Addrs) == 0 {
		return 0, errors.New("no address of ours to announce")
	}
	closest, err := p.dht.GetClosestPeers(ctx, string(c.Hash()))
	if err != nil {
		return 0, fmt.Errorf("find closest peers: %w", err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		taken int
		errs  []error
	)
	for _, to := range closest {
		wg.Go(func() {
			err := p.messages.PutProviderAddrs(ctx, to, c.Hash(), self)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			taken++
		})
	}
	wg.Wait()
	if taken == 0 {
		return 0, fmt.Errorf("none of %d peers took the record: %w", len(closest), errors.Join(errs...))
	}
	return taken, nil
}

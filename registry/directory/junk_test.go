package directory_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ipfs/go-cid"

	registryabi "byway/contracts/bindings/registry"
	"byway/registry"
	"byway/registry/directory"
)

// movingPages is a chain whose head moves with every look, without logs, so that each refresh reads all pages.
type movingPages struct {
	*pages
	mu   sync.Mutex
	head int64
}

func (p *movingPages) HeaderByNumber(_ context.Context, at *big.Int) (*types.Header, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at != nil {
		return &types.Header{Number: at, Extra: []byte("another branch")}, nil
	}
	p.head++
	return &types.Header{Number: big.NewInt(p.head)}, nil
}

func (p *movingPages) FilterLogs(context.Context, ethereum.FilterQuery) ([]types.Log, error) {
	return nil, errors.New("no logs here")
}

func (p *movingPages) CallContract(ctx context.Context, msg ethereum.CallMsg, _ *big.Int) ([]byte, error) {
	return p.pages.CallContract(ctx, msg, big.NewInt(7))
}

// junk registers n digests of nothing.
func (p *movingPages) junk(from, n int) {
	for i := range n {
		digest := sha256.Sum256(fmt.Appendf(nil, "junk %d", from+i))
		p.rows = append(p.rows, registryabi.IRegistryRegistration{
			Provider: common.BytesToAddress(digest[:20]), Digest: digest, Sequence: 1, Stake: new(big.Int), Since: 1,
		})
	}
}

func (p *movingPages) good(t testing.TB, i int, blobs *shelf, put bool) registry.SignedOffer {
	t.Helper()
	s := bulkOffer(t, i)
	if put {
		if _, err := blobs.Put(t.Context(), s.Block); err != nil {
			t.Fatal(err)
		}
	}
	p.rows = append(p.rows, registryabi.IRegistryRegistration{
		Provider: s.Offer.Provider, Digest: s.Digest(), Sequence: 1, Stake: new(big.Int), Since: 1,
	})
	return s
}

// network of peers as IPFS is: who has a block gives it at once, and what nobody has is looked for until the caller or a
// long time ends it.
type slowShelf struct {
	*shelf
	giveUp time.Duration

	mu     sync.Mutex
	asked  []map[cid.Cid]bool // by Get
	waited int                // Gets that went on to their end with something missing
}

func (s *slowShelf) Get(ctx context.Context, want []cid.Cid, admit func([]byte) error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		asked := map[cid.Cid]bool{}
		for _, c := range want {
			asked[c] = true
		}
		s.mu.Lock()
		s.asked = append(s.asked, asked)
		s.mu.Unlock()
		var missing []cid.Cid
		for block, err := range s.shelf.Get(ctx, want, admit) {
			var gone interface{ Missing() cid.Cid }
			if errors.As(err, &gone) {
				missing = append(missing, gone.Missing())
				continue
			}
			if !yield(block, err) {
				return
			}
		}
		if len(missing) == 0 {
			return
		}
		cause := errors.New("nobody has it")
		select {
		case <-ctx.Done():
			cause = context.Cause(ctx)
		case <-time.After(s.giveUp):
			s.mu.Lock()
			s.waited++
			s.mu.Unlock()
		}
		for _, c := range missing {
			if !yield(nil, missingError{c, cause}) {
				return
			}
		}
	}
}

// takeAsked gives what was asked for since the last call, Get by Get.
func (s *slowShelf) takeAsked() []map[cid.Cid]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func sum(asked []map[cid.Cid]bool) (n int) {
	for _, a := range asked {
		n += len(a)
	}
	return n
}

func count(lines map[common.Address]line, kind string) (n int) {
	for _, l := range lines {
		if l.kind == kind {
			n++
		}
	}
	return n
}

func TestAdversaryJunkRegistrationsDoNotHoldUpAListing(t *testing.T) {
	t.Parallel()
	const junk, offers = 3000, 40
	blobs := &slowShelf{shelf: newShelf(), giveUp: 10 * time.Minute}
	chain, c := &movingPages{pages: &pages{}}, &clock{}
	chain.junk(0, junk) // they were there first, and fill whole pages
	for i := range offers {
		chain.good(t, i, blobs.shelf, true)
	}
	r, err := directory.New(directory.Config{
		Backend: chain, Deployment: pagesMarket, Blobs: blobs, Now: c.now, Patience: time.Second,
		Index: openIndex(t, filepath.Join(t.TempDir(), "offers.db")),
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	first := collect(t, r.Refresh(t.Context()))
	cold := time.Since(began)
	if count(first, "good") != offers || count(first, "missing") != junk {
		t.Fatalf("listed %d good offers of %d, %d junk", count(first, "good"), offers, count(first, "missing"))
	}
	blobs.takeAsked()

	// What nobody had is remembered: it is not asked for again at once.
	began = time.Now()
	if again := collect(t, r.Refresh(t.Context())); len(again) != 0 {
		t.Errorf("%d lines changed where nothing did", len(again))
	}
	warm := time.Since(began)
	if asked := blobs.takeAsked(); len(asked) != 0 {
		t.Errorf("asked for %d blocks that nobody had a moment ago", sum(asked))
	}

	// Later it is, a bounded number, and after what is new.
	c.offset = 2 * time.Minute
	fresh := chain.good(t, offers, blobs.shelf, true)
	chain.junk(junk, 1)
	got := collect(t, r.Refresh(t.Context()))
	if got[fresh.Offer.Provider].kind != "good" {
		t.Errorf("a new offer among junk is %q", got[fresh.Offer.Provider].kind)
	}
	asked := blobs.takeAsked()
	if len(asked) != 2 || !asked[0][fresh.CID] || asked[1][fresh.CID] || len(asked[1]) > 1024 || len(asked[1]) == 0 {
		t.Errorf("asked %d times, for %d blocks in all, the new one first: %v", len(asked), sum(asked), len(asked) > 0 && asked[0][fresh.CID])
	}
	retried := sum(asked)
	if blobs.waited != 0 {
		t.Errorf("%d fetches were waited for to their end", blobs.waited)
	}
	if known := collect(t, r.Known(t.Context())); count(known, "good") != offers+1 {
		t.Errorf("%d good offers known, want %d", count(known, "good"), offers+1)
	}
	// Ten minutes are what one page of junk would take if it were waited for; the machine may be slow.
	if cold > 30*time.Second || warm > 30*time.Second {
		t.Errorf("cold %s, warm %s", cold, warm)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d registrations of nothing, before %d offers", junk, offers),
		"all offers listed without waiting for junk; 1024 retries a listing, new ones first",
		fmt.Sprintf("cold %s, warm %s, %d asked for again", cold.Round(time.Millisecond), warm.Round(time.Millisecond), retried))
}

// TestAdversaryStakedOffersComeBeforeJunk: thousands of registrations that cost nothing, and ten offers that have staked
// something. The ten are in the first page that is asked for, whoever was there first.
func TestAdversaryStakedOffersComeBeforeJunk(t *testing.T) {
	t.Parallel()
	const junk, offers = 5000, 10
	blobs := &slowShelf{shelf: newShelf(), giveUp: 10 * time.Minute}
	chain, c := &movingPages{pages: &pages{}}, &clock{}
	chain.junk(0, junk)
	staked := map[common.Address]registry.SignedOffer{}
	for i := range offers {
		s := chain.good(t, i, blobs.shelf, i > 0) // one of them can't be had at first
		chain.rows[len(chain.rows)-1].Stake = big.NewInt(int64(1 + i))
		staked[s.Offer.Provider] = s
	}
	r, err := directory.New(directory.Config{
		Backend: chain, Deployment: pagesMarket, Blobs: blobs, Now: c.now, Patience: time.Second,
		Index: openIndex(t, filepath.Join(t.TempDir(), "offers.db")),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := 0
	for l, err := range r.List(ctx) { // which waits for every block
		if _, ok := staked[l.Registration.Provider]; err != nil || !ok {
			t.Fatalf("before all that have staked comes %s: %v", l.Registration.Provider, err)
		}
		if first++; first == offers-1 {
			break
		}
	}
	cancel()
	if err := r.Finish(t.Context()); err != nil { // nothing is left of a list
		t.Fatal(err)
	}
	page := map[cid.Cid]bool{}
	for _, asked := range blobs.takeAsked() {
		for _, s := range staked {
			if asked[s.CID] {
				page = asked
			}
		}
	}
	for _, s := range staked {
		if !page[s.CID] {
			t.Errorf("%s is not in the first page", s.Offer.Provider)
		}
	}
	if len(page) > 128 {
		t.Errorf("the first page has %d", len(page))
	}

	// What could not be had at first is looked for again before the junk, which is as late as it.
	refreshed := collect(t, r.Refresh(t.Context()))
	if count(refreshed, "good") != offers-1 {
		t.Fatalf("%d good offers, want %d", count(refreshed, "good"), offers-1)
	}
	blobs.takeAsked()
	late := chain.rows[junk]
	blobs.giveUp = time.Millisecond
	if err := r.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := blobs.takeAsked()
	if len(asked) != 1 || len(asked[0]) != 1024 || !asked[0][staked[late.Provider].CID] {
		t.Errorf("the background asked for %d, the staked one among them: %v", sum(asked), len(asked) > 0 && asked[0][staked[late.Provider].CID])
	}
	if _, err := blobs.Put(t.Context(), staked[late.Provider].Block); err != nil {
		t.Fatal(err)
	}
	blobs.giveUp, c.offset = time.Minute, 10*time.Minute
	chain.junk(junk, 2000) // fresh ones, which never failed
	got := collect(t, r.Refresh(t.Context()))
	retried := blobs.takeAsked()
	t.Logf("adversary: %d registrations of nothing beside %d offers with stakes | bound: the offers in the first page of 128, and "+
		"among the first that are looked for again | seen: %d in the first page, %d asked for again", junk+2000, offers, offers, sum(retried))
	if got[late.Provider].kind != "good" {
		t.Errorf("the offer that came late is %q", got[late.Provider].kind)
	}
}

func TestWhatAListingDidNotWaitForIsFoundInTheBackground(t *testing.T) {
	t.Parallel()
	blobs := &slowShelf{shelf: newShelf(), giveUp: 50 * time.Millisecond}
	chain, c := &movingPages{pages: &pages{}}, &clock{}
	chain.good(t, 0, blobs.shelf, true)
	late, never := chain.good(t, 1, blobs.shelf, false), chain.good(t, 2, blobs.shelf, false)
	r, err := directory.New(directory.Config{
		Backend: chain, Deployment: pagesMarket, Blobs: blobs, Now: c.now, Patience: time.Millisecond,
		Index: openIndex(t, filepath.Join(t.TempDir(), "offers.db")),
	})
	if err != nil {
		t.Fatal(err)
	}
	blobs.giveUp = time.Minute
	first := collect(t, r.Refresh(t.Context()))
	if first[late.Offer.Provider].kind != "missing" || count(first, "good") != 1 {
		t.Fatalf("first: %d good, late is %q", count(first, "good"), first[late.Offer.Provider].kind)
	}
	if _, err := blobs.Put(t.Context(), late.Block); err != nil {
		t.Fatal(err)
	}
	blobs.giveUp = 10 * time.Millisecond
	if err := r.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if known := collect(t, r.Known(t.Context())); known[late.Offer.Provider].kind != "good" ||
		known[never.Offer.Provider].kind != "missing" {
		t.Errorf("after the background: %q, %q", known[late.Offer.Provider].kind, known[never.Offer.Provider].kind)
	}
	// The next refresh tells of it once.
	if told := collect(t, r.Refresh(t.Context())); len(told) != 1 || told[late.Offer.Provider].kind != "good" {
		t.Errorf("told of %d changes, late is %q", len(told), told[late.Offer.Provider].kind)
	}
	if told := collect(t, r.Refresh(t.Context())); len(told) != 0 {
		t.Errorf("told of %d changes again", len(told))
	}
	if err := r.Finish(t.Context()); err != nil {
		t.Errorf("with nothing left: %v", err)
	}
}

func TestAListingWithNothingToShowWaits(t *testing.T) {
	t.Parallel()
	blobs := &slowShelf{shelf: newShelf(), giveUp: 500 * time.Millisecond}
	chain := &movingPages{pages: &pages{}}
	chain.good(t, 0, blobs.shelf, false)
	r, err := directory.New(directory.Config{
		Backend: chain, Deployment: pagesMarket, Blobs: blobs, Patience: time.Millisecond,
		Index: openIndex(t, filepath.Join(t.TempDir(), "offers.db")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r.Refresh(t.Context())); count(got, "missing") != 1 || blobs.waited != 1 {
		t.Errorf("%d missing, %d waited for", count(got, "missing"), blobs.waited)
	}
}

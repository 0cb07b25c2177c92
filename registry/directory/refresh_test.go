package directory_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/devchain"
	"byway/registry/directory"
)

// clock is a consumer's clock that a test sets.
type clock struct{ offset time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.offset) }

func openIndex(t testing.TB, path string) *directory.Index {
	t.Helper()
	x, err := directory.OpenIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func (n *network) indexed(t testing.TB, blobs directory.Blobs, x *directory.Index, c *clock) *directory.Directory {
	t.Helper()
	r, err := directory.New(directory.Config{
		Backend: n.client, Deployment: n.deployment, Blobs: blobs, Index: x, Now: c.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// collect runs a listing to its end and returns, for each provider, the listing and its skip.
func collect(t testing.TB, seq func(func(directory.Listing, error) bool)) map[common.Address]line {
	t.Helper()
	lines := map[common.Address]line{}
	for l, err := range seq {
		var skip *directory.Omission
		if err != nil && !errors.As(err, &skip) {
			t.Fatal(err)
		}
		kind := "good"
		switch {
		case skip != nil:
			kind = skip.Kind()
		case l.Stale:
			kind = "stale"
		}
		lines[l.Registration.Provider] = line{l, kind}
	}
	return lines
}

type line struct {
	directory.Listing
	kind string
}

func expect(t testing.TB, what string, got map[common.Address]line, want map[int]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
	for account, kind := range want {
		if l, ok := got[devchain.Account(account).Address()]; !ok || l.kind != kind {
			t.Errorf("%s: account %d is %q, want %q", what, account, l.kind, kind)
		}
	}
}

func TestRefreshFetchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	n, blobs, c := startNetwork(t), newShelf(), &clock{}
	path := filepath.Join(t.TempDir(), "offers.db")
	x := openIndex(t, path)
	r := n.indexed(t, blobs, x, c)
	n.mint(t, 2, 100)
	publish := func(account int, sequence, price, stake uint64) {
		t.Helper()
		s := n.signed(t, account, n.offer(t, account, sequence, price))
		if _, err := r.Publish(t.Context(), n.sender(t, account), s, contracts.NewAmount(stake)); err != nil {
			t.Fatal(err)
		}
	}
	for account := 1; account <= 4; account++ {
		publish(account, 1, 1000, 0)
	}
	step := func(what string, fetched int, changed, known map[int]string) {
		t.Helper()
		before := blobs.fetched
		expect(t, what+": changed", collect(t, r.Refresh(t.Context())), changed)
		if got := blobs.fetched - before; got != fetched {
			t.Errorf("%s: fetched %d blocks, want %d", what, got, fetched)
		}
		expect(t, what+": known", collect(t, r.Known(t.Context())), known)
	}
	four := map[int]string{1: "good", 2: "good", 3: "good", 4: "good"}
	step("first", 4, four, four)
	step("nothing happened", 0, nil, four)

	x.Close() // a restart
	x = openIndex(t, path)
	r = n.indexed(t, blobs, x, c)
	expect(t, "after a restart", collect(t, r.Known(t.Context())), four)
	publish(3, 2, 900, 0)
	publish(2, 2, 900, 50)
	if _, err := r.Leave(t.Context(), n.sender(t, 4)); err != nil {
		t.Fatal(err)
	}
	three := map[int]string{1: "good", 2: "good", 3: "good"}
	step("two updates and a leave", 2, map[int]string{2: "good", 3: "good", 4: "left"}, three)

	publish(2, 3, 800, 0)
	publish(2, 4, 700, 100)
	step("two updates of one", 1, map[int]string{2: "good"}, three)
	got := collect(t, r.Known(t.Context()))[devchain.Account(2).Address()]
	if got.Offer.PricePerGiB != contracts.NewAmount(700) || got.Registration.Stake != contracts.NewAmount(100) {
		t.Errorf("known %+v", got.Registration)
	}
	state, err := r.State(t.Context())
	if head, _ := n.client.Head(t.Context()); err != nil || !state.Known || state.Block != head.Number ||
		state.Hash != head.Hash || state.Offers != 3 || time.Since(state.Synced) > time.Minute {
		t.Errorf("state %+v, %v", state, err)
	}
	if err := n.chain.Reorg(2, true); err != nil { // the last update never happened
		t.Fatal(err)
	}
	publish(1, 2, 500, 0)
	before := collect(t, r.Refresh(t.Context()))
	if l := before[devchain.Account(1).Address()]; l.kind != "good" || l.Offer.Sequence != 2 {
		t.Errorf("after a reorganisation: %q, %+v", l.kind, l.Registration)
	}
	for provider, l := range collect(t, r.Known(t.Context())) {
		reg, err := r.Registration(t.Context(), provider)
		if err != nil || reg != l.Registration {
			t.Errorf("after a reorganisation the index holds %+v, the chain %+v (%v)", l.Registration, reg, err)
		}
	}
}

func TestOfferThatCannotBeFetchedKeepsItsLastGoodVersionUntilItExpires(t *testing.T) {
	t.Parallel()
	n, blobs, c := startNetwork(t), newShelf(), &clock{}
	r := n.indexed(t, blobs, openIndex(t, filepath.Join(t.TempDir(), "offers.db")), c)
	first := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), first, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	collect(t, r.Refresh(t.Context()))
	second := n.signed(t, 1, n.offer(t, 1, 2, 900))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), second, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	delete(blobs.blocks, second.CID)

	expect(t, "the new block is lost", collect(t, r.Refresh(t.Context())), map[int]string{1: "stale"})
	known := collect(t, r.Known(t.Context()))
	expect(t, "the new block is lost", known, map[int]string{1: "stale"})
	if l := known[first.Offer.Provider]; l.CID != first.CID || l.Registration.Digest != second.Digest() {
		t.Errorf("stands in: %s under %+v", l.CID, l.Registration)
	}
	fetched := blobs.fetched
	expect(t, "too early to ask again", collect(t, r.Refresh(t.Context())), nil)
	if blobs.fetched != fetched {
		t.Error("asked again at once")
	}
	c.offset = 2 * time.Minute
	expect(t, "asked again in vain", collect(t, r.Refresh(t.Context())), map[int]string{1: "stale"})
	if blobs.fetched == fetched {
		t.Error("never asked again")
	}
	c.offset = 61 * time.Minute
	expect(t, "expired", collect(t, r.Known(t.Context())), map[int]string{1: "missing"})
	c.offset = 5 * time.Minute
	if _, err := blobs.Put(t.Context(), second.Block); err != nil {
		t.Fatal(err)
	}
	expect(t, "the block is found", collect(t, r.Refresh(t.Context())), map[int]string{1: "good"})
	c.offset = 61 * time.Minute
	expect(t, "expired", collect(t, r.Known(t.Context())), map[int]string{1: "expired"})
}

func TestIndexKeepsItsVerdictAboutBadOffers(t *testing.T) {
	t.Parallel()
	n, blobs, c := startNetwork(t), newShelf(), &clock{}
	r := n.indexed(t, blobs, openIndex(t, filepath.Join(t.TempDir(), "offers.db")), c)
	junk := []byte("junk")
	if _, err := blobs.Put(t.Context(), junk); err != nil {
		t.Fatal(err)
	}
	n.putRaw(t, 1, sha256.Sum256(junk))
	n.putRaw(t, 2, sha256.Sum256([]byte("lost")))
	stolen := n.signed(t, 4, n.offer(t, 4, 1, 1000))
	if _, err := blobs.Put(t.Context(), stolen.Block); err != nil {
		t.Fatal(err)
	}
	n.putRaw(t, 3, stolen.Digest())
	want := map[int]string{1: "encoding", 2: "missing", 3: "provider"}
	expect(t, "first", collect(t, r.Refresh(t.Context())), want)
	expect(t, "known", collect(t, r.Known(t.Context())), want)
	for range r.Known(t.Context()) {
		break
	}
	fetched := blobs.fetched
	c.offset = 24 * time.Hour
	expect(t, "a day later", collect(t, r.Refresh(t.Context())), map[int]string{2: "missing"})
	if got := blobs.fetched - fetched; got != 1 {
		t.Errorf("fetched %d blocks, want only the missing one", got)
	}
	for l, err := range r.Known(t.Context()) {
		if l.Registration.Provider == devchain.Account(3).Address() && !errors.Is(err, directory.ErrProvider) {
			t.Errorf("the reason came back as %v", err)
		}
	}
}

func TestKnownOffersAreThereWithoutChainAndPeers(t *testing.T) {
	t.Parallel()
	n, blobs, c := startNetwork(t), newShelf(), &clock{}
	r := n.indexed(t, blobs, openIndex(t, filepath.Join(t.TempDir(), "offers.db")), c)
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	collect(t, r.Refresh(t.Context()))
	n.chain.Close()
	blobs.broken = errors.New("no peers")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	errs := 0
	for _, err := range r.Refresh(ctx) {
		if err == nil {
			t.Error("a dead chain gave news")
		}
		errs++
	}
	if errs != 1 {
		t.Errorf("%d errors, want the chain's", errs)
	}
	got := collect(t, r.Known(t.Context()))[s.Offer.Provider]
	if got.kind != "good" || !bytes.Equal(got.Block, s.Block) {
		t.Errorf("known: %q", got.kind)
	}
	if err := got.Verify(t.Context(), nil, n.deployment); err != nil {
		t.Errorf("what the index gives does not verify: %v", err)
	}
}

func TestIndexOfAnotherChainIsNotMixedUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "offers.db")
	x := openIndex(t, path)
	for run := range 2 { // the second chain has the same id and the same contracts' addresses, as devnets do
		n, blobs := startNetwork(t), newShelf()
		r := n.indexed(t, blobs, x, &clock{})
		s := n.signed(t, 1+run, n.offer(t, 1+run, 1, 1000))
		if _, err := r.Publish(t.Context(), n.sender(t, 1+run), s, contracts.Amount{}); err != nil {
			t.Fatal(err)
		}
		collect(t, r.Refresh(t.Context()))
		expect(t, "known", collect(t, r.Known(t.Context())), map[int]string{1 + run: "good"})
	}
	plain := startNetwork(t).market(t, newShelf())
	for _, err := range plain.Known(t.Context()) {
		if !errors.Is(err, directory.ErrNoIndex) {
			t.Errorf("without an index: %v", err)
		}
	}
}

func TestBrokenOffRefreshGoesOn(t *testing.T) {
	t.Parallel()
	const providers = 400
	blobs := newShelf()
	r, err := directory.New(directory.Config{
		Backend: newPages(t, providers, blobs), Deployment: pagesMarket, Blobs: blobs,
		Index: openIndex(t, filepath.Join(t.TempDir(), "offers.db")),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range r.Refresh(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range r.Refresh(ctx) {
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for _, err := range r.Refresh(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Refresh(t.Context()) {
			if !errors.Is(err, directory.ErrRefreshing) {
				t.Fatalf("a second refresh at the same time: %v", err)
			}
		}
	}
	if known := collect(t, r.Known(t.Context())); len(known) != providers {
		t.Fatalf("%d known, want %d", len(known), providers)
	}
}

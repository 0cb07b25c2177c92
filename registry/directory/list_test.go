package directory_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"go.uber.org/goleak"

	"byway/contracts"
	registryabi "byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
	"byway/registry"
	"byway/registry/directory"
)

var registryABI = registryabi.NewRegistry()

// listed collects a listing: the offers by provider, and why the others were skipped.
func listed(t testing.TB, r *directory.Directory) (map[common.Address]directory.Listing, map[common.Address]*directory.Omission) {
	t.Helper()
	offers, skipped := map[common.Address]directory.Listing{}, map[common.Address]*directory.Omission{}
	for l, err := range r.List(t.Context()) {
		var skip *directory.Omission
		switch {
		case errors.As(err, &skip):
			if skip.Provider != l.Registration.Provider || skip.CID != l.Registration.CID() {
				t.Errorf("skipped %s, but the registration beside it is %+v", skip, l.Registration)
			}
			skipped[skip.Provider] = skip
		case err != nil:
			t.Fatal(err)
		default:
			offers[l.Offer.Provider] = l
		}
	}
	return offers, skipped
}

func TestPublishedOfferIsListed(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	receipt, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{})
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Already || receipt.TxHash == (common.Hash{}) || receipt.GasUsed == 0 || receipt.Fee.Sign() <= 0 {
		t.Errorf("receipt %+v", receipt)
	}
	offers, skipped := listed(t, r)
	got, ok := offers[s.Offer.Provider]
	if !ok || len(offers) != 1 || len(skipped) != 0 {
		t.Fatalf("listed %v, skipped %v", offers, skipped)
	}
	if got.CID != s.CID || !bytes.Equal(got.Block, s.Block) || got.Registration.Sequence != 1 ||
		got.Registration.Digest != s.Digest() || time.Since(got.Registration.Since) > 24*365*10*time.Hour {
		t.Errorf("listed %+v", got)
	}
}

func TestPublishingAgainSendsNothing(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	head, _ := n.client.Head(t.Context())
	delete(blobs.blocks, s.CID)
	receipt, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{})
	if err != nil || !receipt.Already {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	if after, _ := n.client.Head(t.Context()); after.Number != head.Number {
		t.Error("a transaction was sent")
	}
	if blobs.blocks[s.CID] == nil {
		t.Error("the block was not put back")
	}
}

func TestOfferThatCannotBeStoredIsNotRegistered(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	blobs.putErr = errors.New("disk full")
	if _, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{}); !errors.Is(err, blobs.putErr) {
		t.Fatalf("got %v", err)
	}
	if reg, err := r.Registration(t.Context(), s.Offer.Provider); err != nil || reg.Registered() {
		t.Fatalf("registration %+v, %v", reg, err)
	}
	blobs.putErr = nil
	if _, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateReplacesTheOfferAndKeepsTheStake(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	n.mint(t, 1, 500)
	provider := devchain.Account(1).Address()
	publish := func(sequence, price, stake uint64) (directory.Receipt, error) {
		s := n.signed(t, 1, n.offer(t, 1, sequence, price))
		return r.Publish(t.Context(), n.sender(t, 1), s, contracts.NewAmount(stake))
	}
	if _, err := publish(1, 1000, 200); err != nil {
		t.Fatal(err)
	}
	var wrong *directory.SequenceError
	if _, err := publish(1, 900, 0); !errors.As(err, &wrong) || wrong.Have != 1 || wrong.Want != 2 ||
		!errors.Is(err, directory.ErrSequence) {
		t.Fatalf("got %v, want to be told to use sequence 2", err)
	}
	if next, err := r.NextSequence(t.Context(), provider); err != nil || next != 2 {
		t.Fatalf("next sequence %d, %v", next, err)
	}
	for _, step := range []struct{ sequence, price, stake, want uint64 }{
		{2, 900, 0, 200}, {3, 800, 200, 200}, {4, 700, 350, 350},
	} {
		if _, err := publish(step.sequence, step.price, step.stake); err != nil {
			t.Fatal(err)
		}
		offers, _ := listed(t, r)
		got := offers[provider]
		if got.Offer.PricePerGiB != contracts.NewAmount(step.price) ||
			got.Registration.Stake != contracts.NewAmount(step.want) || got.Registration.Sequence != step.sequence {
			t.Fatalf("after update %+v: listed %+v", step, got.Registration)
		}
	}
	if _, err := publish(5, 600, 1000); err == nil || !bytes.Contains([]byte(err.Error()), []byte("has 150")) {
		t.Fatalf("staking more than there is: %v", err)
	}
}

func TestLeavingRemovesTheOfferAndReturnsTheStake(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	n.mint(t, 1, 500)
	provider, sender := devchain.Account(1).Address(), n.sender(t, 1)
	if _, err := r.Publish(t.Context(), sender, n.signed(t, 1, n.offer(t, 1, 1, 1000)), contracts.NewAmount(500)); err != nil {
		t.Fatal(err)
	}
	left, err := r.Leave(t.Context(), sender)
	if err != nil || left.Locked != contracts.NewAmount(500) || !left.Withdrawable.IsZero() || left.ReleaseAt.IsZero() {
		t.Fatalf("left with %+v, %v", left, err)
	}
	if again, err := r.Leave(t.Context(), sender); err != nil || again != left {
		t.Fatalf("leaving twice: %+v, %v", again, err)
	}
	if offers, skipped := listed(t, r); len(offers)+len(skipped) != 0 {
		t.Fatalf("still there: %v %v", offers, skipped)
	}
	if _, err := r.Withdraw(t.Context(), sender, provider); err == nil {
		t.Fatal("the stake came back before its time")
	}
	if err := n.chain.Advance(unbondDelay + 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Withdraw(t.Context(), sender, provider); err != nil || got != contracts.NewAmount(500) {
		t.Fatalf("withdrew %s, %v", got, err)
	}
	if got, err := r.Withdraw(t.Context(), sender, provider); err != nil || !got.IsZero() {
		t.Fatalf("withdrew %s again, %v", got, err)
	}
	// A provider that comes back goes on counting.
	if _, err := r.Publish(t.Context(), sender, n.signed(t, 1, n.offer(t, 1, 2, 1000)), contracts.NewAmount(500)); err != nil {
		t.Fatal(err)
	}
	if offers, _ := listed(t, r); len(offers) != 1 {
		t.Fatal("the provider is not listed after it came back")
	}
	// The same stake comes back a second time, and a part of it that is due does not wait for one that is not.
	leave := func(want directory.Unbonding) {
		t.Helper()
		got, err := r.Leave(t.Context(), sender)
		if got.ReleaseAt.IsZero() == (got.Locked != contracts.Amount{}) {
			t.Fatalf("left with %+v", got)
		}
		if got.ReleaseAt = (time.Time{}); err != nil || got != want {
			t.Fatalf("left with %+v, %v, want %+v", got, err, want)
		}
	}
	leave(directory.Unbonding{Locked: contracts.NewAmount(500)})
	if err := n.chain.Advance(unbondDelay + 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	n.mint(t, 1, 70)
	if _, err := r.Publish(t.Context(), sender, n.signed(t, 1, n.offer(t, 1, 3, 1000)), contracts.NewAmount(70)); err != nil {
		t.Fatal(err)
	}
	leave(directory.Unbonding{Withdrawable: contracts.NewAmount(500), Locked: contracts.NewAmount(70)})
	if got, err := r.Withdraw(t.Context(), sender, provider); err != nil || got != contracts.NewAmount(500) {
		t.Fatalf("withdrew %s, %v", got, err)
	}
	if left, err := r.Unbonding(t.Context(), provider); err != nil || left.Locked != contracts.NewAmount(70) || !left.Withdrawable.IsZero() {
		t.Fatalf("%+v is left, %v", left, err)
	}
	if _, err := r.Withdraw(t.Context(), sender, provider); !chain.Reverted(err, "UnbondingTooEarly") {
		t.Fatalf("what is locked came back: %v", err)
	}
	if err := n.chain.Advance(unbondDelay + 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Withdraw(t.Context(), sender, provider); err != nil || got != contracts.NewAmount(70) {
		t.Fatalf("withdrew %s, %v", got, err)
	}
}

func TestPublishSaysWhatIsMissingOfTheLeastStake(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	var err error
	if n.deployment, err = deploy.Contracts(t.Context(), deploy.Config{
		Backend: n.client, Sender: n.sender(t, 0), ExitDelay: time.Hour, UnbondDelay: unbondDelay, DevToken: true,
		MinStake: contracts.NewAmount(300),
	}); err != nil {
		t.Fatal(err)
	}
	r := n.market(t, blobs)
	n.mint(t, 1, 500)
	sender := n.sender(t, 1)
	if least, err := r.MinStake(t.Context()); err != nil || least != contracts.NewAmount(300) {
		t.Fatalf("the least stake is %s, %v", least, err)
	}
	nonce := func() uint64 {
		t.Helper()
		sent, err := n.client.PendingNonceAt(t.Context(), sender.Address())
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	before := nonce()
	first := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	_, err = r.Publish(t.Context(), sender, first, contracts.NewAmount(120))
	var poor *directory.StakeError
	if !errors.As(err, &poor) || poor.Have != contracts.NewAmount(120) || poor.Least != contracts.NewAmount(300) ||
		!bytes.Contains([]byte(err.Error()), []byte("180 base units more")) {
		t.Fatalf("registered with too little: %v", err)
	}
	if nonce() != before {
		t.Error("something was sent")
	}
	if _, err := r.Publish(t.Context(), sender, first, contracts.NewAmount(300)); err != nil {
		t.Fatal(err)
	}
	// Who is registered has staked that already.
	if _, err := r.Publish(t.Context(), sender, n.signed(t, 1, n.offer(t, 1, 2, 900)), contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheProviderCanPublishItsOffer(t *testing.T) {
	t.Parallel()
	n := startNetwork(t)
	r := n.market(t, newShelf())
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 2), s, contracts.Amount{}); !errors.Is(err, directory.ErrProvider) {
		t.Errorf("another sender: %v", err)
	}
	expired := n.offer(t, 1, 1, 1000)
	expired.NotBefore, expired.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	_, err := r.Publish(t.Context(), n.sender(t, 1), n.signed(t, 1, expired), contracts.Amount{})
	if !errors.Is(err, registry.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	forged, err := registry.Attach(n.offer(t, 1, 1, 1), s.Sig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish(t.Context(), n.sender(t, 1), forged, contracts.Amount{}); !errors.Is(err, registry.ErrSignature) {
		t.Errorf("forged: %v", err)
	}
}

// TestBadOffersAreSkippedWithTheirReason registers one of each kind beside a good one.
func TestBadOffersAreSkippedWithTheirReason(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	good := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), good, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	account := 1
	want := map[common.Address]string{}
	// bad registers a block for the next account.
	bad := func(kind string, block func(account int) []byte) {
		t.Helper()
		account++
		b := block(account)
		if _, err := blobs.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		n.putRaw(t, account, sha256.Sum256(b))
		want[devchain.Account(account).Address()] = kind
	}
	changed := func(change func(*registry.Offer)) func(int) []byte {
		return func(account int) []byte {
			o := n.offer(t, account, 1, 1000)
			change(&o)
			return n.signed(t, account, o).Block
		}
	}
	bad("expired", changed(func(o *registry.Offer) {
		o.NotBefore, o.Expires = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	}))
	bad("not_yet_valid", changed(func(o *registry.Offer) { o.NotBefore = time.Now().Add(30 * time.Minute) }))
	bad("chain", changed(func(o *registry.Offer) { o.ChainID++ }))
	bad("contract", changed(func(o *registry.Offer) { o.Channels[0]++ }))
	bad("sequence", changed(func(o *registry.Offer) { o.Sequence = 7 }))
	bad("host", changed(func(o *registry.Offer) { o.Host = n.offer(t, 19, 1, 1).Host }))
	bad("signature", func(account int) []byte { // forged: the price changed after signing
		s := n.signed(t, account, n.offer(t, account, 1, 1000))
		forged, err := registry.Attach(n.offer(t, account, 1, 1), s.Sig)
		if err != nil {
			t.Fatal(err)
		}
		return forged.Block
	})
	bad("provider", func(int) []byte { return good.Block }) // somebody else's good offer
	bad("size", func(int) []byte { return make([]byte, registry.MaxBlock+1) })
	bad("encoding", func(int) []byte { return []byte("not cbor at all") })
	bad("price", func(account int) []byte {
		b := n.signed(t, account, n.offer(t, account, 1, 1000)).Block
		return bytes.Replace(b, []byte("\x641000"), []byte("\x640000"), 1)
	})
	bad("encoding", func(account int) []byte {
		return append(n.signed(t, account, n.offer(t, account, 1, 1000)).Block, 0)
	})
	bad("schema", func(account int) []byte {
		b := n.signed(t, account, n.offer(t, account, 1, 1000)).Block
		return bytes.Replace(b, []byte("byway.offer/1"), []byte("byway.offer/9"), 1)
	})
	account++ // registered, but nobody has it
	n.putRaw(t, account, sha256.Sum256([]byte("lost")))
	want[devchain.Account(account).Address()] = "missing"
	account++ // registered, but the store answers with another block
	replaced := n.signed(t, account, n.offer(t, account, 1, 1000))
	blobs.swap[replaced.CID] = n.signed(t, account, n.offer(t, account, 1, 1)).Block
	n.putRaw(t, account, replaced.Digest())
	want[devchain.Account(account).Address()] = "hash"

	offers, skipped := listed(t, r)
	if len(offers) != 1 || offers[good.Offer.Provider].CID != good.CID {
		t.Errorf("listed %d offers, want the good one", len(offers))
	}
	for provider, kind := range want {
		skip := skipped[provider]
		if skip == nil {
			t.Errorf("%s: not skipped", kind)
			continue
		}
		if skip.Kind() != kind {
			t.Errorf("want %s, got %s: %v", kind, skip.Kind(), skip)
		}
		t.Logf("%-14s %v", skip.Kind(), skip)
	}
	if len(skipped) != len(want) {
		t.Errorf("%d skipped, want %d", len(skipped), len(want))
	}
}

func TestListSaysWhenTheStoreIsBroken(t *testing.T) {
	t.Parallel()
	n, blobs := startNetwork(t), newShelf()
	r := n.market(t, blobs)
	s := n.signed(t, 1, n.offer(t, 1, 1, 1000))
	if _, err := r.Publish(t.Context(), n.sender(t, 1), s, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	blobs.broken = errors.New("store is closed")
	var last error
	for l, err := range r.List(t.Context()) {
		if last != nil || err == nil {
			t.Fatalf("listed %+v, %v after %v", l, err, last)
		}
		last = err
	}
	var store *directory.StoreError
	if !errors.As(last, &store) || !errors.Is(last, blobs.broken) {
		t.Fatalf("the listing ends with %v", last)
	}
}

func TestListEndsWithTheChainsError(t *testing.T) {
	t.Parallel()
	n := startNetwork(t)
	r := n.market(t, newShelf())
	n.chain.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	errs := 0
	for _, err := range r.List(ctx) {
		var skip *directory.Omission
		if err == nil || errors.As(err, &skip) {
			t.Fatalf("got %v from a dead chain", err)
		}
		errs++
	}
	if errs != 1 {
		t.Fatalf("%d errors, want one", errs)
	}
}

func TestListReadsManyPagesAndCanBeBrokenOff(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent()) // which is why this test runs alone
	const providers = 400                              // a small page, a larger one, and part of a third
	blobs := newShelf()
	page := newPages(t, providers, blobs)
	r, err := directory.New(directory.Config{Backend: page, Deployment: pagesMarket, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	offers, skipped := listed(t, r)
	if len(offers) != providers || len(skipped) != 0 {
		t.Fatalf("%d listed, %d skipped", len(offers), len(skipped))
	}
	for i := range 20 { // break off at different depths; nothing may stay behind
		seen := 0
		for _, err := range r.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen > i*19 {
				break
			}
		}
	}
	page.gasLimit.Store(50) // a node that grants little asks for smaller pages
	if offers, _ := listed(t, r); len(offers) != providers {
		t.Fatalf("%d listed in small pages", len(offers))
	}
}

func TestChooseTakesTheCheapestThatFits(t *testing.T) {
	t.Parallel()
	listing := func(name byte, price, stake uint64, change func(*registry.Offer)) directory.Listing {
		o := registry.Offer{
			Provider: common.Address{name}, PricePerGiB: contracts.NewAmount(price), Country: "NL",
			Services: []string{registry.ServiceExit}, Transports: []string{registry.TransportWireGuard},
			Exit: &registry.ExitPolicy{},
		}
		if change != nil {
			change(&o)
		}
		return directory.Listing{
			SignedOffer: registry.SignedOffer{Offer: o}, Registration: directory.Registration{Stake: contracts.NewAmount(stake)},
		}
	}
	all := []directory.Listing{
		listing(1, 50, 0, nil), listing(2, 20, 5, nil), listing(3, 20, 9, nil), listing(5, 20, 9, nil),
		listing(4, 10, 9, func(o *registry.Offer) { o.Country = "DE" }),
		listing(6, 1, 9, func(o *registry.Offer) { o.Services = []string{registry.ServiceRelay} }),
		listing(7, 2, 9, func(o *registry.Offer) { o.Transports = []string{"smoke-signs"} }),
		listing(8, 60, 9, func(o *registry.Offer) { o.Features, o.Exit.P2P = []string{"pq"}, true; o.Capacity.Down = 100 }),
	}
	one := common.Address{1}
	for _, c := range []struct {
		name string
		c    directory.Criteria
		want byte
	}{
		{"any", directory.Criteria{}, 4},
		{"country, tie by stake, then address", directory.Criteria{Country: "NL"}, 3},
		{"provider", directory.Criteria{Provider: &one}, 1},
		{"service", directory.Criteria{Service: registry.ServiceRelay}, 6},
		{"transport", directory.Criteria{Transport: "smoke-signs"}, 7},
		{"feature", directory.Criteria{Features: []string{"pq"}}, 8},
		{"p2p", directory.Criteria{P2P: true}, 8},
		{"down", directory.Criteria{MinDown: 100}, 8},
		{"cap exactly met", directory.Criteria{Country: "NL", MaxPricePerGiB: contracts.NewAmount(20)}, 3},
	} {
		got, err := directory.Choose(all, c.c)
		if err != nil || got.Offer.Provider[0] != c.want {
			t.Errorf("%s: chose %d, %v; want %d", c.name, got.Offer.Provider[0], err, c.want)
		}
	}
	_, err := directory.Choose(all, directory.Criteria{Country: "NL", MaxPricePerGiB: contracts.NewAmount(5)})
	var none *directory.NoOfferError
	if !errors.As(err, &none) || none.Considered != 8 {
		t.Fatalf("got %v", err)
	}
	const want = "no offer fits: of 8, 1 are not in NL, 1 do not sell the service exit, " +
		"1 lack the transport wireguard, 5 cost more than 5 per GiB"
	if none.Error() != want {
		t.Errorf("says %q, want %q", none, want)
	}
	if _, err := directory.Choose(nil, directory.Criteria{}); err == nil || err.Error() != "no offer fits: there are no offers" {
		t.Errorf("nothing at all: %v", err)
	}
}

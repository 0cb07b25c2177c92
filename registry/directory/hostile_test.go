package directory_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	registryabi "byway/contracts/bindings/registry"
	"byway/registry/directory"
)

// hostile lists a market in which nothing is good, and returns the counts by kind of refusal and by how much the heap
// grew while it ran.
func hostile(t *testing.T, p *pages, blobs *shelf) (directory.Stats, uint64) {
	t.Helper()
	r, err := directory.New(directory.Config{Backend: p, Deployment: pagesMarket, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak, seen := before.HeapAlloc, 0
	for l, err := range r.List(t.Context()) {
		var skip *directory.Omission
		if !errors.As(err, &skip) {
			t.Fatalf("listed %s, %v", l.Registration.Provider, err)
		}
		if seen++; seen%2_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
	}
	stats, counted := r.Stats(), uint64(0)
	for kind, n := range stats.Skipped {
		if kind == "other" {
			t.Errorf("%d refusals have no name", n)
		}
		counted += n
	}
	if seen != len(p.rows) || counted != uint64(seen) || stats.Listed != 0 {
		t.Errorf("%d of %d refused, counted %+v", seen, len(p.rows), stats)
	}
	if peak > before.HeapAlloc+64<<20 {
		t.Errorf("the heap grew by %d MiB", (peak-before.HeapAlloc)>>20)
	}
	return stats, peak - before.HeapAlloc
}

// TestTenThousandMutatedBlocksAreRefusedByName registers the digests of offers in which a few bytes were changed, so
// that everything up to the signature has to find them out.
func TestTenThousandMutatedBlocksAreRefusedByName(t *testing.T) {
	// Alone, as the next one, since it looks at the heap.
	offers := 10_000
	if slowBuild {
		offers /= 5
	}
	blobs, p := newShelf(), &pages{}
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range offers {
		s := bulkOffer(t, i)
		block := append([]byte(nil), s.Block...)
		switch dice.IntN(4) {
		case 0: // cut off
			block = block[:dice.IntN(len(block)-1)+1]
		case 1: // something behind it
			block = append(block, byte(dice.Uint32()))
		default:
			for range 1 + dice.IntN(3) {
				block[dice.IntN(len(block))] ^= byte(1 + dice.IntN(255))
			}
		}
		digest := sha256.Sum256(block)
		if digest == s.Digest() { // a change was changed back
			block[0]++
			digest = sha256.Sum256(block)
		}
		if _, err := blobs.Put(t.Context(), block); err != nil {
			t.Fatal(err)
		}
		p.rows = append(p.rows, registryabi.IRegistryRegistration{
			Provider: s.Offer.Provider, Digest: digest, Sequence: 1, Stake: new(big.Int), Since: 1,
		})
	}
	stats, grown := hostile(t, p, blobs)
	t.Logf("%d mutated blocks: %v, heap +%d KiB", len(p.rows), stats.Skipped, grown>>10)
	for _, kind := range []string{"encoding", "signature"} {
		if stats.Skipped[kind] == 0 {
			t.Errorf("none was refused for its %s", kind)
		}
	}
}

// TestHundredThousandJunkRegistrationsCostBoundedMemory registers digests of blocks that nobody has.
func TestHundredThousandJunkRegistrationsCostBoundedMemory(t *testing.T) {
	junk := 100_000
	if slowBuild {
		junk /= 5
	}
	p := &pages{rows: make([]registryabi.IRegistryRegistration, junk)}
	for i := range p.rows {
		digest := sha256.Sum256(fmt.Appendf(nil, "junk %d", i))
		p.rows[i] = registryabi.IRegistryRegistration{
			Provider: common.BytesToAddress(digest[:20]), Digest: digest, Sequence: 1, Stake: new(big.Int), Since: 1,
		}
	}
	stats, grown := hostile(t, p, newShelf())
	t.Logf("%d junk registrations: %v, heap +%d KiB", junk, stats.Skipped, grown>>10)
	if stats.Skipped["missing"] != uint64(junk) {
		t.Errorf("counted %v", stats.Skipped)
	}
}

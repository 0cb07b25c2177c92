package ipfs

import (
	"errors"
	"testing"
)

// TestTenThousandRefusedBlocksAreCountedAndNoneIsKept fetches 10,000 blocks of which the caller admits none.
func TestTenThousandRefusedBlocksAreCountedAndNoneIsKept(t *testing.T) {
	t.Parallel()
	const junk = 10_000
	holder, n := open(t, Config{}), open(t, Config{Client: true})
	fill(t, holder, 1, junk)
	connect(t, n, holder)
	refuse := errors.New("this is no offer")
	refused := 0
	for block, err := range n.Get(t.Context(), testCIDs(1, junk), func([]byte) error { return refuse }) {
		if block != nil || !errors.Is(err, refuse) {
			t.Fatalf("got %x, %v", block, err)
		}
		refused++
	}
	stats := n.Stats()
	if refused != junk || stats.Refused["not_admitted"] != junk || stats.Fetched != 0 {
		t.Errorf("%d refused, stats %+v", refused, stats)
	}
	kept, err := n.store.AllKeysChan(t.Context())
	if err != nil || len(kept) != 0 {
		t.Errorf("%d refused blocks were stored, %v", len(kept), err)
	}
}

package home

import (
	"testing"

	"byway/contracts/devchain"
)

// The number stands here for programs that are built without the chain.
func TestDevnetIsTheEmbeddedChain(t *testing.T) {
	t.Parallel()
	if devnetChainID != devchain.ChainID {
		t.Errorf("the devnet's chain is %d, and the embedded one %d", devnetChainID, devchain.ChainID)
	}
}

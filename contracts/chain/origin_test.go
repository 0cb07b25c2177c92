package chain

import (
	"encoding/json"
	"net/http"
	"testing"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
)

// An endpoint that refuses one of the first blocks and gives the other is used as one that gives none of them.
func TestAdversaryAnEndpointThatRefusesOneOldBlockIsUsed(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	for _, refused := range []string{"0x0", "0x1"} {
		p := chaintest.Start(t, node.URL())
		p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
			var asked string
			if q.Method == "eth_getBlockByNumber" && json.Unmarshal(q.Params[0], &asked) == nil && asked == refused {
				return chaintest.Refuse(w, q, -32000, "old blocks are for paying customers")
			}
			return false
		})
		c := dial(t, p.URL)
		head, err := c.Head(t.Context())
		t.Logf("adversary: block %s is refused, the other first block is not | bound: the endpoint is used | seen: head %d, %v", refused,
			head.Number, err)
		if err != nil || head.Number == 0 {
			t.Errorf("block %s refused: %+v, %v", refused, head, err)
		}
	}
}
